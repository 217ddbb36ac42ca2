"""The decision policy: from a score to "exceeded", by a threshold learned from normal sound alone, with hysteresis.

A bundle knows two thresholds: one for the place that was recorded, and a higher one for any place. The recorded place is the default.
"""

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from aegan_monitor.detection.record import PLACES, BundleFields, Place

DESCRIPTIONS: dict[Place, str] = {"recorded": "in the recorded place", "any": "in any place"}
LACKS_DEFAULT = "; the bundle has no lower threshold for the recorded place: train again to find smaller faults there"


@dataclass(frozen=True, slots=True)
class Decision:
    """The decision about one score.

    Attributes:
        normalised: The score in standard deviations from the mean of held-out normal sound.
        threshold: The one that applied.
    """

    score: float
    normalised: float
    threshold: float
    exceeded: bool


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


class ThresholdPolicy:
    """An alarm is raised above one threshold and cleared below a lower one."""

    def __init__(
        self, fields: BundleFields, score: str, quantile: float | None = None, margin: float | None = None, place: Place | None = None
    ) -> None:
        """Derive the thresholds; the arguments are those of `make_threshold`."""
        self.threshold = make_threshold(fields, score, quantile, margin, place)
        self._score, self._fields, self._place = score, fields, choose_place(fields.calibration, place)

    def decide(self, score: float, active: bool) -> Decision:
        """The decision about the next score; the lower threshold applies while the alarm is `active`."""
        threshold = self.threshold.off if active else self.threshold.on
        normal = self._fields.normalisation[self._score]
        return Decision(score, (score - normal.mean) / normal.std, threshold, score > threshold)

    def describe(self) -> str:
        """One line: the place, the scores of normal sound, and the thresholds."""
        normal = self._fields.calibration[self._place]
        quantiles = normal.quantiles[self._score]
        median, largest = np.interp([0.5, 1], normal.probabilities, quantiles)
        share = 1 - np.interp(self.threshold.on, quantiles, normal.probabilities)
        copies = f" and {normal.n_copies} copies with other backgrounds" if normal.n_copies else ""
        known = f"(median {median:.4g}, {normal.n_clips} clips{copies})"
        return (
            f"{self._score}, {DESCRIPTIONS[self._place]}: normal sound scored up to {largest:.4g} {known}; "
            f"alarm above {self.threshold.on:.4g} ({share:.0%} of them), cleared below {self.threshold.off:.4g}"
            + ("" if PLACES[0] in self._fields.calibration else LACKS_DEFAULT)
        )
