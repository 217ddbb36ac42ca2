"""The views of a clip: each is what its name says, and together they see what a mean over time does not."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aegan_monitor.detection.baselines import make_baseline_filterbank
from aegan_monitor.detection.features import FeatureParameters, LogMel, make_filterbank
from aegan_monitor.detection.segments import ClipParameters
from aegan_monitor.detection.views import VIEWS, WINDOW_FRAMES, BandSummary, cut_windows, summarise
from aegan_monitor.types import DoubleArray, FloatArray
from aegan_train.calibration.spaces import fit_spaces
from fakes import make_db

RATE_HZ = 16_000
FEATURES = FeatureParameters()


def look(samples: FloatArray) -> BandSummary:
    """The summary of the bands of a sound."""
    return summarise(LogMel(FEATURES, make_filterbank(FEATURES), make_baseline_filterbank(FEATURES)).transform_clip(samples).baseline_db)


@given(seed=st.integers(0, 2**32 - 1), n_frames=st.integers(128, 400))
def test_each_view_is_what_plain_numpy_gives(seed: int, n_frames: int) -> None:
    """Mean, spread, peak and change of each band, and windows of groups of bands without their median."""
    (db,) = make_db(1, seed, n_frames)
    exact = db.astype(np.float64)
    linear, mel = exact[:128], exact[128:]
    flux = [np.log(np.mean([abs(a - b) for a, b in zip(band[1:], band[:-1], strict=True)]) + 0.05) for band in linear]
    loudness = np.array([10 * np.log10(np.mean(10 ** (linear[16 * i : 16 * (i + 1)] / 10), axis=0) + 1e-10) for i in range(8)])
    loudness = np.array([group - np.median(group) for group in loudness])
    expected = {
        "linear": [linear.mean(1)],
        "mel": [mel.mean(1)],
        "linear_spread": [[*linear.mean(1), *linear.std(1)]],
        "mel_spread": [[*mel.mean(1), *mel.std(1)]],
        "linear_peak": [[*linear.mean(1), *linear.max(1)]],
        "flux": [flux],
        "moments": [loudness[:, start : start + 64].ravel() for start in range(0, n_frames - 63, 4)],
        "pieces": [[linear[4 * i : 4 * i + 4, t : t + 2].mean() for i in range(32)] for t in range(0, n_frames - 1, 2)],
    }
    summary = summarise(db)
    assert list(VIEWS) == list(expected)
    for name, view in VIEWS.items():
        np.testing.assert_allclose(view(summary), np.array(expected[name]), rtol=1e-5, atol=1e-4, err_msg=name)


def test_the_shortest_clip_has_windows() -> None:
    """A clip of one segment is longer than a window of `moments`."""
    n_frames = ClipParameters().segment_frames
    assert cut_windows(summarise(make_db(1, 0, n_frames)[0])).shape == ((n_frames - WINDOW_FRAMES) // 4 + 1, 8 * WINDOW_FRAMES)


def test_a_click_moves_peak_and_moments_but_not_the_mean() -> None:
    """One click of 20 ms in 10 s lies far outside of normal sound by peak and moments, and inside of it by the mean."""
    rng = np.random.default_rng(0)
    noises = [(0.01 * rng.standard_normal(10 * RATE_HZ)).astype(np.float32) for _ in range(28)]
    clicked = [noise.copy() for noise in noises[20:]]
    for sound in clicked:
        sound[80_000:80_320] *= 10 ** (18 / 20)
    spaces = fit_spaces([look(noise) for noise in noises[:20]], None)

    def measure(name: str, view: str, sounds: list[FloatArray]) -> DoubleArray:
        return np.array([spaces[name].measure(VIEWS[view](look(sound))) for sound in sounds])

    for name, view in (("C_linear_peak_density", "linear_peak"), ("C_linear_peak_maha", "linear_peak"), ("C_moments", "moments")):
        assert measure(name, view, clicked).min() > measure(name, view, noises[20:]).max(), name
    assert measure("C_linear_maha", "linear", clicked).min() < measure("C_linear_maha", "linear", noises[20:]).max()


@pytest.mark.parametrize("seed", range(3))
def test_the_order_of_events_moves_moments_alone(seed: int) -> None:
    """The same events in another order differ in `moments` and in no other view that has an order."""
    quiet, event = np.zeros(16), np.array([0, 0, 0, 0, 8, 20, 14, 9, 5, 2, 0, 0, 0, 0, 0, 0])
    levels = np.linspace(-70, -30, 256)[:, None]
    rhythm = [event, quiet, quiet] * 6
    shuffled = [rhythm[place] for place in np.random.default_rng(seed).permutation(len(rhythm))]
    one, other = (summarise((levels + np.concatenate(beats)).astype(np.float32)) for beats in (rhythm, shuffled))
    for name, view in VIEWS.items():
        if name == "pieces":  # a share of them has no order
            continue
        difference = np.abs(view(one) - view(other)).max()
        assert difference > 10 if name == "moments" else difference < 1e-3, name
