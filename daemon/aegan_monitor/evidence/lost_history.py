"""The cases of a history that was lost, from the folder of evidence."""

from collections.abc import Iterator
from datetime import timedelta

from aegan_monitor.evidence.folder import EvidenceFolder
from aegan_monitor.history.records import restore_case
from aegan_monitor.history.store import Statement


def list_cases(folder: EvidenceFolder) -> Iterator[Statement]:
    """What adds each case to a new history, the oldest first. When its alarm ended is not in the folder: its last sound did."""
    for stored in sorted(folder.cases(), key=lambda case: case.written_s):
        found = folder.read(stored.machine, stored.case_id)
        if found is not None:
            ended_at = max((each.began_at + timedelta(seconds=each.duration_s) for each in found.sounds), default=found.case.began_at)
            yield restore_case(stored.machine, found.case, found.cause, found.explanation, ended_at, stored.verdict)
