"""The alarm of one machine: on-delay and off-delay around the decisions, as a table; `alarm/annunciation.py` has what is told of it.

Words: ANSI/ISA-18.2, Management of Alarm Systems for the Process Industries.
"""

from dataclasses import dataclass
from typing import Literal

from aegan_monitor.messages.payloads import AlarmState

Signal = Literal["exceeded", "within", "elapsed"]
TRANSITIONS: dict[tuple[AlarmState, Signal], AlarmState] = {
    ("normal", "exceeded"): "pending",
    ("pending", "within"): "normal",
    ("pending", "elapsed"): "alarm",  # the on-delay: an event `raised`
    ("alarm", "within"): "clearing",
    ("clearing", "exceeded"): "alarm",
    ("clearing", "elapsed"): "normal",  # the off-delay: an event `cleared`
}
ACTIVE: frozenset[AlarmState] = frozenset({"alarm", "clearing"})


@dataclass(frozen=True, slots=True)
class Transition:
    """The alarm went from one state to another at a sample time."""

    before: AlarmState
    after: AlarmState
    sample: int

    @property
    def event(self) -> Literal["raised", "cleared"] | None:
        """What people must hear of, if anything and if they have not shelved it."""
        if (self.before in ACTIVE) == (self.after in ACTIVE):
            return None
        return "raised" if self.after in ACTIVE else "cleared"


class Alarm:
    """The state machine, at `state`; time is the sample count."""

    def __init__(self, on_delay_samples: int, off_delay_samples: int) -> None:
        self.state: AlarmState = "normal"
        self._delays: dict[AlarmState, int] = {"pending": on_delay_samples, "clearing": off_delay_samples}
        self._since_sample: int | None = 0

    def update(self, exceeded: bool, sample: int) -> list[Transition]:
        """Take the decision at `sample`; the transitions that follow, in order."""
        if self._since_sample is None:
            self._since_sample = sample
        found = self._apply("exceeded" if exceeded else "within", sample)
        if self.state in self._delays and sample - self._since_sample >= self._delays[self.state]:
            found += self._apply("elapsed", sample)
        return found

    def hold(self) -> None:
        """A gap: the state stays, but a delay that is running begins anew with the next decision."""
        self._since_sample = None

    def _apply(self, signal: Signal, sample: int) -> list[Transition]:
        after = TRANSITIONS.get((self.state, signal))
        if after is None:
            return []
        transition = Transition(self.state, after, sample)
        self.state, self._since_sample = after, sample
        return [transition]
