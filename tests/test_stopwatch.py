"""The stopwatch: the time that it counts."""

import pytest

from stopwatch import LONGEST_TURN_S, Count


def test_all_is_counted_but_long_times_without_a_look() -> None:
    """All time counts exactly, except most of a long time without a look."""
    count = Count(100.0)
    assert count.look(100.0 + LONGEST_TURN_S) == pytest.approx(LONGEST_TURN_S)
    assert [count.look(101.0 + look / 100) for look in range(101)][-1] == pytest.approx(2 * LONGEST_TURN_S + 1.0)
    assert count.look(110.0) == pytest.approx(3 * LONGEST_TURN_S + 1.0)
