"""The e-detector: what it promises, and what holds an alarm."""

import numpy as np
import pytest

from aegan_monitor.decision.evidence import BETS, HOLDING, Evidence, hold


def test_each_bet_is_fair() -> None:
    """Under uniform p-values a bet gains nothing on average: its integral from 0 to 1 is 1."""
    edges = np.linspace(0, 1, 1_000_001)[1:]
    for bet in BETS[BETS >= 0.5]:
        assert np.mean(bet * edges ** (bet - 1)) == pytest.approx(1, abs=0.01)


def test_the_evidence_is_a_shiryaev_roberts_statistic() -> None:
    """The value is the mean over bets of the sum over all starts of the product of gains since then."""
    p_values = [0.3, 0.01, 0.9, 0.002]
    evidence = Evidence()
    for p_value in p_values:
        evidence.add(p_value)
    starts = [np.prod([BETS * p ** (BETS - 1) for p in p_values[start:]], axis=0) for start in range(len(p_values))]
    assert evidence.value == pytest.approx(np.mean(np.sum(starts, axis=0)))
    evidence.reset()
    assert evidence.value == 0


def test_the_mean_time_between_false_alarms_keeps_the_promise() -> None:
    """With uniform p-values the mean number of blocks until the evidence reaches 200 is at least 200."""
    rng = np.random.default_rng(1)
    times = []
    for _ in range(150):
        evidence, n = Evidence(), 0
        while evidence.value < 200:
            evidence.add(rng.random())
            n += 1
        times.append(n)
    assert np.mean(times) - 2 * np.std(times) / np.sqrt(len(times)) > 200


def test_extreme_p_values_stay_finite() -> None:
    """A thousand p-values of 0 do not overflow."""
    evidence = Evidence()
    for _ in range(1000):
        evidence.add(0.0)
    assert np.isfinite(evidence.value)


def test_an_alarm_is_held_while_blocks_are_unusual() -> None:
    """Blocks in the lowest tenth hold it for ever; normal blocks end it after about nine; a single normal one does not."""
    left, rng = HOLDING, np.random.default_rng(2)
    for _ in range(1000):
        left = hold(left, rng.uniform(0, 0.1))
        assert left > 0
    assert hold(left, 1.0) > 0
    n_blocks = []
    for _ in range(200):
        left, n = HOLDING, 0
        while left > 0:
            left, n = hold(left, rng.random()), n + 1
        n_blocks.append(n)
    assert np.mean(n_blocks) == pytest.approx(10, abs=2)
