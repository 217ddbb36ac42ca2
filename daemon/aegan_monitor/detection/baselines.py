"""Training-free controls: how far a clip's mean spectrum is from those of normal clips, with no network at all.

A network must beat them to be worth its watts, so they are evaluated beside it, and may be chosen or fused like its scores.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from aegan_monitor.detection.features import BandScale, FeatureParameters, make_filterbank
from aegan_monitor.detection.reference import N_NEAREST, ReferenceSet, cosine_distances
from aegan_monitor.types import DoubleArray, FloatArray

CONTROL_SCALES: tuple[BandScale, ...] = ("linear", "mel")
N_CONTROL_BANDS = 128


def make_control_filterbank(features: FeatureParameters) -> FloatArray:
    """128 linear and 128 mel bands from 0 to half the rate, float32 `[256, n_fft / 2 + 1]`, whatever bands the network sees."""
    whole = replace(features, n_bands=N_CONTROL_BANDS, f_min_hz=0.0, f_max_hz=features.sample_rate_hz / 2)
    return np.concatenate([make_filterbank(replace(whole, band_scale=scale)) for scale in CONTROL_SCALES])


def mean_bands(db: FloatArray) -> DoubleArray:
    """A clip's mean over time of control bands in dB `[256, n_frames]`, as `[2, 128]`."""
    mean: DoubleArray = db.mean(axis=1, dtype=np.float64)
    return mean.reshape(len(CONTROL_SCALES), N_CONTROL_BANDS)


def euclidean(bands: DoubleArray, place: int, reference: ReferenceSet) -> float:
    """Mean Euclidean distance to the two nearest normal clips, each band in standard deviations of the normal clips."""
    return reference.standardised_bands[place].mean_distance(bands[place] / reference.control_std[place])


def cosine(bands: DoubleArray, place: int, reference: ReferenceSet) -> float:
    """Mean cosine distance to the two nearest normal clips, of mean spectra in dB."""
    return float(cosine_distances(bands[place], reference.unit_bands[place], N_NEAREST)[0].mean())


def near(bands: DoubleArray, place: int, reference: ReferenceSet) -> float:
    """The Euclidean distance where directions in which a changed background moves normal clips count less."""
    return reference.near_bands[place].mean_distance(bands[place] @ reference.control_near[place])


CONTROLS: dict[str, tuple[Callable[[DoubleArray, int, ReferenceSet], float], int]] = {
    f"{scale}_{name}": (distance, place)
    for place, scale in enumerate(CONTROL_SCALES)
    for name, distance in (("euclidean", euclidean), ("cosine", cosine), ("near", near))
}
