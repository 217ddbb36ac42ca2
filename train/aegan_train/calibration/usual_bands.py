"""How the mean bands of normal recordings differ from each other, by which a monitor names the bands that have changed."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from aegan_monitor.decision.sound.changed_bands import N_NEAREST, find_residual, measure_usual
from aegan_monitor.detection.record import UsualBands
from aegan_monitor.detection.views import BandSummary
from aegan_monitor.types import DoubleArray
from aegan_train.calibration.cross_fit import divide
from aegan_train.calibration.statistics import LEAST_BASELINE_STD_DB

MAX_CLIPS = 512  # whose residuals are found
DIGITS = 2  # of a level in dB


def fit_usual_bands(bands: Sequence[BandSummary], groups: NDArray[np.intp], held_out: Sequence[BandSummary] = ()) -> UsualBands:
    """Usual deviations of clips from the nearest clips of other recordings, and the range of their bands.

    Args:
        bands: The normal clips.
        groups: The recording of each clip, `[n_clips]`, numbered from 0. With one recording alone each clip is compared with the others.
        held_out: Further normal clips, for the range alone.
    """
    levels_db = np.stack([clip.mean[0] for clip in bands])
    all_db = np.stack([clip.mean[0] for clip in (*bands, *held_out)])
    chosen = np.unique(np.linspace(0, len(bands) - 1, min(len(bands), MAX_CLIPS)).astype(int))
    rows_db, folds = levels_db[chosen], divide(groups)[chosen]
    std_db = np.maximum(rows_db.std(axis=0), LEAST_BASELINE_STD_DB)
    residuals = []
    for place, row_db in enumerate(rows_db):
        others = folds != folds[place]
        if np.count_nonzero(others) < N_NEAREST:
            others = np.arange(len(rows_db)) != place
        residuals.append(find_residual(row_db, rows_db[others], std_db) if others.any() else np.zeros_like(row_db))
    usual_db = measure_usual(np.stack(residuals))
    return UsualBands(
        deviation_db=[as_list(each) for each in usual_db],
        lowest_db=as_list(all_db.min(axis=0)),
        highest_db=as_list(all_db.max(axis=0)),
    )


def as_list(values: DoubleArray) -> list[float]:
    """The values, rounded to DIGITS."""
    return [float(value) for value in np.round(values, DIGITS)]
