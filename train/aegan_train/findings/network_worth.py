"""Whether the network earns its watts: the sensitivity to pseudo-faults with it and without it."""

from collections.abc import Mapping
from dataclasses import dataclass

from aegan_train.calibration.sensitivity import Noticed

LEAST_WINDOWS = 16  # with fewer the AUC is too inexact for a difference
LEAST_GAIN = 0.02


@dataclass(frozen=True, slots=True)
class NetworkWorth:
    """Mean AUC of the deciding score over all pseudo-faults.

    Attributes:
        auc: With all its members.
        auc_without_network: With only those members that need no network.
        n_windows: Held-out windows that were tried.
    """

    auc: float
    auc_without_network: float
    n_windows: int

    def describe(self) -> list[str]:
        """The lines that `fit` prints."""
        gain = self.auc - self.auc_without_network
        means = f"the network: AUC of altered sounds {self.auc:.2f} with it, {self.auc_without_network:.2f} without"
        if self.n_windows < LEAST_WINDOWS:
            return [f"{means}; {self.n_windows} held-out clips are too few to say whether it is worth its work"]
        if gain >= LEAST_GAIN:
            return [f"{means}: it helps here"]
        return [
            f"{means}: {'it adds nothing that these trials show' if gain > -LEAST_GAIN else 'it does harm in these trials'}",
            "  real faults may differ; for a monitor without it, train with a fusion of scores C_... alone (see docs/how-to/training.md)",
        ]


def find_network_worth(noticed: Mapping[str, Noticed]) -> NetworkWorth | None:
    """What the network adds; None where the deciding score has no members with and without a network."""
    pairs = [(each.auc, each.auc_without_network) for each in noticed.values() if each.auc_without_network is not None]
    if not pairs:
        return None
    auc, without = (sum(each) / len(pairs) for each in zip(*pairs, strict=True))
    return NetworkWorth(auc, without, next(iter(noticed.values())).n_windows)
