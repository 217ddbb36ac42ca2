"""Scores of machines that stay normal: exchangeable, correlated, or drawn in pieces from measured ones."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from aegan_monitor.decision.blocks import find_likeness, make_blocks
from aegan_monitor.decision.budget import WEEK_S, Budget
from budget_twin import DECISIONS_PER_CLIP, HOP_S, Twin

Array = NDArray[np.float64]


def autoregress(rng: np.random.Generator, rho: float, n_machines: int) -> Iterator[Array]:
    """Decision by decision a score of each machine, `[n_machines]`: normal, with this correlation from one to the next."""
    state = rng.normal(size=n_machines)
    while True:
        yield state
        state = rho * state + np.sqrt(1 - rho**2) * rng.normal(size=n_machines) if rho else rng.normal(size=n_machines)


def vary_recordings(rng: np.random.Generator, alike: float, n_clips: int, n_machines: int) -> Iterator[Array]:
    """The same where each recording of `n_clips` has a level of its own: `alike` is the intraclass correlation of its clips."""
    while True:
        levels = rng.normal(size=n_machines) * np.sqrt(alike)
        for _ in range(n_clips):
            scores = levels + rng.normal(size=n_machines) * np.sqrt(1 - alike)
            for _ in range(DECISIONS_PER_CLIP):
                yield scores


def play_recordings(rng: np.random.Generator, recordings: Array) -> Iterator[Array]:
    """The same from measured scores `[n_machines, n_recordings, n_clips]`: recordings in random order, one after the other."""
    machines, n_recordings = np.arange(len(recordings)), recordings.shape[1]
    while True:
        places = rng.integers(n_recordings, size=len(recordings))
        for clip in range(recordings.shape[2]):
            for _ in range(DECISIONS_PER_CLIP):
                yield recordings[machines, places, clip]


def count_false_alarms(sound: Iterator[Array], n_calibrated: int, budget: Budget, n_budgets: float) -> tuple[Array, dict[int, int]]:
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
    return run(list(zip(members, twins, strict=True)), sound, budget, n_budgets), {
        length: len(places) for length, places in zip(lengths, members, strict=True)
    }


def count_of_recordings(calibration: Array, sound: Iterator[Array], budget: Budget, n_budgets: float) -> tuple[Array, Array]:
    """(false alarms, intraclass correlation) of machines that are calibrated with scores `[n_machines, n_recordings, n_clips]`."""
    n_machines, _, n_clips = calibration.shape
    alike = find_all_alike(calibration)
    twin = Twin(calibration.reshape(n_machines, -1), 1, budget, alike, n_clips)
    return run([(np.arange(n_machines), twin)], sound, budget, n_budgets), alike


def find_all_alike(calibration: Array) -> Array:
    """The intraclass correlation that is found for each machine with scores `[n_machines, n_recordings, n_clips]`."""
    n_machines, n_recordings, n_clips = calibration.shape
    groups = np.repeat(np.arange(n_recordings), n_clips).tolist()
    return np.array([find_likeness(row.tolist(), groups)[0] for row in calibration.reshape(n_machines, -1)])


def run(twins: Sequence[tuple[NDArray[np.intp], Twin]], sound: Iterator[Array], budget: Budget, n_budgets: float) -> Array:
    """Alarms that the twins of some machines raise, `[n_machines]`, in a time for which `n_budgets` are allowed."""
    n_alarms = np.zeros(sum(len(places) for places, _ in twins))
    for _ in range(round(n_budgets * WEEK_S / budget.per_week / HOP_S)):
        scores = next(sound)
        for places, twin in twins:
            twin.decide(scores[places])
            n_alarms[places] += twin.raised
    return n_alarms
