"""Training-free baselines: distance of a clip's mean spectrum from those of normal clips, chosen and fused like the network's scores."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from aegan_monitor.detection.features import BandScale, FeatureParameters, make_filterbank
from aegan_monitor.detection.reference import NormalClips
from aegan_monitor.detection.views import N_SCALE_BANDS
from aegan_monitor.types import DoubleArray, FloatArray

BASELINE_SCALES: tuple[BandScale, ...] = ("linear", "mel")


def make_baseline_filterbank(features: FeatureParameters) -> FloatArray:
    """128 linear and 128 mel bands from 0 to half the rate, float32 `[256, n_fft / 2 + 1]`, independent of the network's bands."""
    whole = replace(features, n_bands=N_SCALE_BANDS, f_min_hz=0.0, f_max_hz=features.sample_rate_hz / 2)
    return np.concatenate([make_filterbank(replace(whole, band_scale=scale)) for scale in BASELINE_SCALES])


BASELINES: dict[str, tuple[Callable[[NormalClips, DoubleArray], float], int]] = {  # distance, and place of its scale
    f"{scale}_{name}": (distance, place)
    for place, scale in enumerate(BASELINE_SCALES)
    for name, distance in (("euclidean", NormalClips.euclidean), ("cosine", NormalClips.cosine), ("near", NormalClips.near))
}
