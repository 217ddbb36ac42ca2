"""The alarms of many machines together."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aegan_monitor.decision.budget import WEEK_S
from aegan_monitor.tools.backtest.hall import choose_budget, join_alarms

WINDOW_S = 15.0


def make_facts(*offsets_s: float, is_false: bool = True, normal_s: float = WEEK_S) -> dict[str, Any]:
    """Figures of a machine with alarms in one recording."""
    alarms = [{"file": "a.wav", "offset_s": offset_s, "is_false": is_false} for offset_s in offsets_s]
    return {"alarms": alarms, "normal_s": normal_s, "other_budgets": [{"alarms": alarms[:1], "normal_s": normal_s}]}


def test_alarms_at_one_time_have_one_cause() -> None:
    """Two machines within the window are one cause of the hall, with its time; a machine alone never joins itself."""
    hall = join_alarms({"a": make_facts(10.0, 500.0, 505.0), "b": make_facts(20.0)}, {"a.wav": 1_000_000.0}, WINDOW_S)
    assert (hall.n_alarms, len(hall.causes), hall.n_false) == (4, 3, 3)
    facts = hall.make_facts()
    assert facts["common_causes"] == [{"at": datetime.fromtimestamp(1_000_010, UTC).isoformat(), "machines": ["a", "b"]}]
    assert facts["false_per_week"] == pytest.approx(3.0)
    assert "alarms 4, causes 3, of these false 3, false a week 3 (at least 0.818, at most 7.75" in hall.describe()


def test_a_cause_with_a_true_alarm_is_not_false() -> None:
    """The fault of one machine is heard at another."""
    hall = join_alarms({"a": make_facts(10.0, is_false=False), "b": make_facts(12.0)}, {"a.wav": 0.0}, WINDOW_S)
    assert (len(hall.causes), hall.n_false) == (1, 0)


def test_another_budget_has_its_own_alarms() -> None:
    """A machine of thresholds has none."""
    plain = {**make_facts(1.0), "other_budgets": []}
    chosen = choose_budget({"a": make_facts(10.0, 500.0), "b": plain}, 0)
    assert list(chosen) == ["a"]
    assert join_alarms(chosen, {"a.wav": 0.0}, WINDOW_S).n_alarms == 1


def test_nothing_heard_proves_nothing() -> None:
    """The upper limit is any."""
    hall = join_alarms({"a": make_facts(normal_s=0.0)}, {}, WINDOW_S)
    assert hall.make_facts()["false_per_week_at_most"] is None
    assert "at most any" in hall.describe()


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 300)), max_size=20), st.integers(0, 60))
def test_every_alarm_has_one_cause(alarms: list[tuple[str, int]], window_s: int) -> None:
    """No alarm is lost or counted twice, and no further machine is more than the window from the first of its cause."""
    machines = {name: make_facts(*(float(at) for machine, at in alarms if machine == name)) for name in "abc"}
    hall = join_alarms(machines, {"a.wav": 0.0}, window_s)
    assert sorted((each.machine, int(each.at_s)) for cause in hall.causes for each in cause) == sorted(alarms)
    for first, *others in hall.causes:
        assert all(each.machine != first.machine and 0 <= each.at_s - first.at_s <= window_s for each in others)
