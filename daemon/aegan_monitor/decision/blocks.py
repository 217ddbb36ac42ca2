"""Blocks of normal sound that are long enough to be nearly independent of each other."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

LARGEST_AUTOCORRELATION = 0.05
LEAST_PAIRS = 50  # of successive blocks; an autocorrelation of fewer is not measured
MOST_CLIPS = 64  # of a block: ten minutes
N_ERRORS = 0.84  # of the standard error: an upper bound with a confidence of 80 %
LEAST_KEPT = 0.5  # of the clips: those at the end of a stretch that fill no block are left out


@dataclass(frozen=True, slots=True)
class Blocks:
    """Normal sound in blocks of `n_clips` clips.

    Attributes:
        stretches: The largest score of each block; blocks of one stretch follow each other.
        autocorrelation: Of successive blocks; None if it could not be measured.
        is_measured: The length of the blocks follows from measured autocorrelations alone.
    """

    n_clips: int
    stretches: list[list[float]]
    autocorrelation: float | None
    is_measured: bool


def make_blocks(stretches: Sequence[Sequence[float]]) -> Blocks:
    """Blocks of one clip; they double while successive blocks are correlated.

    Correlated means that the autocorrelation exceeds LARGEST_AUTOCORRELATION by more than two standard errors. Where fewer than
    LEAST_PAIRS pairs are left to measure it, it is assumed to fall as that of a first-order autoregression: it is squared.

    Args:
        stretches: Scores of successive clips without common sound, for each stretch of sound that was not interrupted.
    """
    n_clips, blocks, is_measured = 1, [list(each) for each in stretches if len(each)], True
    measured = autocorrelation = _correlate(blocks)
    if autocorrelation is None:
        return Blocks(n_clips, blocks, None, False)
    while autocorrelation > LARGEST_AUTOCORRELATION + (2 / math.sqrt(_count_pairs(blocks)) if is_measured else 0.0):
        doubled = [_join(each, 2) for each in blocks if len(each) > 1]
        if 2 * n_clips > MOST_CLIPS or 2 * n_clips * sum(map(len, doubled)) < LEAST_KEPT * sum(map(len, stretches)):
            break
        n_clips, blocks, found = 2 * n_clips, doubled, _correlate(doubled)
        is_measured = is_measured and found is not None
        if found is not None:
            measured = found
        autocorrelation = found if found is not None and is_measured else autocorrelation**2
    return Blocks(n_clips, blocks, measured, is_measured)


def find_likeness(scores: Sequence[float], groups: Sequence[int]) -> tuple[float, float]:
    """(intraclass correlation, mean size of the group of a score) of scores of which those of one group may be alike.

    The correlation is an upper confidence bound, as p-values are. It is 0 with fewer than two groups, or with none of several scores.

    Source: one-way analysis of variance of the ranks, and the standard error, R. Fisher, Statistical Methods for Research Workers, 1925,
    chapter 7.
    """
    places = np.unique(np.asarray(groups), return_inverse=True)[1]
    n, sizes = len(scores), np.bincount(places)
    size = float(np.sum(sizes**2)) / max(1, n)
    if len(sizes) < 2 or sizes.max() < 2:
        return 0.0, max(1.0, size)
    ranks = np.argsort(np.argsort(np.asarray(scores))).astype(np.float64)
    means = np.bincount(places, ranks) / sizes
    within = float(np.sum((ranks - means[places]) ** 2)) / max(1, n - len(sizes))
    between = float(np.sum(sizes * (means - ranks.mean()) ** 2)) / (len(sizes) - 1)
    usual = (n - size) / (len(sizes) - 1)
    alike = max(0.0, (between - within) / max(1e-12, between + (usual - 1) * within))
    error = (1 - alike) * (1 + (size - 1) * alike) * math.sqrt(2 / (size * (size - 1) * len(sizes)))
    return min(1.0, alike + N_ERRORS * error), size


def design_effect(alike: float, n: float) -> float:
    """How many of `n` scores with this intraclass correlation are worth one independent score.

    Source: L. Kish, Survey Sampling, 1965, section 5.4.
    """
    return 1 + (n - 1) * alike


def _join(scores: Sequence[float], n: int) -> list[float]:
    return [max(scores[start : start + n]) for start in range(0, len(scores) - n + 1, n)]


def _count_pairs(stretches: Sequence[Sequence[float]]) -> int:
    return sum(len(each) - 1 for each in stretches)


def _correlate(stretches: Sequence[Sequence[float]]) -> float | None:
    """Lag-1 autocorrelation within the stretches; None with fewer than LEAST_PAIRS pairs."""
    if _count_pairs(stretches) < LEAST_PAIRS:
        return None
    mean = float(np.mean([score for each in stretches for score in each]))
    away = [np.asarray(each) - mean for each in stretches]
    spread = float(np.mean(np.square(np.concatenate(away))))
    return float(np.mean(np.concatenate([each[1:] * each[:-1] for each in away]))) / spread if spread else 0.0
