"""How unusual a score is among those of held-out normal sound, as a p-value that holds for this calibration, not only on average."""

import math
from collections.abc import Iterable
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

LEAST_TAIL = 10  # largest scores that the tail is fitted to
TAIL_SHARE = 0.1
N_HALVINGS = 60  # a bisection to the last digit
N_EXACT = 64
LEAST_SCALE = 1e-12


class NormalScores:
    """Scores of held-out normal sound.

    Beyond the largest of them a generalised Pareto tail may be assumed. All else is counted.
    """

    def __init__(self, scores: Iterable[float], confidence: float, n_effective: float | None = None) -> None:
        """Store one score or more; they are worth `n_effective` independent ones, None for all.

        `confidence` is that of the p-values: in so many of all calibrations the true one is no larger.
        """
        self.sorted = np.sort(np.asarray(list(scores), np.float64))
        n = len(self.sorted)
        counts = np.arange(n + 1)
        worth = n if n_effective is None else max(1, min(n, round(n_effective)))
        self._bounds = np.interp(counts * worth / n, np.arange(worth + 1), upper_bounds(worth, confidence))
        self.shape, self._scale, self._start = fit_tail(self.sorted)

    def __len__(self) -> int:
        """Number of scores."""
        return len(self.sorted)

    @property
    def least(self) -> float:
        """The p-value of a score over all normal ones, without a tail."""
        return float(self._bounds[0])

    @property
    def largest(self) -> float:
        """The largest score."""
        return float(self.sorted[-1])

    def p_value(self, score: float) -> float:
        """Upper confidence bound of the probability that normal sound scores `score` or more, by counting alone."""
        return float(self._bounds[self._count_above(score)])

    def tail_p_value(self, score: float) -> float:
        """The same, which goes on falling beyond the largest normal score, as the tail that is assumed there."""
        beyond = max(score, self.largest)
        return self.p_value(score) * math.exp(self._log_survival(beyond) - self._log_survival(self.largest))

    def score_at(self, p_value: float) -> float:
        """The score beyond which `tail_p_value` is under `p_value`."""
        if p_value < (least := self.least):
            log_survival = self._log_survival(self.largest) + math.log(p_value / least)
            return self._start + self._scale * math.expm1(-self.shape * log_survival) / self.shape
        n = len(self.sorted)
        n_above = int(np.searchsorted(self._bounds, p_value, side="right"))  # they rise to 1
        return float(self.sorted[n - min(n, n_above)])

    def _count_above(self, score: float) -> int:
        return len(self.sorted) - int(np.searchsorted(self.sorted, score))

    def _log_survival(self, score: float) -> float:
        return -math.log1p(self.shape * max(0.0, score - self._start) / self._scale) / self.shape


def upper_bound(n_above: int, n: int, confidence: float) -> float:
    """Upper limit of the probability of an event that occurred `n_above` times in `n`, with this confidence."""
    return float(upper_bounds(n, confidence)[n_above])


@lru_cache(maxsize=64)
def upper_bounds(n: int, confidence: float) -> NDArray[np.float64]:
    """The upper limit for each number of times that an event may have occurred in `n`, `[n + 1]`.

    Up to N_EXACT times, and at N_EXACT numbers more, it is computed; between those it is interpolated, within 0.2 %.

    Source: Clopper and Pearson, 1934; as a p-value that holds given the calibration: Bates et al., Testing for Outliers with Conformal
    p-values, 2023, section 3.
    """
    knots = np.unique([*range(min(n, N_EXACT) + 1), *np.geomspace(min(n, N_EXACT), n, N_EXACT).round().astype(int)])
    found: NDArray[np.float64] = np.interp(np.arange(n + 1), knots, [_find_bound(knot, n, confidence) for knot in knots.tolist()])
    return found


def _find_bound(n_above: int, n: int, confidence: float) -> float:
    if n_above >= n:
        return 1.0
    if n_above == 0:
        return -math.expm1(math.log(1 - confidence) / n)
    counts = np.arange(n_above + 1)
    log_choices = np.array([math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1) for k in counts.tolist()])
    low, high = 0.0, 1.0
    for _ in range(N_HALVINGS):
        middle = (low + high) / 2
        at_most = float(np.exp(log_choices + counts * math.log(middle) + (n - counts) * math.log1p(-middle)).sum())
        low, high = (middle, high) if at_most > 1 - confidence else (low, middle)
    return high


def fit_tail(scores: NDArray[np.float64]) -> tuple[float, float, float]:
    """(shape, scale, start) of the generalised Pareto tail of sorted scores `[n]`.

    The shape is at least 1 / m, where m is the number of scores in the tail: the predictive distribution of an exponential tail whose
    scale is known by m scores alone is a generalised Pareto one of that shape. A shorter tail is never assumed.

    Source: probability-weighted moments, J. Hosking and J. Wallis, 1987.
    """
    m = min(len(scores) - 1, max(LEAST_TAIL, round(TAIL_SHARE * len(scores))))
    if m < 1:
        return 1.0, max(LEAST_SCALE, abs(float(scores[-1]))), float(scores[-1])
    start = float(scores[-m - 1])
    excess = scores[-m:] - start
    mean = float(excess.mean())
    weighted = float(((1 - (np.arange(1, m + 1) - 0.35) / m) * excess).mean())
    difference = mean - 2 * weighted
    shape = 2 - mean / difference if difference > LEAST_SCALE else 0.0
    if shape <= 1 / m:
        return 1 / m, max(LEAST_SCALE, mean), start
    return shape, 2 * mean * weighted / difference, start
