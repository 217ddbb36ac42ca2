"""Fits the space of pieces, by which a monitor says how much of a clip is unlike normal sound (`Space.lasting_share`)."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from aegan_monitor.detection.spaces import Space
from aegan_monitor.detection.views import BandSummary
from aegan_monitor.types import FloatArray
from aegan_train.calibration.cross_fit import LEAST_CLIPS, divide
from aegan_train.calibration.spaces import LEAST_DENSITY, fit_maha

MAX_CLIPS_WHOLE = 200  # clips of which every piece is taken; of n times as many every n-th


def fit_lasting(bands: Sequence[BandSummary], groups: NDArray[np.intp]) -> Space:
    """Distance to the mean of normal pieces under their shrunk covariance; 1 is the median distance of pieces of left-out recordings.

    Args:
        bands: The normal clips.
        groups: The recording of each clip, `[n_clips]`, numbered from 0. With one recording alone the median is that of its own pieces.
    """
    step = -(-len(bands) // MAX_CLIPS_WHOLE)

    def view(clip: BandSummary) -> FloatArray:
        return clip.pieces[::step]

    folds = divide(groups)
    whole, distances = fit_maha(bands, view, None), []
    for fold in np.unique(folds):
        rest = [clip for clip, other in zip(bands, folds, strict=True) if other != fold]
        space = fit_maha(rest, view, None) if len(rest) >= LEAST_CLIPS else whole
        distances += [space.distances(view(clip)) for clip, other in zip(bands, folds, strict=True) if other == fold]
    median = max(float(np.median(np.concatenate(distances))), LEAST_DENSITY)
    return replace(whole, density=np.full(1, median, np.float32))
