"""The transition table of the alarm: compared with a naive model, and checked for any sequence of decisions and commands."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from aegan_monitor.alarm.lifecycle import IN_ALARM, TABLE, AlarmRecord, Signal, Transition, advance, refusal, shelf_left_s, take
from aegan_monitor.messages.model import AlarmState

NOW = datetime(2026, 1, 31, 8, 15, tzinfo=UTC)
ON, OFF, HOP = 30, 50, 10
STATES: tuple[AlarmState, ...] = get_args(AlarmState)
SIGNALS: tuple[Signal, ...] = get_args(Signal)


@dataclass(frozen=True)
class Delays:
    """Delays of a policy, in samples."""

    on_samples: int
    off_samples: int

    def has_elapsed(self, is_active: bool, delay_samples: int) -> bool:
        return delay_samples >= (self.off_samples if is_active else self.on_samples)

    def advance(self, record: AlarmRecord, exceeded: bool, heard_samples: int, time: datetime) -> list[Transition]:
        """Apply one decision."""
        return advance(record, exceeded, self.has_elapsed, heard_samples, time)


def run(decisions: str, on: int = ON, off: int = OFF) -> str:
    """States after each decision, one letter each: `x` is over the threshold, `.` is not."""
    record, states, delays = AlarmRecord(), [], Delays(on, off)
    for each in decisions:
        found = delays.advance(record, each == "x", HOP, NOW)
        record = found[-1].after if found else record
        states.append(record.process[0])
    return "".join(states)


@pytest.mark.parametrize(
    ("decisions", "states"),
    [
        ("....", "nnnn"),
        ("xx.x", "ppnp"),  # too short: the delay starts again
        ("xxxx", "pppa"),  # 30 samples above
        ("xxxx.....x", "pppaccccca"),  # 40 samples below, then above again
        ("xxxx.......", "pppacccccnn"),  # 50 below
        ("xxxx..x......", "pppaccacccccn"),
    ],
)
def test_delays(decisions: str, states: str) -> None:
    """On-delay and off-delay count heard samples, and a short excursion changes nothing."""
    assert run(decisions) == states


def test_without_delays_the_alarm_follows_the_decision() -> None:
    """With delays of zero the alarm follows each decision."""
    assert run("x.x", on=0, off=0) == "ana"


@given(st.lists(st.booleans(), max_size=200), st.integers(0, 80), st.integers(0, 80))
def test_any_history(decisions: list[bool], on: int, off: int) -> None:
    """For any sequence of decisions, events alternate from `raised` on, and a full delay of evidence precedes each."""
    record, events, delays = AlarmRecord(), [], Delays(on, off)
    for place, exceeded in enumerate(decisions):
        found = delays.advance(record, exceeded, HOP, NOW)
        assert [step.before.process for step in found[1:]] == [step.after.process for step in found[:-1]]
        record = found[-1].after if found else record
        for event in (step.event for step in found if step.event):
            events.append(event)
            n_needed = -(-(on if event == "raised" else off) // HOP) + 1
            assert decisions[max(0, place + 1 - n_needed) : place + 1] == [event == "raised"] * n_needed
    assert events == (["raised", "cleared"] * len(events))[: len(events)]
    assert record.active == (len(events) % 2 == 1)


def naive(record: AlarmRecord, signal: Signal) -> tuple[AlarmState, bool, bool, bool, str | None]:  # noqa: C901, PLR0911 - a model without a table
    """The transition table as plain branches: process, announced, acknowledged, shelved, event."""
    process, announced, acknowledged, shelved = record.process, record.announced, record.acknowledged, record.shelved
    unchanged = (process, announced, acknowledged, shelved, None)
    in_alarm = process in ("alarm", "clearing")
    if signal == "exceeded":
        if process == "normal":
            return ("pending", announced, acknowledged, shelved, None)
        if in_alarm and not announced and not shelved:
            return ("alarm", True, acknowledged, shelved, "raised")
        return ("alarm", announced, acknowledged, shelved, None) if process == "clearing" else unchanged
    if signal == "within":
        after: dict[AlarmState, AlarmState] = {"pending": "normal", "alarm": "clearing"}
        return (after.get(process, process), announced, acknowledged, shelved, None)
    if signal == "elapsed":
        if process == "pending":
            return ("alarm", announced or not shelved, acknowledged, shelved, None if shelved else "raised")
        return ("normal", False, False, shelved, "cleared" if announced and not shelved else None) if process == "clearing" else unchanged
    if signal == "acknowledge":
        can = in_alarm and announced and not shelved and not acknowledged
        return (process, announced, True, shelved, "acknowledged") if can else unchanged
    if signal == "shelve":
        return (process, announced, acknowledged, True, "shelved")
    if signal == "unshelve":
        return (process, announced, acknowledged, False, "unshelved" if shelved else None)
    if signal == "close":
        return ("normal", False, False, shelved, "closed") if in_alarm and announced and not shelved else unchanged
    if signal == "supersede":
        return ("normal", False, False, shelved, "superseded" if announced else None)
    gone = announced or shelved
    return ("normal", False, False, False, "removed" if gone else None)


def reachable() -> list[AlarmRecord]:
    """All states that can be reached from a new record."""
    found, left = set[tuple[AlarmState, bool, bool, bool]](), [AlarmRecord()]
    records = []
    while left:
        record = left.pop()
        key = (record.process, record.announced, record.acknowledged, record.shelved)
        if key not in found:
            found.add(key)
            records.append(record)
            left += [step.after for signal in SIGNALS if (step := take(record, signal, NOW))]
    return records


def test_the_table_is_the_naive_model() -> None:
    """The table equals the naive model in each of the 16 reachable states, for every signal."""
    assert len(reachable()) == 16
    for record, signal in product(reachable(), SIGNALS):
        step = take(record, signal, NOW)
        after, event = (step.after, step.event) if step else (record, None)
        assert (after.process, after.announced, after.acknowledged, after.shelved, event) == naive(record, signal), (record, signal)


def test_every_rule_is_used_and_every_state_is_left() -> None:
    """Every row of the table is reachable, and every state can be left."""
    used = set[int]()
    for record, signal in product(reachable(), SIGNALS):
        fits = [rule for rule in TABLE if rule.signal == signal and record.process in rule.process]
        used.update(id(rule) for rule in fits if all(getattr(record, flag) == on for flag, on in rule.when.items()))
    assert len(used) == len(TABLE)
    assert {record.process for record in reachable()} == set(STATES)


class LifecycleMachine(RuleBasedStateMachine):
    """A state machine of decisions and commands in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.record = AlarmRecord()
        self.delays = Delays(ON, OFF)
        self.open = self.suppressed = False  # what a subscriber believes: an alarm that was raised goes on, it is shelved

    def follow(self, event: str | None) -> None:
        """The events are consistent for a subscriber that knows nothing else."""
        if event == "raised":
            assert (self.open, self.suppressed) == (False, False)
            self.open = True
        elif event in ("cleared", "closed", "superseded"):
            assert self.open
            assert event == "superseded" or not self.suppressed
            self.open = False
        elif event == "acknowledged":
            assert (self.open, self.suppressed) == (True, False)
        elif event == "removed":
            assert self.open or self.suppressed
            self.open = self.suppressed = False
        elif event in ("shelved", "unshelved"):
            self.suppressed = event == "shelved"
        if event == "unshelved":
            self.open = self.record.announced  # the event says so: an alarm may have ended under the shelf

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
        """Only announced alarms are acknowledged, only alarm and clearing are announced, and only pending and clearing have a delay."""
        record = self.record
        assert record.active == (self.open and not self.suppressed)
        assert record.shelved == self.suppressed
        assert record.announced or not record.acknowledged
        assert record.process in IN_ALARM or not record.announced
        assert record.process in ("pending", "clearing") or record.delay_samples == 0
        assert (record.raised_at is not None) == record.announced


