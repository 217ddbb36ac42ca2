"""What must be true of the daemon after each step, whatever has happened."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from aegan_monitor.alarm.lifecycle import IN_ALARM
from aegan_monitor.alarm.machine import STORE_S
from aegan_monitor.messages.payloads import Event, Score
from aegan_monitor.service.runtime import Line
from depths import Depth
from simulated_daemon import Daemon
from witness import Witness

ANSWER_STEPS = 4  # within which a command is answered, without trouble
UNSHELVED_DECISIONS = 3  # within which an alarm that a shelf has hidden is raised
FAULT_ENDS = frozenset({"closed", "superseded", "removed"})  # after which the evidence begins again


@dataclass(slots=True)
class Truth:
    """What is true of a machine.

    Attributes:
        is_faulty: It has a fault now.
        delay_s: Sound of this fault that must be enough for an alarm.
        heard_s: Sound of this fault that decisions have covered, less what a kill may have taken back.
        was_normal: Normal sound has reached the ring of this run, since the last of the fault.
        n_unshelved: Decisions since the end of a shelf.
    """

    is_faulty: bool = False
    delay_s: float = math.inf
    heard_s: float = 0.0
    was_normal: bool = False
    n_unshelved: int = 0
    last_score: Score | None = None


class Checks:
    """Compares the daemon with what is true.

    Attributes:
        calm_since_s: End of the last trouble that may delay an answer.
    """

    def __init__(self, depth: Depth, names: Iterable[str], witness: Witness) -> None:
        self._depth, self._witness = depth, witness
        self._truth = {name: Truth() for name in names}
        self._asked: dict[str, float] = {}
        self._ignored: set[str] = set()
        self.calm_since_s = 0.0

    def begin_fault(self, name: str, size: float) -> None:
        """A fault begins, or another of another size."""
        self._truth[name].delay_s, self._truth[name].heard_s = self._depth.delay_s(size), 0.0

    def begin_run(self, name: str, *, forgets: bool = False, is_killed: bool = False) -> None:
        """The machine is started again: with its record of a minute ago, or of a longer time ago if the run before `forgets`."""
        truth = self._truth[name]
        truth.heard_s = 0.0 if forgets else max(0.0, truth.heard_s - is_killed * (STORE_S + 3 * self._depth.clip_s))
        truth.was_normal, truth.last_score, truth.n_unshelved = False, None, 0

    def sound(self, name: str, *, is_faulty: bool) -> None:
        """How the machine sounds in this step."""
        truth = self._truth[name]
        truth.is_faulty = is_faulty
        if not is_faulty:
            truth.heard_s, truth.was_normal = 0.0, True

    def disturb(self, now_s: float) -> None:
        """Something happens that may delay an answer."""
        self.calm_since_s = now_s

    def expect_answer(self, command_id: str, now_s: float, *, is_retained: bool) -> None:
        """A command is on its way; a retained one gets no answer."""
        if is_retained:
            self._ignored.add(command_id)
        else:
            self._asked[command_id] = now_s

    def excuse_commands(self) -> None:
        """The answers to the commands so far may be lost, because daemon or connection end."""
        self._asked.clear()

    def look(self, daemon: Daemon | None, now_s: float) -> None:
        """Check the daemon after a turn, if it runs."""
        if daemon is None:
            return
        assert daemon.is_alive, "systemd's watchdog is not fed"
        for name, line in daemon.lines.items():
            self._look_at_machine(name, line)
        for command_id, asked_s in list(self._asked.items()):
            if command_id in self._witness.answers:
                del self._asked[command_id]
            else:
                late_s = now_s - max(asked_s, self.calm_since_s) - ANSWER_STEPS * self._depth.step_s
                assert late_s <= 0, f"command {command_id} has no answer"
        assert not self._ignored & self._witness.answers.keys(), "a retained command was obeyed"

    def look_at_event(self, name: str, event: Event, line: Line | None) -> None:
        """Check an event when it is made."""
        truth = self._truth[name]
        if event.kind == "cleared":
            assert line is not None
            assert line.machine.last_score is not None or truth.last_score is not None, f"{name}: cleared before a decision of this run"
            assert truth.was_normal, f"{name}: cleared, but all that was heard in this run is the fault"
            assert truth.heard_s < 4 * self._depth.clip_s, f"{name}: cleared, while a fault is heard"
        if event.kind in FAULT_ENDS:
            truth.heard_s = 0.0

    def look_at_delivered(self, daemon: Daemon) -> None:
        """When the broker has everything and refuses nothing, the subscriber knows what the daemon knows."""
        if not daemon.has_delivered or self._witness.may_overtake:
            return
        for name, line in daemon.lines.items():
            received, record = self._witness.of(name), line.machine.record
            assert received.unnamed is None, f"{name}: event {received.unnamed} never came"
            assert received.is_shown == record.active, f"{name}: alarm active {record.active}, by its state {received.is_shown}"
            if received.is_active is None or received.restarts_at:
                continue
            assert received.last == record.sequence, f"{name}: the daemon has made event {record.sequence}, the subscriber {received.last}"
            assert received.is_active == record.active, f"{name}: alarm active {record.active}, by its events {received.is_active}"

    def _look_at_machine(self, name: str, line: Line) -> None:
        truth, record = self._truth[name], line.machine.record
        decided = line.machine.last_score is not truth.last_score
        truth.last_score = line.machine.last_score
        truth.n_unshelved = 0 if record.shelved else truth.n_unshelved + decided
        if not (decided and truth.is_faulty):
            return
        truth.heard_s += self._depth.step_s
        if truth.heard_s >= truth.delay_s:
            assert record.process in IN_ALARM, f"{name}: a fault was heard for {truth.heard_s:.0f} s, and the state is {record.process}"
            assert record.active or truth.n_unshelved < UNSHELVED_DECISIONS, f"{name}: the alarm is not active"
