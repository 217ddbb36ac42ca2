"""The events of any sequence of decisions and commands, for a subscriber that knows nothing else."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import get_args

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from aegan_monitor.alarm.lifecycle import IN_ALARM, AlarmRecord, Signal, find_isa_state, refusal, take
from story import Delays

NOW = datetime(2026, 1, 31, 8, 15, tzinfo=UTC)
ON, OFF, HOP = 30, 50, 10
SIGNALS: tuple[Signal, ...] = get_args(Signal)


class LifecycleMachine(RuleBasedStateMachine):
    """A state machine of decisions and commands in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.record = AlarmRecord()
        self.delays = Delays(ON, OFF)
        self.shelved = self.out_of_service = False
        self.open = self.cleared = False  # what a subscriber believes: an alarm that was raised goes on, it waits for a person

    @property
    def suppressed(self) -> bool:
        """What a subscriber believes: the alarm is shelved or out of service."""
        return self.shelved or self.out_of_service

    def follow(self, event: str | None) -> None:
        """The events are consistent for a subscriber that knows nothing else."""
        if event == "raised":
            assert not self.suppressed
            assert self.cleared or not self.open
            self.open, self.cleared = True, False
        elif event == "cleared":
            assert self.open
            assert not self.suppressed
            self.open = self.cleared = self.record.announced  # the event says so: the alarm is latched
        elif event in ("closed", "superseded"):
            assert self.open
            assert event == "superseded" or not self.suppressed
            self.open = self.cleared = False
        elif event == "acknowledged":
            assert (self.open, self.suppressed) == (True, False)
            self.open, self.cleared = not self.cleared, False
        elif event == "removed":
            assert self.open or self.suppressed
            self.open = self.cleared = self.shelved = self.out_of_service = False
        elif event in ("shelved", "unshelved"):
            self.shelved = event == "shelved"
        elif event in ("out_of_service", "in_service"):
            self.out_of_service = event == "out_of_service"
        if event in ("unshelved", "in_service"):
            self.open = self.record.announced  # the event says so: an alarm may have ended under the shelf
            self.cleared = find_isa_state(replace(self.record, shelved=False, out_of_service=False)) == "cleared_unacknowledged"

    @rule(latched=st.booleans())
    def configure(self, latched: bool) -> None:
        """Change the setting by a reload."""
        self.record = replace(self.record, latched=latched)

    @rule(exceeded=st.booleans(), n=st.integers(1, 6))
    def decide(self, exceeded: bool, n: int) -> None:
        """Make several equal decisions."""
        for _ in range(n):
            for step in self.delays.advance(self.record, exceeded, HOP, NOW):
                self.record = step.after
                self.follow(step.event)

    @rule(signal=st.sampled_from(SIGNALS[3:]))
    def act(self, signal: Signal) -> None:
        """Send a command or a reload; a refused one changes nothing, except for an alarm whose policy has changed."""
        refused = refusal(self.record, signal)
        step = take(self.record, signal, NOW)
        if refused:
            assert step is None
        if step:
            self.record = step.after
            self.follow(step.event)

    @invariant()
    def it_is_sound(self) -> None:
        """Only announced alarms are acknowledged, and only alarm and clearing are; only pending and clearing have a delay."""
        record = self.record
        assert record.active == (self.open and not self.suppressed)
        assert (record.shelved, record.out_of_service) == (self.shelved, self.out_of_service)
        assert record.announced or not record.acknowledged
        assert record.process in IN_ALARM or not record.acknowledged
        assert (record.began_at is None) == (record.process == "normal")
        assert record.process in ("pending", "clearing") or record.delay_samples == 0
        assert (record.raised_at is not None) == record.announced


TestLifecycle = LifecycleMachine.TestCase
