"""Policy of two thresholds with delays: the score has to stay over the upper one for a time, and under the lower one for another."""

import numpy as np

from aegan_monitor.decision.budget import ONE_A_WEEK
from aegan_monitor.decision.policy import DESCRIPTIONS, Decision
from aegan_monitor.detection.record import PLACES, BundleFields, Place
from aegan_monitor.detection.threshold import choose_place, make_threshold
from aegan_monitor.types import ClipScore

LACKS_DEFAULT = "; the bundle has no lower threshold for the recorded place: train again to find smaller faults there"


class ThresholdPolicy:
    """An alarm is raised above one threshold and cleared below a lower one, each after a delay."""

    def __init__(
        self,
        fields: BundleFields,
        score: str,
        quantile: float | None = None,
        margin: float | None = None,
        place: Place | None = None,
        on_delay_s: float = 0.0,
        off_delay_s: float = 0.0,
    ) -> None:
        """Derive the thresholds: `make_threshold` has the first arguments. Delays count heard sound."""
        self.budget, self.memory = ONE_A_WEEK, tuple[float, ...]()
        self.threshold = make_threshold(fields, score, quantile, margin, place)
        self._score, self._fields, self._place = score, fields, choose_place(fields.calibration, place)
        rate = fields.features.sample_rate_hz
        self._on_samples, self._off_samples = round(on_delay_s * rate), round(off_delay_s * rate)

    def decide(  # the last three arguments are of the protocol
        self,
        clip: ClipScore,
        is_active: bool,
        new_samples: int,  # noqa: ARG002
        *,
        in_grace: bool = False,  # noqa: ARG002
        state: int | None = None,  # noqa: ARG002
    ) -> Decision:
        """See `Policy`; while an alarm is active the lower threshold applies."""
        score = clip.scores[self._score]
        threshold = self.threshold.off if is_active else self.threshold.on
        normal = self._fields.normalisation[self._score]
        return Decision(score, (score - normal.mean) / normal.std, threshold, score > threshold)

    def has_elapsed(self, is_active: bool, delay_samples: int) -> bool:
        """Whether the on-delay or the off-delay is over."""
        return delay_samples >= (self._off_samples if is_active else self._on_samples)

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
