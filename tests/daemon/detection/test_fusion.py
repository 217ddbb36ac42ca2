"""The fused score, and the graphs that each score needs."""

import math
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aegan_monitor.demo.pump import Pump
from aegan_monitor.detection.bundle import demo_bundle, load_bundle
from aegan_monitor.detection.fusion import FUSIONS, fuse, joint, mean, needed_graphs, needed_ids, score_names
from aegan_monitor.detection.pipeline import Pipeline
from aegan_monitor.detection.record import LARGEST_SCORE, BundleFields, FusionTerm
from aegan_monitor.inference.onnx_runtime import OrtSession
from aegan_train.calibration.statistics import scale_fusion

MEMBERS = ["D_near", "C_linear_euclidean"]
TERMS = {"D_near": FusionTerm(centre=1, scale=2), "C_linear_euclidean": FusionTerm(centre=3, scale=0.5)}
FUSED = BundleFields.model_construct(fusion=TERMS)
PLAIN = BundleFields.model_construct(fusion={})


def test_the_fusion_is_the_mean_distance_from_normal() -> None:
    """The fusion is the mean of log scores in units of their scale, so normal sound gives 0."""
    assert fuse({"D_near": math.exp(1), "C_linear_euclidean": math.exp(3)}, TERMS, "F_mean") == pytest.approx(0)
    assert fuse({"D_near": math.exp(5), "C_linear_euclidean": math.exp(2.5), "D_cos": 99}, TERMS, "F_mean") == pytest.approx((2 - 1) / 2)
    assert math.isfinite(fuse({"D_near": 0, "C_linear_euclidean": 1}, TERMS, "F_mean"))


def test_the_scale_is_what_backgrounds_do() -> None:
    """A member that other backgrounds change more counts less; without copies the scale is the spread of normal sound."""
    normal = [{"D_near": math.exp(x), "D_cos": math.exp(x)} for x in (0.9, 1.1)]
    varied = [{"D_near": math.exp(3), "D_cos": math.exp(1.5)}, {"D_near": math.exp(3), "D_cos": math.exp(1.5)}]
    found = scale_fusion(["D_near", "D_cos"], normal, varied)
    assert {name: (term.centre, term.scale) for name, term in found.items()} == {
        "D_near": pytest.approx((1, 2)),
        "D_cos": pytest.approx((1, 0.5)),
    }
    assert scale_fusion(["D_cos"], normal, [])["D_cos"].scale == pytest.approx(0.1)
    assert scale_fusion([], normal, varied) == {}


def test_a_score_needs_its_graphs_only() -> None:
    """A baseline needs no graph, a fusion those of its members."""
    assert needed_graphs(PLAIN, "D_lof") == ("embedding",)
    assert needed_graphs(PLAIN, "G_z_1_max") == ("generator",)
    assert needed_graphs(PLAIN, "C_mel_cosine") == ()
    assert needed_graphs(FUSED, "F_mean") == ("embedding",)
    assert [score.name for score in needed_ids(FUSED, ["F_mean", "D_near"])] == MEMBERS
    assert "F_mean" in score_names(FUSED)
    assert "F_mean" not in score_names(PLAIN)


def correlate(n: int, correlation: float) -> dict[str, FusionTerm]:
    """`n` members, each with the same correlation with each other."""
    return {str(i): FusionTerm(centre=0, scale=1, correlations={str(j): correlation for j in range(i)}) for i in range(n)}


def test_one_strong_member_decides() -> None:
    """A fault that one of ten members sees at 10 standard deviations is far over normal sound; the mean hides it at 1."""
    seen_by_one = [10.0, *[0.0] * 9]
    assert joint(seen_by_one, correlate(10, 0)) == pytest.approx(math.sqrt(10))
    assert joint(seen_by_one, correlate(10, 0.7)) > 5
    assert mean(seen_by_one, {}) == pytest.approx(1)


