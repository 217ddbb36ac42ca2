"""Blocks of normal sound: they double until they are nearly independent."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aegan_monitor.decision.blocks import LEAST_PAIRS, make_blocks


def autoregression(rho: float, n: int, seed: int = 0) -> list[float]:
    """Normal scores of which each has the correlation `rho` with the one before."""
    rng = np.random.default_rng(seed)
    found = [rng.normal()]
    for step in rng.normal(size=n - 1):
        found.append(rho * found[-1] + np.sqrt(1 - rho**2) * step)
    return found


@pytest.mark.parametrize(("rho", "lengths"), [(0.0, {1}), (0.1, {1, 2}), (0.6, {4, 8}), (0.9, {16, 32, 64})])
def test_correlated_scores_need_longer_blocks(rho: float, lengths: set[int]) -> None:
    """The stronger the correlation, the longer the block."""
    found = make_blocks([autoregression(rho, 4000)])
    assert found.n_clips in lengths
    assert found.is_measured


def test_few_clips_assume_how_the_correlation_falls() -> None:
    """Where too few blocks are left to measure, the correlation is assumed to fall as that of an autoregression."""
    found = make_blocks([autoregression(0.8, 150, seed=2)])
    assert found.n_clips >= 4
    assert not found.is_measured


def test_clips_that_do_not_follow_each_other_are_blocks_of_one() -> None:
    """Without neighbours nothing can be measured: each clip is a block, and the result says so."""
    found = make_blocks([[float(value)] for value in range(200)])
    assert (found.n_clips, found.autocorrelation, found.is_measured) == (1, None, False)
    assert len(found.stretches) == 200


@given(st.lists(st.lists(st.floats(-5, 5), max_size=80), min_size=1, max_size=6).filter(any))
def test_a_block_has_the_largest_score_of_its_clips(stretches: list[list[float]]) -> None:
    """Each block is the maximum of successive clips of one stretch, and most clips are in a block."""
    found = make_blocks(stretches)
    n = found.n_clips
    whole = [each for each in stretches if len(each) >= n]
    assert found.stretches == [[max(each[i : i + n]) for i in range(0, len(each) - n + 1, n)] for each in whole]
    assert 2 * n * sum(map(len, found.stretches)) >= sum(map(len, stretches))
    assert LEAST_PAIRS > 1
