"""Which cases are deleted: by age, and where there is no room. Pure."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from aegan_monitor.clock import elapsed_s
from aegan_monitor.messages.case import Verdict

DAY_S = 86_400.0
VALUES: dict[Verdict | None, float] = {  # the lowest goes first; a case is kept for `keep_days` times its value
    "false_alarm": 0.25,
    "other": 0.5,
    "maintenance": 0.5,
    None: 1.0,
    "true_fault": 4.0,
}


@dataclass(frozen=True, slots=True)
class StoredCase:
    """A case in the folder.

    Attributes:
        written_s: When its evidence was written, in seconds since 1970.
        n_bytes: What it takes on the disk.
        verdict: What a person said of it.
    """

    machine: str
    case_id: str
    written_s: float
    n_bytes: int
    verdict: Verdict | None = None

    @property
    def key(self) -> tuple[str, str]:
        """Machine and id. Machines with a common cause share an id."""
        return self.machine, self.case_id


def find_expired(cases: Iterable[StoredCase], keep_days: float, now_s: float, kept: Collection[tuple[str, str]]) -> list[StoredCase]:
    """The cases that are too old, without those `kept`. A clock that is set back expires nothing."""
    closed = [case for case in cases if case.key not in kept]
    return [case for case in closed if elapsed_s(case.written_s, now_s) > keep_days * DAY_S * VALUES[case.verdict]]


def find_cheapest(cases: Iterable[StoredCase], n_bytes: int, kept: Collection[tuple[str, str]]) -> list[StoredCase]:
    """The cases to delete for `n_bytes` of room, without those `kept`: by value, the oldest first. None if all would not do."""
    found: list[StoredCase] = []
    for case in sorted((case for case in cases if case.key not in kept), key=lambda case: (VALUES[case.verdict], case.written_s)):
        if n_bytes <= 0:
            break
        found.append(case)
        n_bytes -= case.n_bytes
    return [] if n_bytes > 0 else found
