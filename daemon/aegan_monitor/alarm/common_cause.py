"""Alarms of several machines at about the same time: a truck, a power cut, one box of microphones. Pure."""

from dataclasses import dataclass, field
from datetime import datetime


@dataclass(slots=True)
class CommonCause:
    """The alarm that was raised first of those that have a common cause; one object for all machines of a node.

    Attributes:
        window_s: Seconds within which the alarms of other machines join the first one; 0 if none does.
    """

    window_s: float = 0.0
    _first: tuple[str, str, datetime] | None = field(default=None, init=False)  # machine, case and time

    def find(self, machine: str, time: datetime) -> str | None:
        """The case that an alarm of `machine` joins, if the sound for it was heard at `time`; None if it joins none.

        The machines are judged one after the other, so the sound of the first alarm may be the later one.
        """
        if self._first is None:
            return None
        first, case, began_at = self._first
        apart_s = abs((time - began_at).total_seconds())
        return case if first != machine and self.window_s > 0 and apart_s <= self.window_s else None

    def note(self, machine: str, case: str, time: datetime) -> None:
        """An alarm of `machine` that has joined no other was raised at `time`: others may join it."""
        self._first = (machine, case, time)
