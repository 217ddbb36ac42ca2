"""Spaces of few, many, short and constant clips."""

import time
from collections.abc import Callable, Sequence
from dataclasses import fields, replace

import numpy as np
import pytest

from aegan_monitor.detection.scores import SPACE_VIEWS
from aegan_monitor.detection.spaces import Space
from aegan_monitor.detection.views import VIEWS, BandSummary, summarise
from aegan_train.calibration.spaces import MAX_WINDOWS, N_COMPONENTS, fit_spaces
from fakes import make_bands, make_db

MANY = 20_000
LONGEST_FIT_S = 60.0  # of a core, for MANY clips: it takes about 5


def measure(spaces: dict[str, Space], bands: BandSummary) -> dict[str, float]:
    """The distance of a clip from each space."""
    return {name: space.measure(VIEWS[SPACE_VIEWS[name]](bands)) for name, space in spaces.items()}


def assert_usable(spaces: dict[str, Space], clips: Sequence[BandSummary]) -> None:
    """All arrays are finite, and so is the distance of each clip."""
    assert list(spaces) == list(SPACE_VIEWS)
    for name, space in spaces.items():
        for part in fields(Space):
            array = getattr(space, part.name)
            assert array.dtype == np.float32, (name, part.name)
            assert np.isfinite(array).all(), (name, part.name)
        assert (space.density > 0).all(), name
    for clip in clips:
        assert np.isfinite(list(measure(spaces, clip).values())).all()


@pytest.mark.parametrize("n_frames", [128, 157, 304])
@pytest.mark.parametrize("n_clips", [2, 6])
def test_few_and_short_clips_are_enough(n_clips: int, n_frames: int) -> None:
    """Two and six clips of one segment, of 5 s and of 9.73 s give spaces in which another clip is farther than they are."""
    bands = make_bands(n_clips, 0, n_frames)
    spaces = fit_spaces(bands, 128)
    assert_usable(spaces, [*bands, *make_bands(2, 1, n_frames)])
    far = summarise(make_db(1, 0, n_frames)[0] * 2)
    for name, value in measure(spaces, far).items():
        assert value > max(measure(spaces, clip)[name] for clip in bands), name


def test_constant_bands_are_no_fault() -> None:
    """Bands without any change, in one clip and between clips, give numbers; a change there is seen, and its noise is not amplified."""
    clips = make_db(8, 0)
    for db in clips:
        db[100:128], db[228:] = -100, -100
    spaces = fit_spaces([summarise(db) for db in clips], None)
    assert_usable(spaces, [summarise(db) for db in clips])
    plain = measure(spaces, summarise(clips[0]))
    noisy, moved = clips[0].copy(), clips[0].copy()
    noisy[100:128] += np.random.default_rng(0).normal(0, 0.001, (28, 128)).astype(np.float32)
    moved[100:128] += 30
    found = measure(spaces, summarise(noisy))
    assert found["C_linear_maha"] == pytest.approx(plain["C_linear_maha"], rel=0.05)
    assert measure(spaces, summarise(moved))["C_linear_maha"] > 10 * plain["C_linear_maha"]


def test_equal_clips_are_no_fault() -> None:
    """Copies of one clip, which no other data set than a broken one has, give numbers."""
    assert_usable(fit_spaces(make_bands(1, 0) * 8, None), make_bands(2, 0))


def test_many_clips_keep_few_rows_and_take_bounded_time(figure: Callable[[str], None]) -> None:
    """A day of sound with another 12 hours gives 128 rows, and at most MAX_WINDOWS windows."""
    some, rng = make_bands(100, 0), np.random.default_rng(1)
    levels = 5 * rng.standard_normal((MANY, 2, 128))
    bands = [
        replace(each, mean=each.mean + level, peak=each.peak + level) for each, level in zip(some * (MANY // 100), levels, strict=True)
    ]
    began_s = time.process_time()
    spaces = fit_spaces(bands, 128)
    took_s = time.process_time() - began_s
    figure(f"{MANY} clips in {took_s:.1f} s")
    assert took_s < LONGEST_FIT_S
    rows = {name: len(space.rows) for name, space in spaces.items()}
    assert rows == {
        **{name: 1 for name in SPACE_VIEWS if name.endswith("_maha")},
        **dict.fromkeys(("C_linear_spread_density", "C_mel_spread_density", "C_linear_peak_density", "C_flux"), 128),
        "C_moments": MAX_WINDOWS,
    }
    assert spaces["C_moments"].rows.shape[1] == N_COMPONENTS
    assert_usable(spaces, bands[:3])