TestLifecycle = LifecycleMachine.TestCase


def test_a_shelf_keeps_the_acknowledgement() -> None:
    """The acknowledgement survives a shelf, but not the end of its alarm."""
    record = AlarmRecord(process="alarm", announced=True, acknowledged=True, raised_at=NOW, event_ids=("a", "b"))
    signals: tuple[Signal, ...] = ("shelve", "unshelve")
    for signal in signals:
        step = take(record, signal, NOW)
        assert step is not None
        record = step.after
        assert (record.acknowledged, record.event_ids, record.active) == (True, ("a", "b"), signal == "unshelve")


@pytest.mark.parametrize(
    ("record", "signal", "event_id", "reason"),
    [
        (AlarmRecord(), "acknowledge", None, "no alarm is active"),
        (AlarmRecord(), "close", None, "no alarm is active"),
        (AlarmRecord(shelved=True), "acknowledge", None, "the alarm is shelved: none is active"),
        (AlarmRecord(), "unshelve", None, "the alarm is not shelved"),
        (AlarmRecord(process="alarm", announced=True, event_ids=("new",)), "acknowledge", "old", "another alarm is active: event_id new"),
        (AlarmRecord(process="alarm", announced=True, event_ids=("new",)), "close", "old", "another alarm is active: event_id new"),
        (AlarmRecord(process="alarm", announced=True, event_ids=("new",)), "close", "new", ""),
        (AlarmRecord(), "shelve", None, ""),
    ],
)
def test_refusals(record: AlarmRecord, signal: Signal, event_id: str | None, reason: str) -> None:
    """A command with the id of an earlier alarm cannot acknowledge or close the present one."""
    assert refusal(record, signal, event_id) == reason


@pytest.mark.parametrize(
    ("passed_s", "is_clock_set", "left_s"),
    [(60, True, 540.0), (-3600, True, 600.0), (601, True, 0.0), (60, False, 600.0)],
    ids=["a reboot", "the clock was set back", "it has ended meanwhile", "no clock"],
)
def test_a_shelf_over_a_restart(passed_s: int, is_clock_set: bool, left_s: float) -> None:
    """After a restart a shelf lasts no longer than its remaining time, and ends by the wall clock if that is set."""
    record = replace(AlarmRecord(), shelved=True, shelved_until=NOW + timedelta(seconds=600), shelf_left_s=600.0)
    assert shelf_left_s(record, NOW + timedelta(seconds=passed_s), is_clock_set=is_clock_set) == left_s
