"""Operating states in normal sound: groups of spectra with a gap between them.

A gap is needed, not only a good division: a machine that runs through many speeds has one state, whose sound varies.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import KMeans

from aegan_monitor.types import DoubleArray
from aegan_train.findings.normal_sound import NormalSound

BLOCK_FRAMES = 64  # 2 s: longer than a beat of most machines
N_COMPONENTS = 4
N_BEGUN = 6  # groups before merging
LEAST_DISTANCE_DB = 3.0  # RMS over all bands: more than days of one machine differ, less than its loads
GAP = 0.25  # the density between two states, relative to that around the smaller one
RARE = 0.05


@dataclass(frozen=True, slots=True)
class State:
    """An operating state.

    Attributes:
        share: The part of the sound that is in it.
        level_dbfs, from_dbfs, to_dbfs: The median RMS level of its blocks of 2 s, of which 80 % lie between the other two.
        n_recordings: Recordings with this state in them.
    """

    share: float
    level_dbfs: float
    from_dbfs: float
    to_dbfs: float
    n_recordings: int

    def describe(self, n_recordings: int) -> str:
        """One line; `n_recordings` is the number of all recordings."""
        level = f"{self.share:.0%} of the time at {self.level_dbfs:.0f} dBFS, in {self.n_recordings} of {n_recordings} recordings"
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
    blocks, powers, places = [], [], []
    for place, db in enumerate(sound.db):
        for start in range(0, db.shape[1] - BLOCK_FRAMES + 1, BLOCK_FRAMES):
            block = db[:, start : start + BLOCK_FRAMES]
            blocks.append(np.median(block, axis=1).astype(np.float64))  # not their mean: in a block with a switch one state wins
            powers.append(np.sum(10 ** (block / 10), dtype=np.float64) / BLOCK_FRAMES)
            places.append(place)
    power, place_of = np.array(powers), np.array(places)
    of_window = np.bincount(place_of, power) / np.bincount(place_of)
    offset_db = float(np.median(np.asarray(sound.levels_dbfs) - 10 * np.log10(of_window)))
    groups = group_spectra(np.stack(blocks))
    found = []
    for group in np.unique(groups):
        inside = groups == group
        low, level, high = (10 * np.log10(np.quantile(power[inside], [0.1, 0.5, 0.9])) + offset_db).tolist()
        n_recordings = len(np.unique(sound.recordings[place_of[inside]]))
        found.append(State(float(inside.mean()), level, low, high, n_recordings))
    return sorted(found, key=lambda state: -state.share)


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
