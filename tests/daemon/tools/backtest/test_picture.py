"""What the picture of a backtest shows of many decisions."""

from array import array

import numpy as np
import pytest

from aegan_monitor.tools.backtest.picture import MOST_COLUMNS, find_colours, find_stretches, pool
from aegan_monitor.tools.backtest.result import Course


def make_course(states: list[str], pause_before: int | None = None) -> Course:
    """A decision a second, with a pause of a minute before one of them."""
    times_s = [float(n + (60 if pause_before is not None and n >= pause_before else 0)) for n in range(1, len(states) + 1)]
    nothing = array("d", bytes(8 * len(states)))
    return Course(1.0, array("d", times_s), nothing, nothing, states)


def test_a_pause_and_another_state_end_a_stretch() -> None:
    """Each stretch has the hop of its first decision; a single decision is a stretch."""
    course = make_course(["normal", "normal", "alarm", "normal", "normal", "normal"], pause_before=5)
    found = {state: find_stretches(course, course.states, state) for state in ("normal", "alarm", "pending")}
    assert found == {"normal": [(0.0, 2.0), (3.0, 4.0), (64.0, 66.0)], "alarm": [(2.0, 3.0)], "pending": []}


def test_each_operating_state_has_a_colour() -> None:
    """One that was never recorded is grey."""
    found = find_colours(["running_2", "unknown", "off", "running_1", "off"])
    assert list(found) == ["off", "running_1", "running_2", "unknown"]
    assert len(set(found.values())) == 4
    assert found["unknown"] == "0.5"


@pytest.mark.parametrize("n", [1, 5, MOST_COLUMNS, 10 * MOST_COLUMNS + 7])
def test_no_peak_is_lost_and_no_pause_is_bridged(n: int) -> None:
    """Few columns keep the largest value of each; a pause has a NaN."""
    course = make_course(["normal"] * n, pause_before=n // 2 or None)
    values = np.random.default_rng(n).normal(size=n)
    times_s, pooled = pool(course, values.tolist())
    assert len(times_s) == len(pooled) <= MOST_COLUMNS + 1
    assert np.nanmax(pooled) == values.max()
    assert np.isnan(pooled).sum() == (n > 1)
    assert (np.diff(times_s) >= 0).all()
