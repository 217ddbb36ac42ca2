"""From a score to 'exceeded': a threshold learned from normal sound alone, with hysteresis."""

from dataclasses import dataclass

import numpy as np

from aegan_monitor.detection.record import BundleFields


@dataclass(frozen=True, slots=True)
class Threshold:
    """Two thresholds for one score: an alarm is raised above `on` and cleared below `off`."""

    on: float
    off: float


def make_threshold(fields: BundleFields, score: str, quantile: float | None = None, margin: float | None = None) -> Threshold:
    """`off` is the quantile of the calibration's normal scores; `on` lies `margin` times further from their median.

    Args:
        fields: The bundle's record.
        score: A score id.
        quantile: Of those scores, 0.5 to 1; None is the bundle's advice.
        margin: 0 makes the two thresholds one; 2 sets `on` three times as far from the median as the quantile; None is the bundle's
            advice.
    """
    calibration = fields.calibration
    quantile = calibration.quantile if quantile is None else quantile
    margin = calibration.margin if margin is None else margin
    median, off = np.interp([0.5, quantile], calibration.probabilities, calibration.quantiles[score])
    return Threshold(float(off + margin * (off - median)), float(off))


@dataclass(frozen=True, slots=True)
class Decision:
    """What one score means.

    Attributes:
        score: As computed.
        normalised: In standard deviations from the mean of held-out normal sound.
        threshold: The one that held for it.
        exceeded: Whether the machine sounds wrong.
    """

    score: float
    normalised: float
    threshold: float
    exceeded: bool


class Decider:
    """Decides about one machine's scores, one after the other."""

    def __init__(self, fields: BundleFields, score: str, quantile: float | None = None, margin: float | None = None) -> None:
        self._threshold = make_threshold(fields, score, quantile, margin)
        self._normal = fields.normalisation[score]

    def decide(self, score: float, active: bool) -> Decision:
        """The decision about the next score; the lower threshold holds only while the alarm is `active`."""
        threshold = self._threshold.off if active else self._threshold.on
        return Decision(score, (score - self._normal.mean) / self._normal.std, threshold, score > threshold)
