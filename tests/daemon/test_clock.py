"""Durations over a restart with a wrong clock."""

import pytest

from aegan_monitor.clock import CLOCK_SET_FROM_S, elapsed_s

NOW_S = CLOCK_SET_FROM_S + 1e8


@pytest.mark.parametrize(
    ("since_s", "until_s", "expected_s"),
    [
        (NOW_S, NOW_S + 90, 90.0),
        (NOW_S, NOW_S, 0.0),
        (NOW_S, NOW_S - 7200, 0.0),  # set back
        (5.0, NOW_S, 0.0),  # a board that began in 1970, and has been set since
        (NOW_S, 5.0, 0.0),  # and one that has not been set yet
        (5.0, 95.0, 0.0),  # neither: it may have begun in 1970 twice
    ],
)
def test_what_passed_over_a_restart(since_s: float, until_s: float, expected_s: float) -> None:
    """The time over a restart is never negative and never decades."""
    assert elapsed_s(since_s, until_s) == expected_s
