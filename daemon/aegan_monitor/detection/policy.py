"""The decision policy: from a score to "exceeded", by a threshold learned from normal sound alone, with hysteresis."""

from dataclasses import dataclass

import numpy as np

from aegan_monitor.detection.record import BundleFields


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


def make_threshold(fields: BundleFields, score: str, quantile: float | None = None, margin: float | None = None) -> Threshold:
    """`off` is the quantile of the calibration's normal scores; `on` is `margin` times further from their median.

    Args:
        quantile: 0.5 to 1; None is the bundle's value.
        margin: With 2, `on` is three times as far from the median as `off`; None is the bundle's value.
    """
    calibration = fields.calibration
    quantile = calibration.quantile if quantile is None else quantile
    margin = calibration.margin if margin is None else margin
    median, off = np.interp([0.5, quantile], calibration.probabilities, calibration.quantiles[score])
    return Threshold(float(off + margin * (off - median)), float(off))


class ThresholdPolicy:
    """An alarm is raised above one threshold and cleared below a lower one."""

    def __init__(self, fields: BundleFields, score: str, quantile: float | None = None, margin: float | None = None) -> None:
        """Derive the thresholds; the arguments are those of `make_threshold`."""
        self.threshold = make_threshold(fields, score, quantile, margin)
        self._score, self._fields = score, fields

    def decide(self, score: float, active: bool) -> Decision:
        """The decision about the next score; the lower threshold applies while the alarm is `active`."""
        threshold = self.threshold.off if active else self.threshold.on
        normal = self._fields.normalisation[self._score]
        return Decision(score, (score - normal.mean) / normal.std, threshold, score > threshold)

    def describe(self) -> str:
        """One line: the scores of normal sound, and the thresholds."""
        normal = self._fields.calibration
        median, largest = np.interp([0.5, 1], normal.probabilities, normal.quantiles[self._score])
        copies = f" and {normal.n_copies} copies with other backgrounds" if normal.n_copies else ""
        return (
            f"{self._score}: normal sound scored up to {largest:.4g} (median {median:.4g}, {normal.n_clips} clips{copies}); "
            f"alarm above {self.threshold.on:.4g}, cleared below {self.threshold.off:.4g}"
        )
