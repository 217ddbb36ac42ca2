"""Cross-fitting: no clip is scored by a reference set that holds its recording."""

import math

import numpy as np
import pytest

from aegan_monitor.detection.scores import SPACE_SCORES
from aegan_train.calibration.cross_fit import N_FOLDS, align, cross_fit, scale_joint
from aegan_train.calibration.statistics import ClipStatistics
from fakes import make_bands

EMPTY = np.zeros((1, 1), np.float32)
NAMES = ["D_maha", "D_near", *SPACE_SCORES]
N_RECORDINGS = 20
N_EMBEDDING = 8


def make_copies(n_recordings: int = N_RECORDINGS) -> ClipStatistics:
    """Two clips of each recording, one the exact copy of the other."""
    embeddings = np.repeat(np.random.default_rng(0).normal(size=(n_recordings, N_EMBEDDING)), 2, axis=0)
    bands = [each for bands in make_bands(n_recordings, 1) for each in (bands, bands)]
    return ClipStatistics(embeddings, bands, embeddings[:0], np.zeros((0, 2, 128)))


def test_no_clip_is_compared_with_its_own_recording() -> None:
    """With copies in one recording no distance is small; with the same copies in two recordings many distances are."""
    clips = make_copies()
    apart = list(cross_fit(clips, np.repeat(np.arange(N_RECORDINGS), 2), NAMES, EMPTY, None).values())
    leaking = list(cross_fit(clips, np.arange(2 * N_RECORDINGS), NAMES, EMPTY, None).values())
    assert len(apart) == len(leaking) == 2 * N_RECORDINGS
    for name in ("D_near", "C_flux"):
        values, leaks = ([clip[name] for clip in found] for found in (apart, leaking))
        assert min(values) > 0.5 * np.median(values), name
        assert min(leaks) < 0.6 * min(values), name


@pytest.mark.parametrize("n_recordings", [2, 3, N_FOLDS, N_FOLDS + 1])
def test_every_clip_is_scored_once(n_recordings: int) -> None:
    """Few recordings and more recordings than folds: each clip gets all scores, all finite."""
    found = cross_fit(make_copies(n_recordings), np.repeat(np.arange(n_recordings), 2), NAMES, EMPTY, 128)
    assert len(found) == 2 * n_recordings
    assert all(list(clip) == NAMES and np.isfinite(list(clip.values())).all() for clip in found.values())


def test_where_nothing_can_be_left_out_nothing_is_scored() -> None:
    """One recording alone gives no scores; beside a long recording and a clip only the clip is scored."""
    clips = make_copies(4)
    assert cross_fit(clips, np.zeros(8, np.intp), NAMES, EMPTY, None) == {}
    (only,) = cross_fit(clips, np.array([0] * 7 + [1]), NAMES, EMPTY, None).values()
    assert list(only) == NAMES


def exponentials(**logs: list[float]) -> list[dict[str, float]]:
    """Clips with these logarithms of scores."""
    return [dict(zip(logs, map(math.exp, values), strict=True)) for values in zip(*logs.values(), strict=True)]


def test_the_terms_are_medians_and_spreads_of_logarithms() -> None:
    """The centre of a score with a network is that of held-out clips where they lie higher, that of all clips where they do not."""
    crossed = exponentials(C_flux=[1.0, 2.0, 3.0], D_near=[1.0, 2.0, 3.0])
    held_out = exponentials(C_flux=[5.0, 5.5, 90.0], D_near=[5.0, 5.5, 90.0])
    found = scale_joint(["C_flux", "D_near"], crossed, held_out)
    assert (found["C_flux"].centre, found["C_flux"].scale) == pytest.approx((4, 1.4826 * 1.75))
    assert (found["D_near"].centre, found["D_near"].scale) == pytest.approx((5.5, 1.4826 * 1.75))
    assert scale_joint(["D_near"], held_out, crossed)["D_near"].centre == pytest.approx(4)


def test_cross_fitted_scores_of_the_network_are_moved_to_the_held_out_ones() -> None:
    """They stay as far apart; a score without a network is not moved."""
    crossed = exponentials(C_flux=[1.0, 3.0], D_near=[1.0, 3.0])
    held_out = exponentials(C_flux=[5.0, 5.5], D_near=[5.0, 5.5])
    aligned = align(crossed, held_out)
    assert [math.log(clip["D_near"]) for clip in aligned] == pytest.approx([4.25, 6.25])  # around the held-out 5.25
    assert [clip["C_flux"] for clip in aligned] == [clip["C_flux"] for clip in crossed]
    assert align([], held_out) == []


def test_the_correlations_are_those_of_the_logarithms_and_smaller() -> None:
    """Members that follow each other have a correlation of 0.8, opposite ones of -0.8; one strange clip hardly changes that of others."""
    rng = np.random.default_rng(0)
    one, other = rng.normal(size=(2, 400)).tolist()
    clips = exponentials(C_flux=one, C_mel_maha=one, C_moments=[-value for value in one], C_linear_maha=other)
    names = list(clips[0])
    found = scale_joint(names, clips, [])
    assert list(found["C_flux"].correlations) == []
    assert found["C_mel_maha"].correlations == {"C_flux": pytest.approx(0.8)}
    assert found["C_moments"].correlations == {"C_flux": pytest.approx(-0.8), "C_mel_maha": pytest.approx(-0.8)}
    plain = 0.8 * np.corrcoef(one, other)[0, 1]
    assert found["C_linear_maha"].correlations["C_flux"] == pytest.approx(plain, abs=0.02)
    strange = exponentials(**{name: [300.0] for name in names})
    assert scale_joint(names, clips, strange)["C_linear_maha"].correlations["C_flux"] == pytest.approx(plain, abs=0.06)


def test_the_terms_of_one_recording_come_from_the_held_out_clips() -> None:
    """Without cross-fitted clips, and with equal held-out ones, the terms are finite and without correlation."""
    found = scale_joint(["C_flux", "D_near"], [], [{"C_flux": 1.0, "D_near": 1.0}] * 2)
    assert {(term.centre, term.scale) for term in found.values()} == {(0.0, 1e-12)}
    assert found["D_near"].correlations == {"C_flux": 0}
