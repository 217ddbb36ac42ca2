"""How far the present sound is from normal sound, live."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from aegan_monitor.web.live.residual import PIECE_FRAMES, STEP_PIECES, Residual, make_linear_filterbank
from page import the_bundle

STEP = PIECE_FRAMES * STEP_PIECES


def make_normal(n_frames: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    """Frames that are one normal clip of the bundle throughout."""
    return np.repeat(the_bundle().reference.baseline_clips[0, 0][:, None], n_frames, axis=1).astype(np.float32)


@given(sizes=st.lists(st.integers(0, 3 * STEP), max_size=12))
def test_any_split_gives_as_many_pieces(sizes: list[int]) -> None:
    """Pieces come in whole steps, however the frames come."""
    residual = Residual(the_bundle())
    found = [residual.push(make_normal(size)).shape[1] for size in sizes]
    assert sum(found) == sum(sizes) // STEP * STEP_PIECES


def test_normal_sound_is_near_0_and_a_tone_stands_out() -> None:
    """A band that is 20 dB louder shows so, in its pieces alone."""
    residual, usual_db = Residual(the_bundle()), float(the_bundle().reference.baseline_std[0].max())
    quiet = residual.push(make_normal(10 * STEP))
    assert np.abs(quiet).max() < 5 * usual_db
    loud = make_normal(STEP)
    loud[60, PIECE_FRAMES : 2 * PIECE_FRAMES] += 20.0
    found = residual.push(loud) - quiet[:, :STEP_PIECES]
    assert abs(found[60, 1] - 20.0) < 3.0
    assert np.abs(np.delete(found, 60, axis=0)).max() < 5 * usual_db


def test_what_is_not_wanted_still_counts() -> None:
    """Pieces for which nobody had time are part of the next clip."""
    with_all, without = Residual(the_bundle()), Residual(the_bundle())
    with_all.push(make_normal(STEP) + 6)
    assert without.push(make_normal(STEP) + 6, is_wanted=False).size == 0
    assert np.array_equal(with_all.push(make_normal(STEP)), without.push(make_normal(STEP)))


def test_the_filterbank_is_that_of_the_normal_clips() -> None:
    """128 bands of the bundle's spectrum."""
    assert make_linear_filterbank(the_bundle()).shape == (128, the_bundle().record.features.n_fft // 2 + 1)
