"""The decision policy: from a score to "exceeded", by two thresholds, with hysteresis."""

from dataclasses import dataclass

import numpy as np

from aegan_monitor.detection.record import PLACES, BundleFields, Place
from aegan_monitor.detection.threshold import choose_place, make_threshold

DESCRIPTIONS: dict[Place, str] = {"recorded": "in the recorded place", "any": "in any place"}
LACKS_DEFAULT = "; the bundle has no lower threshold for the recorded place: train again to find smaller faults there"


@dataclass(frozen=True, slots=True)
class Decision:
    """The decision about one score.

    Attributes:
        normalised: The score in standard deviations from the mean of held-out normal sound.
        threshold: The one that applied.
        gross: The score is over all that normal sound has brought.
        evidence: What has gathered against normal sound; None where the policy gathers nothing.
    """

    score: float
    normalised: float
    threshold: float
    exceeded: bool
    gross: bool = False
    evidence: float | None = None


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
