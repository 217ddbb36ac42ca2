"""Gaps: either the alarm's on-delay can elapse in a bounded time, or `overrun` is reported."""

from collections.abc import Iterator, Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aegan_monitor.audio.gap_rate import GapRate

RATE_HZ = 100  # a sample is 10 ms
FIRST, HOP = 973, 102
STEP = 150  # samples that are read at a time
intervals_s = st.one_of(st.floats(1.0, 60.0), st.floats(9.0, 16.0))  # the second is where it matters


def listen(intervals: Sequence[int], n_samples: int) -> Iterator[tuple[int, bool, int]]:
    """The samples of each run, whether it follows a gap, and its number of decisions; gaps come after each interval in turn."""
    n_heard = n_stretch = 0
    lengths = iter(intervals)
    until, after_gap = next(lengths), False
    while n_heard < n_samples:
        n = min(STEP, until - n_stretch)
        n_decisions = max(0, (n_stretch + n - FIRST) // HOP) - max(0, (n_stretch - FIRST) // HOP)
        yield n, after_gap, n_decisions
        n_heard, n_stretch, after_gap = n_heard + n, n_stretch + n, False
        if n_stretch == until:
            lengths = lengths if (following := next(lengths, None)) else iter(intervals)
            until, n_stretch, after_gap = following or next(lengths), 0, True


@given(st.lists(intervals_s, min_size=1, max_size=4), st.floats(0.0, 58.0))
def test_an_alarm_is_in_time_or_overrun_is_reported(gaps_s: list[float], on_delay_s: float) -> None:
    """Within `window_samples` of any start of a fault the on-delay elapses, or the sensor reports `overrun`."""
    rate, needed = GapRate(FIRST, HOP, round(on_delay_s * RATE_HZ)), round(on_delay_s * RATE_HZ)
    covered: list[tuple[int, int]] = []  # heard, on-delay counted since the last overrun
    n_heard = n_counted = 0
    for n, after_gap, n_decisions in listen([round(gap_s * RATE_HZ) for gap_s in gaps_s], 250 * RATE_HZ):
        rate.add(n, after_gap=after_gap)
        n_heard, n_counted = n_heard + n, n_counted + HOP * n_decisions
        covered = [] if rate.is_overrun else [*covered, (n_heard, n_counted)]
        while covered and covered[0][0] < n_heard - rate.window_samples - STEP:
            assert n_counted - covered.pop(0)[1] >= needed - HOP


@given(intervals_s)
def test_an_interval_is_judged_alike_for_good(gap_s: float) -> None:
    """Gaps at a constant interval are reported always or never; an interval that leaves time for an alarm is no fault."""
    rate, states = GapRate(FIRST, HOP, 12 * RATE_HZ), []
    for n, after_gap, _ in listen([round(gap_s * RATE_HZ)], 300 * RATE_HZ):
        rate.add(n, after_gap=after_gap)
        states.append(rate.is_overrun)
    assert sum(before != after for before, after in pairwise(states)) <= 1
    assert states[-1] or gap_s > 12.5
    assert not states[-1] or gap_s < 14.0


@pytest.mark.parametrize("n_gaps", [1, 2, 3])
def test_a_few_gaps_are_no_overrun(n_gaps: int) -> None:
    """A short burst of drop-outs is no `overrun`."""
    rate, n_heard = GapRate(FIRST, HOP, 12 * RATE_HZ), 0
    for n, after_gap, _ in listen([100 * RATE_HZ, *[FIRST - 1] * n_gaps, 100 * RATE_HZ], 250 * RATE_HZ):
        rate.add(n, after_gap=after_gap)
        n_heard += n
        assert not rate.is_overrun or n_gaps > 1
    assert not rate.is_overrun


def test_an_overrun_ends_with_sound_enough_for_an_alarm() -> None:
    """`overrun` ends exactly after the gapless time of a first decision and the on-delay."""
    rate = GapRate(FIRST, HOP, 12 * RATE_HZ)
    for n in range(30):
        rate.add(100, after_gap=n % 5 == 0)
    assert rate.is_overrun
    rate.add(FIRST + 12 * RATE_HZ - 1, after_gap=True)
    assert rate.is_overrun
    rate.add(1, after_gap=False)
    assert not rate.is_overrun


def test_a_long_on_delay_is_judged_within_minutes() -> None:
    """With an on-delay of days gaps are judged by the share of scored time, within minutes."""
    rate = GapRate(FIRST, HOP, 86_400 * RATE_HZ)
    assert rate.window_samples <= 240 * RATE_HZ
    for n, after_gap, _ in listen([12 * RATE_HZ], 250 * RATE_HZ):
        rate.add(n, after_gap=after_gap)
    assert rate.is_overrun
