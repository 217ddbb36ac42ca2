"""The figures of a backtest."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chi2

from aegan_monitor.tools.backtest.result import Alarm, Fault, Result, judge_alarms, measure_normal

A = Path("a.wav")
WEEK_S = 7 * 86_400.0


def make_fault(start_s: float, end_s: float) -> Fault:
    """A labelled fault."""
    return Fault(A, start_s, end_s, "bearing", start_s)


def test_an_alarm_belongs_to_the_fault_in_which_it_begins() -> None:
    """The first alarm from the start of a fault to a block after its end finds it; all others are false."""
    alarms = [Alarm(at, A, at, 1.0, ended_s=at + 5) for at in (90.0, 120.0, 150.0, 205.0, 220.0)]
    first, second = judge_alarms(alarms, [make_fault(100, 200), make_fault(300, 400)], lag_s=10)
    assert (first.delay_s, first.was_active, second.delay_s) == (20.0, False, None)
    assert [alarm.is_false for alarm in alarms] == [True, False, False, False, True]


@pytest.mark.parametrize("ended_s", [None, 101.0])
def test_nothing_is_said_of_a_fault_that_begins_during_an_alarm(ended_s: float | None) -> None:
    """An alarm from before that is still active hides the fault: it is neither found nor missed."""
    (fault,) = judge_alarms([Alarm(90.0, A, 90.0, 1.0, ended_s), Alarm(150.0, A, 150.0, 1.0)], [make_fault(100, 200)], lag_s=10)
    assert (fault.delay_s, fault.was_active, fault.verdict) == (None, True, "an alarm was active before")


spans = st.lists(st.integers(1, 20), max_size=8).map(
    lambda steps: [(sum(steps[: 2 * n]), sum(steps[: 2 * n + 1])) for n in range(len(steps) // 2)]
)
parts = st.lists(st.tuples(st.integers(0, 100), st.integers(1, 30)).map(lambda each: (each[0], each[0] + each[1])), max_size=5)


@given(spans=spans, faults=parts)
def test_normal_sound_is_what_lies_in_a_span_and_in_no_fault(spans: list[tuple[int, int]], faults: list[tuple[int, int]]) -> None:
    """Overlapping faults and faults across a pause count each second once."""
    seconds = {second for start, end in spans for second in range(start, end)}
    seconds -= {second for start, end in faults for second in range(start, end)}
    assert measure_normal(spans, [make_fault(*each) for each in faults]) == pytest.approx(len(seconds))


def test_the_rate_has_limits_by_poisson() -> None:
    """Three false alarms in two weeks: 1.5 a week, with the limits of Garwood."""
    alarms = [Alarm(at, A, at, 1.0, at + 1) for at in (1.0, 2.0, 3.0)]
    result = Result(2 * WEEK_S, 2 * WEEK_S, 2 * WEEK_S, {"normal": 2 * WEEK_S}, alarms, [])
    assert result.false_per_week == pytest.approx((1.5, chi2.ppf(0.05, 6) / 4, chi2.ppf(0.95, 8) / 4))
    assert any("false alarms a week: 1.5 (at least 0.409, at most 3.88, each with 95 % confidence)" in line for line in result.describe())
