"""The lasting share: small for what is over at once, large for what lasts, and equal to a plain calculation."""

import numpy as np
import pytest

from aegan_monitor.detection.baselines import make_baseline_filterbank
from aegan_monitor.detection.features import FeatureParameters, LogMel, make_filterbank
from aegan_monitor.detection.spaces import Space
from aegan_monitor.detection.views import BandSummary, cut_pieces, summarise
from aegan_monitor.types import DoubleArray, FloatArray
from aegan_train.calibration.cross_fit import N_FOLDS, divide
from aegan_train.calibration.lasting import MAX_CLIPS_WHOLE, fit_lasting
from fakes import make_bands, make_db
from plain_lasting import measure_plainly, share_plainly

RATE_HZ = 16_000
FEATURES = FeatureParameters()
LOGMEL = LogMel(FEATURES, make_filterbank(FEATURES), make_baseline_filterbank(FEATURES))
SECONDS = np.arange(10 * RATE_HZ) / RATE_HZ


def make_noise(seed: int) -> DoubleArray:
    """10 s of a steady hiss."""
    return 0.01 * np.random.default_rng(seed).standard_normal(len(SECONDS))


def look(samples: DoubleArray) -> FloatArray:
    """The bands of a sound in dB."""
    return LOGMEL.transform_clip(samples.astype(np.float32)).baseline_db


@pytest.fixture(scope="module")
def space() -> Space:
    """The space of twelve recordings of noise."""
    return fit_lasting([summarise(look(make_noise(seed))) for seed in range(12)], np.arange(12))


@pytest.mark.parametrize("level", [1, 3, 10])
@pytest.mark.parametrize("at_s", [0.5, 4.0, 9.0])
def test_a_bang_has_a_small_share(space: Space, level: float, at_s: float) -> None:
    """A bang of 0.2 s in 10 s, at the level of the sound and far over it, has a share under a tenth, wherever it is."""
    sound, start = make_noise(100), round(at_s * RATE_HZ)
    bang = np.random.default_rng(1).standard_normal(3200) * np.hanning(3200)
    sound[start : start + 3200] += 0.03 * level * bang
    assert 0 < space.lasting_share(cut_pieces(look(sound))) < 0.1


@pytest.mark.parametrize("amplitude", [0.01, 0.1])
def test_a_lasting_tone_has_a_large_share(space: Space, amplitude: float) -> None:
    """A tone through the whole clip has a share over nine tenths, a loud one as a fainter one."""
    sound = make_noise(100) + amplitude * np.sin(2 * np.pi * 1500 * SECONDS)
    assert space.lasting_share(cut_pieces(look(sound))) > 0.9


def test_the_share_is_the_part_of_the_clip_that_sounds_otherwise(space: Space) -> None:
    """Noise that is louder for 3 of 10 s has a share of 0.3; a clip with nothing unlike normal sound has none."""
    sound = make_noise(100)
    sound[2 * RATE_HZ : 5 * RATE_HZ] *= 10
    assert space.lasting_share(cut_pieces(look(sound))) == pytest.approx(0.3, abs=0.02)
    assert space.lasting_share(np.repeat(space.centre[None], 150, axis=0)) == 0.0


@pytest.mark.parametrize("seed", range(5))
def test_the_share_is_that_of_plain_numpy(seed: int) -> None:
    """Median distance of left-out recordings as the unit, and the share of a clip that is partly another one, agree with the oracle."""
    db = make_db(10, seed)
    groups = np.repeat(np.arange(5), 2)
    folds = divide(groups)
    crossed = [measure_plainly([db[i] for i in range(10) if folds[i] != folds[place]], db[place]) for place in range(10)]
    unit = float(np.median(np.concatenate(crossed)))
    space = fit_lasting([summarise(each) for each in db], groups)
    assert space.density == pytest.approx([unit], rel=1e-3)
    clip = db[0].copy()
    clip[:, :20] += 30
    assert space.lasting_share(cut_pieces(clip)) == pytest.approx(share_plainly(db, unit, clip), abs=1e-3)


def test_the_unit_is_measured_on_left_out_recordings() -> None:
    """Recordings that differ lie farther out than their own pieces would; with one recording alone the unit is theirs."""
    bands = make_bands(12, 3)
    crossed, inside = (fit_lasting(bands, groups).density[0] for groups in (np.arange(12), np.zeros(12, np.intp)))
    assert crossed > 1.2 * inside


@pytest.mark.parametrize("n_clips", [2, 3, N_FOLDS + 1])
def test_few_and_constant_clips_are_enough(n_clips: int) -> None:
    """Few clips, and clips in which nothing moves, give finite arrays and shares."""
    still = [summarise(np.full((256, 128), -50, np.float32)) for _ in range(n_clips)]
    for bands in (make_bands(n_clips, 0), still):
        found = fit_lasting(bands, np.arange(n_clips))
        assert all(np.isfinite(each).all() for each in (found.centre, found.transform, found.density))
        assert found.density[0] > 0
        assert 0 <= found.lasting_share(make_bands(1, 9)[0].pieces) <= 1


def test_many_clips_give_every_nth_piece() -> None:
    """With more than MAX_CLIPS_WHOLE clips the space is that of every second piece, and so its fit is bounded."""
    (one,) = make_bands(1, 0)
    half: BandSummary = make_bands(1, 0)[0]
    many, groups = [one] * (MAX_CLIPS_WHOLE + 1), np.arange(MAX_CLIPS_WHOLE + 1)
    np.testing.assert_allclose(fit_lasting(many, groups).centre, half.pieces[::2].mean(axis=0), rtol=1e-4)
