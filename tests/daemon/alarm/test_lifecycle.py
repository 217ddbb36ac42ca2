"""The transition table of the alarm: compared with a naive model, and checked for any sequence of decisions and commands."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aegan_monitor.alarm.lifecycle import TABLE, AlarmRecord, Signal, find_isa_state, refusal, shelf_left_s, take
from aegan_monitor.messages.model import AlarmState
from aegan_monitor.messages.payloads import IsaState
from state_diagrams import find_reachable
from story import Delays

NOW = datetime(2026, 1, 31, 8, 15, tzinfo=UTC)
ON, OFF, HOP = 30, 50, 10
STATES: tuple[AlarmState, ...] = get_args(AlarmState)
SIGNALS: tuple[Signal, ...] = get_args(Signal)


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


Flags = tuple[AlarmState, bool, bool, bool, bool, bool]


def flags(record: AlarmRecord) -> Flags:
    """What the table changes: process, announced, acknowledged, shelved, out of service, case over."""
    return (record.process, record.announced, record.acknowledged, record.shelved, record.out_of_service, record.case_over)


def naive(record: AlarmRecord, signal: Signal) -> tuple[Flags, str | None]:  # noqa: C901, PLR0911, PLR0912 - a model without a table
    """The transition table as plain branches: the flags afterwards, and the event."""
    process, announced, acknowledged, shelved, out, over = flags(record)
    hidden, in_alarm = shelved or out, process in ("alarm", "clearing")
    unchanged = (flags(record), None)
    if signal == "exceeded":
        if process == "normal":
            return (("pending", announced, acknowledged, shelved, out, over), None)
        if in_alarm and not announced and not hidden:
            return (("alarm", True, acknowledged, shelved, out, over), "raised")
        return (("alarm", announced, acknowledged, shelved, out, over), None) if process == "clearing" else unchanged
    if signal == "within":
        after: dict[AlarmState, AlarmState] = {"pending": "normal", "alarm": "clearing"}
        return ((after.get(process, process), announced, acknowledged, shelved, out, over), None)
    if signal == "elapsed":
        if process == "pending":
            return (("alarm", announced or not hidden, acknowledged, shelved, out, over), None if hidden else "raised")
        if process != "clearing":
            return unchanged
        stays = record.latched and announced and not acknowledged
        return (("normal", stays, False, shelved, out, over), "cleared" if announced and not hidden else None)
    if signal == "acknowledge":
        if not announced or hidden or acknowledged:
            return unchanged
        return ((process, in_alarm, in_alarm, shelved, out, over), "acknowledged")
    if signal == "amend":
        return (flags(record), "acknowledged" if acknowledged and not hidden else None)
    if signal == "shelve":
        return ((process, announced, acknowledged, True, out, over), "shelved")
    if signal == "unshelve":
        return ((process, announced, acknowledged, False, out, over), "unshelved" if shelved else None)
    if signal in ("out_of_service", "in_service"):
        wanted = signal == "out_of_service"
        return ((process, announced, acknowledged, shelved, wanted, over), signal if wanted != out else None)
    if signal == "close":
        return (("normal", False, False, shelved, out, True), "closed") if announced and not hidden else unchanged
    if signal == "supersede":
        return (("normal", False, False, shelved, out, True), "superseded" if announced else None)
    return (("normal", False, False, False, False, True), "removed" if announced or hidden else None)


REACHABLE = [*find_reachable(latched=False), *find_reachable(latched=True)]


def test_the_table_is_the_naive_model() -> None:
    """The table equals the naive model in each reachable state, for every signal."""
    assert (len(find_reachable(latched=False)), len(REACHABLE)) == (64, 144)
    for record, signal in product(REACHABLE, SIGNALS):
        step = take(record, signal, NOW)
        after, event = (step.after, step.event) if step else (record, None)
        assert (flags(after), event) == naive(record, signal), (record, signal)


def test_every_reachable_state_has_one_of_the_words_of_isa() -> None:
    """An active alarm is active or cleared, a suppressed one is shelved or out of service, and each of the seven words is used."""
    words = {flags(record): find_isa_state(record) for record in REACHABLE}
    assert set(words.values()) == set(get_args(IsaState))
    for record in REACHABLE:
        word = words[flags(record)]
        assert record.active == (word in ("active_unacknowledged", "active_acknowledged", "cleared_unacknowledged"))
        assert record.acknowledged or word != "active_acknowledged"
        assert (record.shelved or record.out_of_service) == (word in ("shelved", "out_of_service"))
        assert record.process == "normal" or word != "normal"
        assert record.latched or word != "cleared_unacknowledged"


def test_every_rule_is_used_and_every_state_is_left() -> None:
    """Every row of the table is reachable, and every state can be left."""
    used = set[int]()
    for record, signal in product(REACHABLE, SIGNALS):
        fits = [rule for rule in TABLE if rule.signal == signal and record.process in rule.process]
        used.update(id(rule) for rule in fits if all(getattr(record, flag) == on for flag, on in rule.when.items()))
    assert len(used) == len(TABLE)
    assert {record.process for record in REACHABLE} == set(STATES)


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
        (AlarmRecord(out_of_service=True, shelved=True), "close", None, "the alarm is out of service: none is active"),
        (AlarmRecord(), "in_service", None, "the alarm is not out of service"),
        (AlarmRecord(out_of_service=True), "in_service", None, ""),
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
