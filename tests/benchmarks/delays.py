"""Delay from a change to the alarm: the budget policy against a fixed threshold that k of n decisions must exceed.

    PYTHONPATH=tests/oracles python tests/benchmarks/delays.py [MACHINES] [DAYS]

Scores are normal; a decision shares nine tenths of its clip with the one before, as in the daemon. Each machine has 300 clips of
calibration. The fixed thresholds know the true distribution, and are set to the false-alarm rate that the policy has in the same sound.
A change shifts the mean of the scores by a number of their standard deviations.
"""

import sys

import numpy as np
from numpy.typing import NDArray

from aegan_monitor.decision.budget import WEEK_S, Budget
from budget_twin import DECISIONS_PER_CLIP, HOP_S, Twin

Array = NDArray[np.float64]
PER_WEEK = 70.0  # ten a day, so that there are false alarms to compare
N_CALIBRATED = 300
RULES = ((1, 1), (5, 5), (10, 10), (12, 12), (12, 20), (20, 20), (30, 40), (60, 60))  # k of n decisions
SHIFTS = (0.75, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0)
LONGEST = 3000  # decisions after a change


def smooth(rng: np.random.Generator, n_steps: int, n_machines: int) -> Array:
    """Scores of clips that overlap, `[n_steps, n_machines]`."""
    sums = np.cumsum(rng.normal(size=(n_steps + DECISIONS_PER_CLIP, n_machines)), axis=0)
    found: Array = (sums[DECISIONS_PER_CLIP:] - sums[:-DECISIONS_PER_CLIP]) / np.sqrt(DECISIONS_PER_CLIP)
    return found


def rule_scores(scores: Array, k: int, n: int) -> Array:
    """The highest threshold that k of the last n scores exceed, decision by decision."""
    windows = np.lib.stride_tricks.sliding_window_view(scores, n, axis=0)
    found: Array = np.partition(windows, n - k, axis=-1)[..., n - k]
    return np.concatenate([np.full((n - 1, scores.shape[1]), -np.inf), found])


def find_threshold(values: Array, n_alarms: float) -> float:
    """The threshold at which there are `n_alarms`; decisions of a clip count as one alarm."""
    low, high = 0.0, float(values.max())
    for _ in range(30):
        middle = (low + high) / 2
        over = values > middle
        starts = over & ~np.concatenate([np.zeros((1, over.shape[1]), bool), over[:-1]])
        low, high = (middle, high) if starts.sum() > n_alarms else (low, middle)
    return high


def main(n_machines: int = 100, n_days: float = 5) -> None:
    """Print false alarms and the median delays."""
    rng = np.random.default_rng(0)
    calibration = smooth(rng, N_CALIBRATED * DECISIONS_PER_CLIP, n_machines)[::DECISIONS_PER_CLIP].T
    normal = smooth(rng, round(n_days * 86_400 / HOP_S), n_machines)
    twin, n_alarms = Twin(calibration, 1, Budget(PER_WEEK)), 0
    for row in normal:
        twin.decide(row)
        n_alarms += int(twin.raised.sum())
    allowed = n_machines * n_days * 86_400 / WEEK_S * PER_WEEK
    print(f"{n_alarms} false alarms of {allowed:.0f} that are allowed, in {n_machines} x {n_days:g} days")
    thresholds = {rule: find_threshold(rule_scores(normal, *rule), n_alarms) for rule in RULES}
    print("shift  policy  best fixed threshold with k of n (all)")
    for shift in SHIFTS:
        steps = smooth(rng, 300 + LONGEST, n_machines)
        ramp = np.clip((np.arange(len(steps)) - 299) / DECISIONS_PER_CLIP, 0, 1)[:, None]
        steps = steps + shift * ramp
        twin, delay = Twin(calibration, 1, Budget(PER_WEEK)), np.full(n_machines, LONGEST)
        for t, row in enumerate(steps):
            twin.decide(row)
            if t >= 300:
                delay = np.where(twin.active & (delay == LONGEST), t - 299, delay)
        others = {}
        for rule, threshold in thresholds.items():
            over = rule_scores(steps, *rule)[300:] > threshold
            others[rule] = float(np.median(np.where(over.any(axis=0), over.argmax(axis=0) + 1, LONGEST))) * HOP_S
        best = min(others, key=lambda rule: others[rule])
        rest = ", ".join(f"{k}/{n} {value:.0f}" for (k, n), value in others.items())
        print(f"{shift:5.2f}  {np.median(delay) * HOP_S:5.0f} s  {best[0]} of {best[1]}: {others[best]:5.0f} s  ({rest})", flush=True)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:2]), *map(float, sys.argv[2:3]))
