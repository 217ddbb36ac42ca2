"""P-values of scores among those of normal sound, against SciPy."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import beta, genpareto

from aegan_monitor.decision.p_value import N_EXACT, NormalScores, upper_bound

CONFIDENCE = 0.9
NORMAL = np.random.default_rng(3).normal(size=300)


@settings(max_examples=30)
@given(st.integers(1, 3000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))), st.floats(0.5, 0.999))
def test_the_bound_is_that_of_clopper_and_pearson(counts: tuple[int, int], confidence: float) -> None:
    """The upper limit of a probability agrees with the quantile of the beta distribution."""
    n_above, n = counts
    expected = 1.0 if n_above == n else beta.ppf(confidence, n_above + 1, n - n_above)
    assert upper_bound(n_above, n, confidence) == pytest.approx(expected, rel=1e-9 if n_above <= N_EXACT else 2e-3)


@pytest.mark.parametrize("confidence", [0.8, 0.95])
def test_the_p_value_holds_for_most_calibrations(confidence: float) -> None:
    """Given the calibration, the chance to exceed a score is larger than its p-value as seldom as its confidence says."""
    rng = np.random.default_rng(5)
    for n_above in (0, 3, 20):
        trials = np.sort(rng.random((4000, 200)), axis=1)
        scores = trials[:, -n_above - 1]  # a little above it, only n_above normal scores are as high: the least favourable case
        is_too_small = 1 - scores > upper_bound(n_above, 200, confidence)
        assert np.mean(is_too_small) == pytest.approx(1 - confidence, abs=0.02)


def test_the_tail_goes_on_from_the_largest_score() -> None:
    """Beyond all normal scores the p-value falls as a generalised Pareto tail, never faster than an exponential one, and never jumps."""
    normal = NormalScores(NORMAL, CONFIDENCE)
    top = normal.largest
    values = [normal.tail_p_value(score) for score in np.linspace(top, top + 5, 50)]
    assert values[0] == pytest.approx(upper_bound(1, 300, CONFIDENCE), rel=1e-9)
    assert normal.tail_p_value(np.nextafter(top, 10)) == pytest.approx(upper_bound(0, 300, CONFIDENCE))
    assert normal.p_value(top + 5) == upper_bound(0, 300, CONFIDENCE)
    assert values == sorted(values, reverse=True)
    assert normal.shape >= 1 / 30
    excess = np.sort(NORMAL)[-30:] - np.sort(NORMAL)[-31]
    tail = genpareto(normal.shape, scale=excess.mean())
    assert values[-1] / upper_bound(0, 300, CONFIDENCE) == pytest.approx(
        tail.sf(top + 5 - np.sort(NORMAL)[-31]) / tail.sf(excess[-1]), rel=1e-6
    )


def test_a_heavy_tail_is_found() -> None:
    """Scores of a Pareto distribution have a tail of its shape, about."""
    heavy = NormalScores(np.random.default_rng(1).pareto(2.0, 5000), CONFIDENCE)
    assert 0.3 < heavy.shape < 0.7


@pytest.mark.parametrize("p_value", [1.0, 0.5, 0.05, 0.006, 1e-4, 1e-9])
def test_the_score_of_a_p_value_is_its_inverse(p_value: float) -> None:
    """Above the score of a p-value all are smaller, below it none is; that of 1 is the smallest."""
    normal = NormalScores(NORMAL, CONFIDENCE)
    score = normal.score_at(p_value)
    assert normal.tail_p_value(score + 1e-9) <= p_value * (1 + 1e-6)
    assert normal.tail_p_value(score - 1e-6) >= p_value * (1 - 1e-3)


@pytest.mark.parametrize("scores", [[1.0], [2.0, 2.0], [0.0] * 40])
def test_few_or_equal_scores_give_p_values(scores: list[float]) -> None:
    """One score alone, or scores without a spread, give p-values in their range that fall with the score."""
    normal = NormalScores(scores, CONFIDENCE)
    values = [normal.tail_p_value(score) for score in (-1.0, scores[0], scores[0] + 1, scores[0] + 10)]
    assert all(0 <= value <= 1 for value in values)
    assert values == sorted(values, reverse=True)
