"""The threshold: a widened quantile of normal scores, with hysteresis."""

import numpy as np
import pytest

from aegan_monitor.decision.policy import Decision
from aegan_monitor.decision.threshold_policy import ThresholdPolicy
from aegan_monitor.detection.features import FeatureParameters
from aegan_monitor.detection.record import BundleFields, Calibration, Place
from aegan_monitor.detection.scores import SCORE_IDS
from aegan_monitor.detection.threshold import make_threshold
from aegan_monitor.types import ClipScore
from aegan_train.calibration.statistics import calibrate, normalise

NORMAL = np.linspace(10, 20, 101)
SCORES = [dict.fromkeys(SCORE_IDS, float(value)) for value in NORMAL]
COPIES = [dict.fromkeys(SCORE_IDS, float(value)) for value in NORMAL + 30]
FIELDS = BundleFields.model_construct(features=FeatureParameters(), calibration=calibrate(SCORES), normalisation=normalise(SCORES))
MOVED = FIELDS.model_copy(update={"calibration": calibrate(SCORES, COPIES)})


def decide(policy: ThresholdPolicy, score: float, *, is_active: bool) -> Decision:
    """The decision about a clip with this `D_maha`."""
    return policy.decide(ClipScore(0, {"D_maha": score}, 0.0), is_active, 0)


@pytest.mark.parametrize(("quantile", "margin", "on", "off"), [(0.99, 0.0, 19.9, 19.9), (1.0, 0.5, 22.5, 20.0), (0.9, 1.0, 23.0, 19.0)])
def test_the_threshold_is_the_widened_quantile(quantile: float, margin: float, on: float, off: float) -> None:
    """`off` is the quantile, and `on` lies a margin further from the median."""
    threshold = make_threshold(FIELDS, "D_maha", quantile, margin)
    assert (threshold.on, threshold.off) == pytest.approx((on, off))


def test_where_the_configuration_says_nothing_the_bundle_advises() -> None:
    """Defaults come from the bundle: well above few clips, at the upper end of copies with other backgrounds."""
    assert make_threshold(FIELDS, "D_maha") == make_threshold(FIELDS, "D_maha", 0.99, 2.0)
    assert make_threshold(MOVED, "D_maha") == make_threshold(MOVED, "D_maha", place="recorded") == make_threshold(FIELDS, "D_maha")
    assert MOVED.calibration["any"].n_copies == len(COPIES)
    assert make_threshold(MOVED, "D_maha", place="any") == make_threshold(MOVED, "D_maha", 0.95, 0.1, "any")
    assert 48 < make_threshold(MOVED, "D_maha", place="any").on < 55
    assert make_threshold(MOVED, "D_maha", quantile=0.5, place="any").on < 40


def test_a_bundle_with_one_calibration_has_one_threshold() -> None:
    """Without a calibration for the wanted or the default place, that for the other one holds, and the description says so."""
    assert make_threshold(FIELDS, "D_maha", place="any") == make_threshold(FIELDS, "D_maha")
    older = MOVED.model_copy(update={"calibration": {"any": MOVED.calibration["any"]}})
    assert make_threshold(older, "D_maha") == make_threshold(MOVED, "D_maha", place="any")
    lines = [ThresholdPolicy(fields, "D_maha").describe() for fields in (MOVED, older)]
    assert lines[0].startswith("D_maha, in the recorded place: ")
    assert lines[1].startswith("D_maha, in any place: ")
    assert ["train again" in line for line in lines] == [False, True]


def test_cross_fitted_clips_count_in_the_recorded_place() -> None:
    """They have no scores of the generator, whose quantiles come from held-out clips alone."""
    crossed = [{"D_maha": 100.0}] * 899
    found = calibrate(SCORES, SCORES, crossed)
    assert (found["recorded"].n_clips, found["any"].n_clips, found["any"].n_copies) == (1000, 101, 101)
    assert found["recorded"].quantiles["D_maha"][50] == 100
    assert found["recorded"].quantiles["G_x_2_sum"] == calibrate(SCORES)["recorded"].quantiles["G_x_2_sum"]


def test_hysteresis() -> None:
    """Only an active alarm has the lower threshold; a pending one has the upper."""
    policy = ThresholdPolicy(FIELDS, "D_maha", 1.0, 0.5)
    assert [decide(policy, score, is_active=False).exceeded for score in (21, 23, 21)] == [False, True, False]
    assert [decide(policy, score, is_active=True).exceeded for score in (23, 21, 20.1, 19.9)] == [True, True, True, False]


def test_the_threshold_told_is_the_one_that_held() -> None:
    """The published threshold is the upper one until the alarm is raised."""
    policy = ThresholdPolicy(FIELDS, "D_maha", 1.0, 0.5)
    assert [decide(policy, 23, is_active=active).threshold for active in (False, True)] == pytest.approx([22.5, 20.0])


def test_normalised_scores_count_standard_deviations() -> None:
    """A normalised score is in standard deviations from the mean of normal sound."""
    decision = decide(ThresholdPolicy(FIELDS, "D_maha", 0.99, 0.5), 15 + 2 * float(NORMAL.std()), is_active=False)
    assert decision.normalised == pytest.approx(2)


@pytest.mark.parametrize(
    ("place", "n_copies", "arguments", "parts"),
    [
        ("recorded", 0, (None, None), ["up to 4 ", "36 clips)", "above 6 (0% of them)", "below 4"]),
        ("recorded", 0, (0.75, 0.0), ["up to 4 ", "36 clips)", "above 3.5 (25% of them)", "below 3.5"]),
        ("any", 144, (None, 1000.0), ["up to 4 ", "36 clips and 144 copies", "above 1004 (", "below 4"]),
    ],
)
def test_the_description_says_the_threshold_beside_normal_scores(
    place: Place, n_copies: int, arguments: tuple[float | None, float | None], parts: list[str]
) -> None:
    """The description shows threshold and normal scores, so an unreachable threshold is visible."""
    quantiles = {"D_knn": [1.0, 3.0, 4.0]}
    known = Calibration(n_clips=36, n_copies=n_copies, quantile=1.0, margin=2.0, probabilities=[0.0, 0.5, 1.0], quantiles=quantiles)
    fields = BundleFields.model_construct(
        features=FeatureParameters(), calibration={place: known}, normalisation=normalise([{"D_knn": 3.0}])
    )
    reported = ThresholdPolicy(fields, "D_knn", *arguments).describe()
    assert [part for part in ["D_knn", "median 3,", *parts] if part not in reported] == []


def test_each_delay_ends_with_its_time() -> None:
    """A pending alarm waits for the on-delay, a clearing one for the off-delay, in heard samples."""
    policy = ThresholdPolicy(FIELDS, "D_maha", on_delay_s=1.0, off_delay_s=2.0)
    assert [policy.has_elapsed(is_active, n) for is_active in (False, True) for n in (15_999, 16_000, 31_999, 32_000)] == [
        *(False, True, True, True), *(False, False, False, True),
    ]  # fmt: skip
