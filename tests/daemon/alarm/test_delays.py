"""The alarm: its table, its delays, and what any history of decisions may not do."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aegan_monitor.alarm.delays import ACTIVE, TRANSITIONS, Alarm

ON, OFF = 30, 50
HOP = 10


def run(decisions: str, on: int = ON, off: int = OFF) -> str:
    """States after each decision, one letter each: `x` exceeded, `.` within, `|` a gap."""
    alarm, sample, states = Alarm(on, off), 0, []
    for each in decisions:
        if each == "|":
            alarm.hold()
            continue
        sample += HOP
        alarm.update(each == "x", sample)
        states.append(alarm.state[0])
    return "".join(states)


@pytest.mark.parametrize(
    ("decisions", "states"),
    [
        ("....", "nnnn"),
        ("xx.x", "ppnp"),  # too short: the delay begins anew
        ("xxxx", "pppa"),  # 30 samples above
        ("xxxx.....x", "pppaccccca"),  # 40 samples below, then above again
        ("xxxx.......", "pppacccccnn"),  # 50 below
        ("xxxx..x......", "pppaccaccccc" + "n"),
        ("xx|xxxx", "pp" + "pppa"),  # the delay begins anew behind a gap
        ("xxxx...|......", "pppaccc" + "cccccn"),
    ],
)
def test_delays(decisions: str, states: str) -> None:
    """On-delay and off-delay in samples; a short excursion does nothing; a gap restarts a running delay."""
    assert run(decisions) == states


def test_without_delays_the_alarm_follows_the_decision() -> None:
    """A delay of zero is over at once."""
    assert run("x.x", on=0, off=0) == "ana"


def test_the_table_reaches_every_state_and_leaves_it() -> None:
    """No state is a dead end."""
    states = {state for state, _ in TRANSITIONS} | set(TRANSITIONS.values())
    assert states == {"normal", "pending", "alarm", "clearing"}
    assert all(any(before == state for before, _ in TRANSITIONS) for state in states)


@given(st.lists(st.booleans(), max_size=200), st.integers(0, 80), st.integers(0, 80))
def test_any_history(decisions: list[bool], on: int, off: int) -> None:
    """Events alternate, begin with `raised`, and each has its delay of uninterrupted evidence behind it."""
    alarm = Alarm(on, off)
    events = []
    for place, exceeded in enumerate(decisions):
        before = alarm.state
        transitions = alarm.update(exceeded, HOP * place)
        assert [t.before for t in transitions[1:]] == [t.after for t in transitions[:-1]]
        if transitions:
            assert transitions[0].before == before
            assert transitions[-1].after == alarm.state
        for event in (t.event for t in transitions if t.event):
            events.append(event)
            n_needed = -(-(on if event == "raised" else off) // HOP) + 1
            assert decisions[max(0, place + 1 - n_needed) : place + 1] == [event == "raised"] * n_needed
    assert events == (["raised", "cleared"] * len(events))[: len(events)]
    assert (alarm.state in ACTIVE) == (len(events) % 2 == 1)
