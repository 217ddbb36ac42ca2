"""Cross-fitting: no clip is scored by a reference set that holds its recording."""

import math

import numpy as np
import pytest

from aegan_monitor.detection.scores import SPACE_VIEWS
from aegan_train.calibration.cross_fit import N_FOLDS, align, cross_fit, scale_tail
from aegan_train.calibration.statistics import ClipStatistics
from fakes import make_bands

EMPTY = np.zeros((1, 1), np.float32)
NAMES = ["D_maha", "D_near", *SPACE_VIEWS]
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
    apart = cross_fit(clips, np.repeat(np.arange(N_RECORDINGS), 2), NAMES, EMPTY, None)
    leaking = cross_fit(clips, np.arange(2 * N_RECORDINGS), NAMES, EMPTY, None)
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
    assert all(list(clip) == NAMES and np.isfinite(list(clip.values())).all() for clip in found)


def test_where_nothing_can_be_left_out_nothing_is_scored() -> None:
    """One recording alone gives no scores; beside a long recording and a clip only the clip is scored."""
    clips = make_copies(4)
    assert cross_fit(clips, np.zeros(8, np.intp), NAMES, EMPTY, None) == []
    (only,) = cross_fit(clips, np.array([0] * 7 + [1]), NAMES, EMPTY, None)
    assert list(only) == NAMES


def test_the_terms_are_means_and_spreads_of_logarithms() -> None:
    """A score without a network takes cross-fitted and held-out clips together, one with a network its centre from the held-out ones."""
    crossed = [{"C_flux": math.exp(value), "D_near": math.exp(value)} for value in (1.0, 3.0)]
    held_out = [{"C_flux": math.exp(value), "D_near": math.exp(value)} for value in (5.0, 5.5)]
    aligned = align(crossed, held_out)
    assert [math.log(clip["D_near"]) for clip in aligned] == pytest.approx([4.25, 6.25])  # as far apart, around the held-out 5.25
    assert [clip["C_flux"] for clip in aligned] == [clip["C_flux"] for clip in crossed]
    assert align([], held_out) == []
    found = scale_tail(["C_flux", "D_near"], aligned, held_out)
    assert (found["C_flux"].centre, found["C_flux"].scale) == pytest.approx((np.mean([1, 3, 5, 5.5]), np.std([1, 3, 5, 5.5])))
    assert (found["D_near"].centre, found["D_near"].scale) == pytest.approx((5.25, 1.0))


def test_the_terms_of_one_recording_come_from_the_held_out_clips() -> None:
    """Without cross-fitted clips, and with equal held-out ones, the terms are finite."""
    found = scale_tail(["C_flux", "D_near"], [], [{"C_flux": 1.0, "D_near": 1.0}] * 2)
    assert {(term.centre, term.scale) for term in found.values()} == {(0.0, 1e-12)}
