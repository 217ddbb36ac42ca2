"""Evidence that a machine no longer sounds normal, gathered over blocks of sound."""

import math

import numpy as np

from aegan_monitor.types import DoubleArray

# Exponents of the bets: with 1 nothing is gained and nothing lost; the smaller, the more is gained by a small p-value.
BETS: DoubleArray = np.array([0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 0.9])
HOLDING_BET = 0.3  # while the alarm is active
HOLDING = math.log(100)  # evidence that keeps an alarm active; normal sound uses it up in about nine blocks
LEAST_P_VALUE = 1e-300
LARGEST = 1e290


class Evidence:
    """Shiryaev-Roberts e-detector over a mixture of bets against p-values of successive blocks.

    While all p-values are at least as large as uniform ones, each value less the number of blocks has mean 0. So the mean number of
    blocks until `value` reaches n is at least n, whatever else is true of the sound.

    Source: J. Shin, A. Ramdas, A. Rinaldo, E-detectors: a nonparametric framework for sequential change detection, 2024, section 2.3;
    bets on p-values: V. Vovk and R. Wang, E-values: calibration, combination and applications, 2021, equation 1.

    Blocks of one recording may be alike: then a block counts for less than one, and its gains are raised to the power `worth`.

    Attributes:
        sums: Of each bet, `[n_bets]`.
    """

    def __init__(self, worth: float = 1.0) -> None:
        """`worth` is what a block counts: of n alike blocks the gains to the power 1 / n are fair together (Hoelder's inequality)."""
        self._worth = worth
        self.sums: DoubleArray = np.zeros(len(BETS))

    @property
    def value(self) -> float:
        """The evidence, 0 or more."""
        return float(self.sums.mean())

    def add(self, p_value: float) -> None:
        """Take the p-value of the next block."""
        self.sums = grow(self.sums, p_value, self._worth)

    def reset(self) -> None:
        """Forget all blocks, once they have led to an alarm."""
        self.sums = np.zeros(len(BETS))


def grow(sums: DoubleArray, p_values: DoubleArray | float, worth: float) -> DoubleArray:
    """The sums of each bet, `[..., n_bets]`, after one more block with `p_values`, `[..., 1]`, that counts for `worth` blocks."""
    gains = BETS * np.maximum(LEAST_P_VALUE, p_values) ** (BETS - 1)
    with np.errstate(over="ignore"):
        return np.minimum(LARGEST, (1 + sums) * gains**worth)


def hold(left: float, p_value: float) -> float:
    """What is left of the evidence that keeps an alarm active, after one more block: from HOLDING down to 0 or less, at which it ends."""
    return min(HOLDING, left + math.log(HOLDING_BET) + (HOLDING_BET - 1) * math.log(max(LEAST_P_VALUE, p_value)))