def test_members_that_rise_together_count_as_one() -> None:
    """Nine members that always rise together do not outweigh a tenth that stands alone; without the correlations they do."""
    together = {**correlate(9, 0.75), "alone": FusionTerm(centre=0, scale=1)}
    nine, one = [3.0] * 9 + [0.0], [0.0] * 9 + [3.0]
    assert joint(nine, together) < 1.2 * joint(one, together)
    assert joint(nine, correlate(10, 0)) == pytest.approx(3 * joint(one, correlate(10, 0)))


def test_members_under_normal_sound_do_not_count() -> None:
    """Members far under normal sound neither lower the score nor make it negative."""
    members = correlate(2, 0.5)
    assert joint([-50.0, -1.0], members) == 0
    assert joint([-50.0, 5.0], members) == joint([0.0, 5.0], members)


@given(
    terms=st.lists(st.floats(-1e3, 1e3), min_size=2, max_size=6),
    seed=st.integers(0, 1000),
    order=st.randoms(use_true_random=False),
)
def test_the_joint_score_is_a_mahalanobis_distance(terms: list[float], seed: int, order: Random) -> None:
    """It equals the plain formula with an inverse matrix, and does not depend on the order of the members."""
    n = len(terms)
    wanted = 0.8 * np.corrcoef(np.random.default_rng(seed).normal(size=(n, 3 * n))) + 0.2 * np.eye(n)
    over = np.array([max(0.0, term) for term in terms])
    plain = math.sqrt(over @ np.linalg.inv(wanted) @ over / n)
    places = list(range(n))
    for _ in range(2):
        members = {
            str(i): FusionTerm(centre=0, scale=1, correlations={str(j): float(wanted[i, j]) for j in places[:at]})
            for at, i in enumerate(places)
        }
        assert joint([terms[i] for i in places], members) == pytest.approx(plain, rel=1e-9, abs=1e-9)
        order.shuffle(places)


@pytest.mark.parametrize("fused", FUSIONS)
@pytest.mark.parametrize("score", [0.0, 5e-324, 1e-12, LARGEST_SCORE, 1.7e308])
@pytest.mark.parametrize("scale", [2 / LARGEST_SCORE, 1.0, 1e300])
@pytest.mark.parametrize("centre", [-LARGEST_SCORE, LARGEST_SCORE])
def test_a_fused_score_is_a_number(fused: str, score: float, scale: float, centre: float) -> None:
    """Extreme scores and extreme terms give a finite score."""
    terms = {name: FusionTerm(centre=centre, scale=scale) for name in MEMBERS}
    assert math.isfinite(fuse(dict.fromkeys(MEMBERS, score), terms, fused))


@pytest.mark.parametrize("names", [["C_linear_euclidean"], ["F_mean"], ["F_mean", "G_x_2_min", "C_mel_cosine"]])
def test_a_stream_gives_what_is_requested(names: list[str]) -> None:
    """A pipeline for some scores computes only their graphs, and gives the same numbers."""
    bundle = load_bundle(demo_bundle())
    fields = bundle.record.model_copy(update={"fusion": TERMS, "fused": "F_mean"})
    sound = Pump(3).read(16_000 * 12)
    graphs = sorted({graph for name in names for graph in needed_graphs(fields, name)})
    found = Pipeline(fields, bundle.reference, OrtSession(bundle, graphs), names).push(sound)
    everything = Pipeline(fields, bundle.reference, OrtSession(bundle)).push(sound)
    assert len(found) == len(everything) == 3
    for one, other in zip(found, everything, strict=True):
        assert list(one.scores) == names
        assert one.scores == pytest.approx({name: other.scores[name] for name in names}, rel=1e-5)
        assert np.isfinite(list(other.scores.values())).all()


def test_controls_alone_need_no_graph() -> None:
    """With baselines alone no graph is loaded, and the provider says so."""
    assert OrtSession(load_bundle(demo_bundle()), ()).provider == "none"
