"""Evidence as a part of the monitor: by the configuration, and in health."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from aegan_monitor.clock import now
from aegan_monitor.config.evidence import EvidenceConfig
from aegan_monitor.config.model import load_config
from aegan_monitor.evidence.case_writer import CaseWriter
from aegan_monitor.evidence.folder import WritableFolder
from aegan_monitor.evidence.room import Room
from aegan_monitor.evidence.writer import EvidenceWriter
from aegan_monitor.history.reader import HistoryReader
from aegan_monitor.messages.case import Case
from aegan_monitor.service.monitor import Monitor
from broker import find_free_port, wait_until
from evidence_writing import TIME, make_event, make_recording
from monitoring import HoldingCapture, make_their_parts, running, write_config


@pytest.mark.parametrize(("key", "is_made"), [("keep_days: 1", True), ("max_mb: 0", False)])
def test_a_quota_of_nothing_is_no_evidence(key: str, is_made: bool, tmp_path: Path) -> None:
    """There is no such part, so nothing is copied and nothing is written."""
    path = write_config(tmp_path, find_free_port(), "pump")
    path.write_text(f"evidence: {{{key}}}\n{path.read_text()}")
    assert any(isinstance(part, EvidenceWriter) for part in make_their_parts(path)) == is_made


def test_a_history_that_was_lost_has_the_cases_of_the_evidence(tmp_path: Path) -> None:
    """The page finds their sound and picture again. One that was made of no file knows no more than the folder: a verdict is in it."""
    path = write_config(tmp_path, find_free_port(), "pump")
    folder = WritableFolder(tmp_path / "evidence-box")
    folder.prepare()
    writer = CaseWriter(folder, Room(folder, EvidenceConfig(min_free_mb=0), set), privacy=False)
    for number, case_id in enumerate(("newer", "older")):
        event = make_event(case_id=case_id, case=Case(id=case_id, began_at=TIME - timedelta(days=number), severity="high"))
        writer.write_recording(replace(make_recording(case_id), event=event))
    folder.mark("pump", "older", "false_alarm")
    (tmp_path / "evidence-box" / "pump" / "newer" / "picture.png").unlink()
    (history, _) = make_their_parts(path)
    history.start()
    history.stop()
    newer, older = HistoryReader(tmp_path / "history-box.sqlite").read_cases()
    assert (newer.id, newer.machine, newer.severity, newer.verdict, newer.seen) == ("newer", "pump", "high", None, False)
    assert (newer.cause, newer.explanation) == (make_event().cause, make_event().explanation)
    assert newer.ended_at == TIME + timedelta(seconds=1)  # the end of its sound
    assert (older.id, older.verdict, older.seen) == ("older", "false_alarm", True)


def test_a_folder_that_cannot_be_made_is_said_in_health(tmp_path: Path) -> None:
    """The monitor runs as before."""
    path = write_config(tmp_path, find_free_port(), "pump")
    path.write_text(f"evidence: {{path: {path}/evidence}}\n{path.read_text()}")
    monitor = Monitor(load_config(path), capture=lambda _, rate_hz: HoldingCapture(rate_hz))
    with running(monitor):
        wait_until(lambda: monitor._health.read(now()).health.evidence_problem, "the problem")
        problem = monitor._health.read(now()).health.evidence_problem
        assert monitor._health.describe().endswith(f"; evidence: {problem}")
    assert problem == f"{path}/evidence: Not a directory; alarms have no new sound and pictures until that is mended"
