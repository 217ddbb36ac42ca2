"""The budget of false alarms and its shares."""

import pytest

from aegan_monitor.decision.budget import WEEK_S, Budget, share_budget


def test_machines_share_the_budget_of_the_node() -> None:
    """Two machines get half each; one with a budget of its own leaves the others theirs."""
    shares = share_budget(1.0, {"fan": None, "pump": None, "saw": 7.0})
    assert {name: each.per_week for name, each in shares.items()} == {"fan": 0.5, "pump": 0.5, "saw": 7.0}
    assert share_budget(1.0, {"saw": 7.0})["saw"].per_week == 7


def test_the_shares_of_a_machine_add_up_to_its_budget() -> None:
    """Evidence and gross changes together expect `per_week` false alarms in a week of independent sound."""
    budget = Budget(per_week=2.0)
    n_blocks, n_decisions = WEEK_S / 10.24, WEEK_S / 1.024
    expected = n_blocks / budget.blocks(10.24) + n_decisions * budget.gross_p_value(1.024, 3) ** 3
    assert expected == pytest.approx(2.0)


def test_rare_false_alarms_need_surer_p_values() -> None:
    """A confidence of 80 % at one a week and more, of 98 % at one in two years."""
    found = [Budget(per_week).confidence for per_week in (50.0, 1.0, 7 / 30, 0.01)]
    assert found == [0.8, 0.8, pytest.approx(0.9034, abs=1e-4), pytest.approx(0.98)]
