"""Outliers among the normal clips: maybe a fault or a passer-by was recorded."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import compress
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from aegan_monitor.detection.views import VIEWS
from aegan_monitor.files import show_path
from aegan_monitor.types import DoubleArray
from aegan_train.calibration.cross_fit import N_FOLDS
from aegan_train.calibration.spaces import fit_maha
from aegan_train.findings.normal_sound import NormalSound

VIEW = VIEWS["linear_peak"]  # sees what lasts and what is short; of five views the one with the fewest false ones
LEAST_WINDOWS = 16  # fewer have no reliable spread
FAR = 5.0  # robust standard deviations of the logarithm
LEAST_SPREAD = 0.1  # of the logarithm: what is not over 1.6 times as far as usual is no outlier
LEAST_DISTANCE = 1e-9  # among equal clips
MAX_PRINTED = 10


@dataclass(frozen=True, slots=True)
class Outlier:
    """A clip that is unlike all other recordings.

    Attributes:
        path: Its file.
        start_s: Where in the file it begins.
        deviation: Its distance from the other clips, in robust standard deviations of the distances' logarithms.
    """

    path: Path
    start_s: float
    deviation: float


def describe_outliers(outliers: Sequence[Outlier]) -> list[str]:
    """The lines that `fit` prints."""
    if not outliers:
        return ["clips unlike the others: none"]
    lines = [f"clips unlike the others: {len(outliers)}; maybe a fault or a passer-by was recorded: listen, and remove what is not normal"]
    for each in outliers[:MAX_PRINTED]:
        place = f" at {each.start_s // 60:.0f}:{each.start_s % 60:02.0f}" if each.start_s else ""
        lines.append(f"  {show_path(each.path)}{place}: {each.deviation:.0f} deviations (usual: under {FAR:.0f})")
    if len(outliers) > MAX_PRINTED:
        lines.append(f"  and {len(outliers) - MAX_PRINTED} more")
    return lines


def find_outliers(sound: NormalSound) -> list[Outlier]:
    """The clips that are far from all other recordings, the farthest first; what is far at first is no measure for the others."""
    is_far = np.zeros(len(sound.bands), bool)
    for _ in range(2):
        deviations = find_deviations(measure_distances(sound, ~is_far))
        is_far = deviations > FAR
    order = np.argsort(-deviations)[: np.count_nonzero(is_far)].tolist()
    return [Outlier(sound.clips[place].path, sound.starts_s[place], float(deviations[place])) for place in order]


def find_deviations(distances: DoubleArray) -> DoubleArray:
    """The logarithms of `distances` in robust standard deviations from their median; 0 where a distance is NaN or there are too few."""
    known = distances[np.isfinite(distances)]
    if len(known) < LEAST_WINDOWS:
        return np.zeros(len(distances))
    apart = np.log(np.maximum(distances, LEAST_DISTANCE)) - np.log(max(float(np.median(known)), LEAST_DISTANCE))
    spread = 1.4826 * float(np.nanmedian(np.abs(apart)))  # of a normal distribution, its standard deviation
    found: DoubleArray = np.nan_to_num(apart / max(spread, LEAST_SPREAD))
    return found


def measure_distances(sound: NormalSound, is_usual: NDArray[np.bool_]) -> DoubleArray:
    """The Mahalanobis distance of each window from usual windows of other recordings, `[n_windows]`; NaN where too few of these remain."""
    folds = np.random.default_rng(0).permutation(sound.recordings.max() + 1)[sound.recordings] % N_FOLDS
    found = np.full(len(folds), np.nan)
    for fold in np.unique(folds):
        is_inside = folds == fold
        inside, rest = (list(compress(sound.bands, mask)) for mask in (is_inside, ~is_inside & is_usual))
        if len(rest) >= LEAST_WINDOWS // 2:
            found[is_inside] = fit_maha(rest, VIEW, None).distances(np.concatenate([VIEW(bands) for bands in inside]))
    return found
