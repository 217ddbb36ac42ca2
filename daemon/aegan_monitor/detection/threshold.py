"""Thresholds learned from normal sound alone: above the first an alarm is raised, below the second it is cleared.

A bundle knows two of them: one for the place that was recorded, and a higher one for any place. The recorded place is the default.
"""

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from aegan_monitor.detection.record import PLACES, BundleFields, Place


@dataclass(frozen=True, slots=True)
class Threshold:
    """Two thresholds for one score: an alarm is raised above `on` and cleared below `off`."""

    on: float
    off: float


def choose_place(known: Collection[Place], wanted: Place | None = None) -> Place:
    """The place `wanted`, or the first of PLACES, if the bundle knows it; otherwise the one that it knows."""
    return wanted if wanted and wanted in known else next(place for place in PLACES if place in known)


def make_threshold(
    fields: BundleFields, score: str, quantile: float | None = None, margin: float | None = None, place: Place | None = None
) -> Threshold:
    """`off` is the quantile of the calibration's normal scores; `on` is `margin` times further from their median.

    Any place may be the recorded one, so neither is lower there than in the recorded place.

    Args:
        quantile: 0.5 to 1; None is the bundle's value.
        margin: With 2, `on` is three times as far from the median as `off`; None is the bundle's value.
        place: Of the monitor (`choose_place`).
    """
    chosen = choose_place(fields.calibration, place)
    found = []
    for calibration in (each for known, each in fields.calibration.items() if chosen in (known, "any")):
        probability, further = calibration.quantile if quantile is None else quantile, calibration.margin if margin is None else margin
        median, off = np.interp([0.5, probability], calibration.probabilities, calibration.quantiles[score])
        found.append(Threshold(float(off + further * (off - median)), float(off)))
    return Threshold(max(each.on for each in found), max(each.off for each in found))
