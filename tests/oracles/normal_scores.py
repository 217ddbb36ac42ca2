"""Scores of machines that stay normal: exchangeable, correlated, or drawn in pieces from measured ones."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from aegan_monitor.decision.blocks import make_blocks
from aegan_monitor.decision.budget import WEEK_S, Budget
from budget_twin import DECISIONS_PER_CLIP, HOP_S, Twin

Array = NDArray[np.float64]


def autoregress(rng: np.random.Generator, rho: float, n_machines: int) -> Iterator[Array]:
    """Decision by decision a score of each machine, `[n_machines]`: normal, with this correlation from one to the next."""
    state = rng.normal(size=n_machines)
    while True:
        yield state
        state = rho * state + np.sqrt(1 - rho**2) * rng.normal(size=n_machines) if rho else rng.normal(size=n_machines)


def resample(rng: np.random.Generator, stretches: Sequence[Sequence[float]], n_machines: int) -> Iterator[Array]:
    """The same by the stationary bootstrap: stretches of measured scores of clips, each clip for as long as it lasts.

    Source: D. Politis and J. Romano, The stationary bootstrap, 1994; a stretch ends after ten clips on average, or where its sound ends.
    """
    scores = np.concatenate([np.asarray(each) for each in stretches])
    is_last = np.zeros(len(scores), bool)
    is_last[np.cumsum([len(each) for each in stretches]) - 1] = True
    place = rng.integers(len(scores), size=n_machines)
    while True:
        for _ in range(DECISIONS_PER_CLIP):
            yield scores[place]
        jumps = is_last[place] | (rng.random(n_machines) < 0.1)
        place = np.where(jumps, rng.integers(len(scores), size=n_machines), np.minimum(place + 1, len(scores) - 1))


def count_false_alarms(
    sound: Iterator[Array], n_calibrated: int, n_machines: int, budget: Budget, n_budgets: float
) -> tuple[Array, dict[int, int]]:
    """(false alarms of each machine, machines by the length of their blocks) in a time for which `n_budgets` are allowed.

    `sound` first gives the `n_calibrated` clips without common sound by which each machine is calibrated.
    """
    calibration = np.array([next(sound) for _ in range(n_calibrated * DECISIONS_PER_CLIP)])[::DECISIONS_PER_CLIP].T
    blocks = [make_blocks([row.tolist()]) for row in calibration]
    lengths = sorted({each.n_clips for each in blocks})
    members = [np.flatnonzero([each.n_clips == length for each in blocks]) for length in lengths]
    twins = [
        Twin(np.array([blocks[i].stretches[0] for i in places]), length, budget) for places, length in zip(members, lengths, strict=True)
    ]
    n_alarms = np.zeros(n_machines)
    for _ in range(round(n_budgets * WEEK_S / budget.per_week / HOP_S)):
        scores = next(sound)
        for twin, places in zip(twins, members, strict=True):
            twin.decide(scores[places])
            n_alarms[places] += twin.raised
    return n_alarms, {length: len(places) for length, places in zip(lengths, members, strict=True)}
