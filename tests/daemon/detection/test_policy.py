"""The threshold: a widened quantile of normal scores, with hysteresis."""

import numpy as np
import pytest

from aegan_monitor.detection.policy import ThresholdPolicy, make_threshold
from aegan_monitor.detection.record import BundleFields, Calibration
from aegan_monitor.detection.scores import SCORE_IDS
from aegan_train.calibration.statistics import calibrate, normalise

NORMAL = np.linspace(10, 20, 101)
SCORES = [dict.fromkeys(SCORE_IDS, float(value)) for value in NORMAL]
FIELDS = BundleFields.model_construct(calibration=calibrate(SCORES), normalisation=normalise(SCORES))


@pytest.mark.parametrize(("quantile", "margin", "on", "off"), [(0.99, 0.0, 19.9, 19.9), (1.0, 0.5, 22.5, 20.0), (0.9, 1.0, 23.0, 19.0)])
def test_the_threshold_is_the_widened_quantile(quantile: float, margin: float, on: float, off: float) -> None:
    """`off` is the quantile, and `on` lies a margin further from the median."""
    threshold = make_threshold(FIELDS, "D_maha", quantile, margin)
    assert (threshold.on, threshold.off) == pytest.approx((on, off))


def test_where_the_configuration_says_nothing_the_bundle_advises() -> None:
    """Defaults come from the bundle: well above few clips, at the upper end of copies with other backgrounds."""
    assert make_threshold(FIELDS, "D_maha") == make_threshold(FIELDS, "D_maha", 0.99, 2.0)
    copies = [dict.fromkeys(SCORE_IDS, float(value)) for value in NORMAL + 30]
    fields = BundleFields.model_construct(calibration=calibrate(SCORES, copies))
    assert fields.calibration.n_copies == len(copies)
    assert make_threshold(fields, "D_maha") == make_threshold(fields, "D_maha", 0.95, 0.1)
    assert 48 < make_threshold(fields, "D_maha").on < 55
    assert make_threshold(fields, "D_maha", quantile=0.5).on < 40


def test_hysteresis() -> None:
    """Only an active alarm has the lower threshold; a pending one has the upper."""
    policy = ThresholdPolicy(FIELDS, "D_maha", 1.0, 0.5)
    assert [policy.decide(score, active=False).exceeded for score in (21, 23, 21)] == [False, True, False]
    assert [policy.decide(score, active=True).exceeded for score in (23, 21, 20.1, 19.9)] == [True, True, True, False]


def test_the_threshold_told_is_the_one_that_held() -> None:
    """The published threshold is the upper one until the alarm is raised."""
    policy = ThresholdPolicy(FIELDS, "D_maha", 1.0, 0.5)
    assert [policy.decide(23, active=active).threshold for active in (False, True)] == pytest.approx([22.5, 20.0])


def test_normalised_scores_count_standard_deviations() -> None:
    """A normalised score is in standard deviations from the mean of normal sound."""
    decision = ThresholdPolicy(FIELDS, "D_maha", 0.99, 0.5).decide(15 + 2 * float(NORMAL.std()), active=False)
    assert decision.normalised == pytest.approx(2)


@pytest.mark.parametrize(
    ("n_copies", "arguments", "parts"),
    [
        (0, (), ["up to 4 ", "36 clips)", "above 6,", "below 4"]),
        (0, (0.75, 0.0), ["up to 4 ", "36 clips)", "above 3.5,", "below 3.5"]),
        (144, (None, 1000.0), ["up to 4 ", "36 clips and 144 copies", "above 1004,", "below 4"]),
    ],
)
def test_the_description_says_the_threshold_beside_normal_scores(n_copies: int, arguments: tuple[float, ...], parts: list[str]) -> None:
    """The description shows threshold and normal scores, so an unreachable threshold is visible."""
    quantiles = {"D_knn": [1.0, 3.0, 4.0]}
    known = Calibration(n_clips=36, n_copies=n_copies, quantile=1.0, margin=2.0, probabilities=[0.0, 0.5, 1.0], quantiles=quantiles)
    fields = BundleFields.model_construct(calibration=known, normalisation=normalise([{"D_knn": 3.0}]))
    reported = ThresholdPolicy(fields, "D_knn", *arguments).describe()
    assert [part for part in ["D_knn", "median 3,", *parts] if part not in reported] == []
