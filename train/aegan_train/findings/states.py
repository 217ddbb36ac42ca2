"""Operating states in normal sound: groups of seconds with a gap between their levels and coarse bands, by which the daemon knows them.

A gap is needed, not only a good division: a machine that runs through many speeds has one state, whose sound varies.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import KMeans

from aegan_monitor.decision.sound.normal_states import OFF, RUNNING
from aegan_monitor.detection.record import NormalState
from aegan_monitor.types import DoubleArray
from aegan_train.findings.normal_sound import NormalSound
from aegan_train.recordings.seconds import DC, DROP_OUT

N_COMPONENTS = 4
N_BEGUN = 6  # groups before merging
LEAST_DISTANCE_DB = 3.0  # RMS over all bands: more than days of one machine differ, less than its loads
GAP = 0.25  # the density between two states, relative to that around the smaller one
RARE = 0.05
MOST_PASSING = 0.5  # of all seconds
OFF_GAP_DB = 10.0  # between the level of a machine that stands still and its quietest running state
PROBABILITIES = [0.01, 0.5, 0.99]


@dataclass(frozen=True, slots=True)
class State:
    """An operating state.

    Attributes:
        share: The part of the sound that is in it.
        level_dbfs, from_dbfs, to_dbfs: The median RMS level of its seconds, of which 80 % lie between the other two.
        n_recordings: Recordings with this state in them.
        name: `off`, `running`, or one of several from the quietest: `running_1`, `running_2`.
        quantiles: PROBABILITIES of its level and of each coarse band, `[1 + N_BANDS][3]`.
        dc: Median DC offset of its seconds; full scale is 1.
        drop_outs: The part of its seconds with drop-outs.
    """

    share: float
    level_dbfs: float
    from_dbfs: float
    to_dbfs: float
    n_recordings: int
    name: str = RUNNING
    quantiles: list[list[float]] = field(default_factory=list)
    dc: float = 0.0
    drop_outs: float = 0.0

    def describe(self, n_recordings: int) -> str:
        """One line; `n_recordings` is the number of all recordings."""
        level = (
            f"{self.name}: {self.share:.0%} of the time at {self.level_dbfs:.0f} dBFS, in {self.n_recordings} of {n_recordings} recordings"
        )
        if self.share < RARE:
            return f"{level}: this is rare; record more of it"
        return f"{level}: record it on another day too" if self.n_recordings == 1 else level


def describe_states(states: Sequence[State], n_recordings: int) -> list[str]:
    """The lines that `fit` prints."""
    if len(states) == 1:
        return [f"operating states: one, mostly between {states[0].from_dbfs:.0f} and {states[0].to_dbfs:.0f} dBFS"]
    return [f"operating states: there seem to be {len(states)}", *(f"  {each.describe(n_recordings)}" for each in states)]


def find_states(sound: NormalSound) -> list[State]:
    """The operating states, the most frequent first; one for a machine whose sound has no gaps."""
    seconds = np.concatenate(sound.seconds)
    window_of = np.repeat(np.arange(len(sound.seconds)), [len(window) for window in sound.seconds])
    known = np.isfinite(seconds[:, 0])  # digital silence is no sound of the machine
    seconds, window_of = seconds[known], window_of[known]
    passing = find_passing(seconds[:, :DC], window_of)
    seconds, window_of = seconds[~passing], window_of[~passing]
    if not len(seconds):
        return []
    features = seconds[:, :DC]
    groups = join_off(group_spectra(features), features[:, 0])
    steady = find_steady(groups, window_of)
    found = []
    for group in np.unique(groups):
        inside = groups == group
        chosen = features[inside & steady] if np.any(inside & steady) else features[inside]
        low, level, high = np.quantile(chosen[:, 0], [0.1, 0.5, 0.9]).tolist()
        n_recordings = len(np.unique(sound.recordings[window_of[inside]]))
        quantiles = np.quantile(chosen, PROBABILITIES, axis=0).T.tolist()
        dc, drop_outs = float(np.median(seconds[inside, DC])), float(np.mean(seconds[inside, DROP_OUT]))
        found.append(State(float(inside.mean()), level, low, high, n_recordings, RUNNING, quantiles, dc, drop_outs))
    return sorted(name_states(found), key=lambda state: -state.share)


def make_records(states: Sequence[State]) -> list[NormalState]:
    """The states as the bundle holds them, from the quietest."""
    ordered = sorted(states, key=lambda state: state.level_dbfs)
    return [
        NormalState(
            name=state.name,
            share=state.share,
            level_dbfs=state.quantiles[0],
            bands_dbfs=state.quantiles[1:],
            dc=state.dc,
            drop_outs=state.drop_outs,
        )
        for state in ordered
    ]


def find_passing(features: DoubleArray, window_of: NDArray[np.intp]) -> NDArray[np.bool_]:
    """Whether each second differs from the one before and the one after it: a switch or a bang is no state. None, if nearly all do."""
    step_db = np.abs(np.diff(features, axis=0)).mean(axis=1)
    changes = (step_db > LEAST_DISTANCE_DB) & (window_of[1:] == window_of[:-1])
    passing: NDArray[np.bool_] = np.append(False, changes) & np.append(changes, False)
    return passing if passing.mean() < MOST_PASSING else np.zeros_like(passing)


def find_steady(groups: NDArray[np.intp], window_of: NDArray[np.intp]) -> NDArray[np.bool_]:
    """Whether the seconds before and after each second, where its window has them, are in the same group: in it nothing is switched."""
    same = (groups[1:] == groups[:-1]) | (window_of[1:] != window_of[:-1])
    steady: NDArray[np.bool_] = np.append(True, same) & np.append(same, True)
    return steady


def join_off(groups: NDArray[np.intp], levels_dbfs: DoubleArray) -> NDArray[np.intp]:
    """The groups, of which those that are at least OFF_GAP_DB under all others are one: a machine that stands still in another noise."""
    ordered = sorted(np.unique(groups).tolist(), key=lambda group: float(np.median(levels_dbfs[groups == group])))
    medians = [float(np.median(levels_dbfs[groups == group])) for group in ordered]
    gaps = np.flatnonzero(np.diff(medians) >= OFF_GAP_DB)
    off = ordered[: gaps[0] + 1] if len(gaps) else ordered[:1]
    return np.where(np.isin(groups, off), ordered[0], groups)


def name_states(states: Sequence[State]) -> list[State]:
    """The states by level, with their names: the quietest is `off`, if it is at least OFF_GAP_DB under the next."""
    ordered = sorted(states, key=lambda state: state.level_dbfs)
    has_off = len(ordered) > 1 and ordered[1].level_dbfs - ordered[0].level_dbfs >= OFF_GAP_DB
    n_running = len(ordered) - has_off
    names = [OFF] * has_off + ([RUNNING] if n_running == 1 else [f"{RUNNING}_{number}" for number in range(1, n_running + 1)])
    return [replace(state, name=name) for state, name in zip(ordered, names, strict=True)]


def group_spectra(spectra: DoubleArray) -> NDArray[np.intp]:
    """The group of each spectrum `[n, n_bands]` in dB: many small groups first, of which the nearest without a gap are joined."""
    centred = spectra - spectra.mean(axis=0)
    components = np.linalg.eigh(centred.T @ centred)[1][:, -N_COMPONENTS:]
    points = np.round(centred @ components, 3)
    n_begun = min(N_BEGUN, len(np.unique(points, axis=0)))
    groups: NDArray[np.intp] = KMeans(n_begun, n_init=3, random_state=0).fit(points).labels_.astype(np.intp)
    least = LEAST_DISTANCE_DB * np.sqrt(spectra.shape[1])
    while True:
        names = np.unique(groups).tolist()
        pairs = [(*compare(points[groups == a], points[groups == b]), a, b) for a in names for b in names if a < b]
        near = [(distance, a, b) for distance, density, a, b in pairs if distance < least or density >= GAP]
        if not near:
            return groups
        _, kept, joined = min(near)
        groups[groups == joined] = kept


def compare(one: DoubleArray, other: DoubleArray) -> tuple[float, float]:
    """(distance of the centres of two groups of points, density halfway between them relative to that around the thinner centre).

    Densities are counts along the line through both centres, in ranges of a third of the distance. One is added to each count, so that
    a gap between a few points is none.
    """
    centre = one.mean(axis=0)
    line = other.mean(axis=0) - centre
    distance = float(np.linalg.norm(line))
    along = (np.concatenate([one, other]) - centre) @ line / distance**2
    first, halfway, last = (np.count_nonzero(np.abs(along - place) < 1 / 6) for place in (0, 0.5, 1))
    return distance, (halfway + 1) / (min(first, last) + 1)
