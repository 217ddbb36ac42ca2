"""The threshold: a quantile of normal scores, widened, with hysteresis."""

import numpy as np
import pytest

from aegan_monitor.detection.policy import Decider, make_threshold
from aegan_monitor.detection.record import BundleFields
from aegan_monitor.detection.scores import SCORE_IDS
from aegan_train.calibration.statistics import calibrate, normalise

NORMAL = np.linspace(10, 20, 101)
SCORES = [dict.fromkeys(SCORE_IDS, float(value)) for value in NORMAL]
FIELDS = BundleFields.model_construct(calibration=calibrate(SCORES), normalisation=normalise(SCORES))


@pytest.mark.parametrize(("quantile", "margin", "on", "off"), [(0.99, 0.0, 19.9, 19.9), (1.0, 0.5, 22.5, 20.0), (0.9, 1.0, 23.0, 19.0)])
def test_the_threshold_is_the_widened_quantile(quantile: float, margin: float, on: float, off: float) -> None:
    """`off` is the quantile, `on` lies a margin further from the median."""
    threshold = make_threshold(FIELDS, "D_maha", quantile, margin)
    assert (threshold.on, threshold.off) == pytest.approx((on, off))


def test_where_the_configuration_says_nothing_the_bundle_advises() -> None:
    """Far over few clips; at the upper end of copies before other backgrounds, which have shown what a new place does."""
    assert make_threshold(FIELDS, "D_maha") == make_threshold(FIELDS, "D_maha", 0.99, 2.0)
    copies = [dict.fromkeys(SCORE_IDS, float(value)) for value in NORMAL + 30]
    fields = BundleFields.model_construct(calibration=calibrate(SCORES, copies))
    assert fields.calibration.n_copies == len(copies)
    assert make_threshold(fields, "D_maha") == make_threshold(fields, "D_maha", 0.95, 0.1)
    assert 48 < make_threshold(fields, "D_maha").on < 55
    assert make_threshold(fields, "D_maha", quantile=0.5).on < 40


def test_hysteresis() -> None:
    """Only an active alarm has the lower threshold; one that is pending must stay above the one that raises it."""
    decider = Decider(FIELDS, "D_maha", 1.0, 0.5)
    assert [decider.decide(score, active=False).exceeded for score in (21, 23, 21)] == [False, True, False]
    assert [decider.decide(score, active=True).exceeded for score in (23, 21, 20.1, 19.9)] == [True, True, True, False]


def test_the_threshold_told_is_the_one_that_held() -> None:
    """The upper one until the alarm is raised."""
    decider = Decider(FIELDS, "D_maha", 1.0, 0.5)
    assert [decider.decide(23, active=active).threshold for active in (False, True)] == pytest.approx([22.5, 20.0])


def test_normalised_scores_count_standard_deviations() -> None:
    """The mean of normal sound is 0."""
    decision = Decider(FIELDS, "D_maha", 0.99, 0.5).decide(15 + 2 * float(NORMAL.std()), active=False)
    assert decision.normalised == pytest.approx(2)
