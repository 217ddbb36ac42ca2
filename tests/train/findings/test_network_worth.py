"""Whether the network earns its watts."""

import pytest

from aegan_train.calibration.sensitivity import Noticed
from aegan_train.findings.network_worth import find_network_worth


@pytest.mark.parametrize(
    ("gain", "n_windows", "verdict"),
    [(0.05, 64, "it helps here"), (0.01, 64, "it adds nothing"), (-0.05, 64, "it does harm"), (0.05, 8, "too few")],
)
def test_the_gain_decides(gain: float, n_windows: int, verdict: str) -> None:
    """The verdict follows from the difference of both mean AUCs, and needs enough held-out clips."""
    noticed = {name: Noticed(auc + gain, 3, n_windows, auc) for name, auc in (("tone", 0.9), ("impacts", 0.7))}
    worth = find_network_worth(noticed)
    assert worth is not None
    assert (worth.auc, worth.auc_without_network) == pytest.approx((0.8 + gain, 0.8))
    lines = worth.describe()
    assert f"AUC of altered sounds {0.8 + gain:.2f} with it, 0.80 without" in lines[0]
    assert verdict in lines[0]
    assert (len(lines) == 2) == (gain < 0.02)


def test_one_score_alone_has_no_comparison() -> None:
    """Without members of both kinds nothing is compared."""
    assert find_network_worth({"tone": Noticed(0.9, 3, 64)}) is None
