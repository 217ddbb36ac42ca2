"""Background augmentation: noise with a smooth random spectrum, at a level relative to the recording."""

from collections.abc import Callable

import numpy as np
import pytest

from aegan_monitor.demo.pump import Pump
from aegan_monitor.types import FloatArray
from aegan_train.calibration.background_augmentation import (
    AMBIENT_DB,
    CALIBRATED,
    FITTED,
    KNOT_DB,
    LEVEL_DB,
    TRIED,
    add_ambient_noise,
    change_background,
)

SOUND = Pump(5).read(160_000)


def mean_log_spectrum(samples: np.ndarray) -> float:
    """Mean of the spectrum in dB over frequency, from averaged periodograms."""
    windows = samples[: len(samples) // 2048 * 2048].reshape(-1, 2048) * np.hanning(2048)
    return float((10 * np.log10((np.abs(np.fft.rfft(windows)) ** 2).mean(0))).mean())


def test_the_recording_stays_and_noise_joins_it() -> None:
    """The added noise is uncorrelated with the recording and has the documented level."""
    levels = []
    for seed in range(40):
        added = change_background(SOUND, np.random.default_rng(seed)) - SOUND
        assert abs(np.corrcoef(added, SOUND)[0, 1]) < 0.02
        levels.append(mean_log_spectrum(added) - mean_log_spectrum(SOUND))
    spread = 2.5 * KNOT_DB / np.sqrt(3)  # of the mean over few knots
    assert LEVEL_DB[0] - spread < min(levels) < max(levels) < LEVEL_DB[1] + spread
    assert abs(np.mean(levels) - np.mean(LEVEL_DB)) < 4
    assert np.std(levels) > 4


def test_ambient_noise_has_the_documented_power() -> None:
    """Its power relative to the recording is the documented one, whatever the spectra of both are, and the recording stays."""
    dull = np.convolve(SOUND, np.full(16, 1 / 16, np.float32), "same").astype(np.float32)
    for seed in range(10):
        for sound in (SOUND, dull, dull[:-1]):
            added = (add_ambient_noise(sound, np.random.default_rng(seed)) - sound).astype(np.float64)
            assert abs(10 * np.log10(np.mean(added**2) / np.mean(sound.astype(np.float64) ** 2)) - AMBIENT_DB) < 0.01
            assert abs(np.corrcoef(added, sound)[0, 1]) < 0.1  # both lie in few low bins, so chance is larger than above


def test_ambient_noise_falls_with_frequency() -> None:
    """On average over the places the spectrum falls by 3 dB an octave."""
    spectra = [np.abs(np.fft.rfft(add_ambient_noise(SOUND, np.random.default_rng(seed)) - SOUND)) ** 2 for seed in range(40)]
    hz = np.fft.rfftfreq(len(SOUND), 1 / 16_000)
    levels_db = [
        np.mean([10 * np.log10(each[(hz >= low) & (hz < 2 * low)].mean()) for each in spectra]) for low in (125, 250, 500, 1000, 2000)
    ]
    assert np.all(np.abs(np.diff(levels_db) + 3) < 1)


@pytest.mark.parametrize("make", [change_background, add_ambient_noise])
def test_one_seed_gives_one_background(make: Callable[..., FloatArray]) -> None:
    """Equal seeds give equal backgrounds, and other seeds others."""
    one, same, other = (make(SOUND, np.random.default_rng(seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, same)
    assert not np.array_equal(one, other)
    assert one.dtype == np.float32


@pytest.mark.parametrize("make", [change_background, add_ambient_noise])
def test_silence_stays_silence(make: Callable[..., FloatArray]) -> None:
    """Silence is not changed, because it has no level."""
    np.testing.assert_array_equal(make(np.zeros(1000, np.float32), np.random.default_rng(0)), np.zeros(1000))


def test_what_is_measured_hears_other_backgrounds_than_what_is_fitted() -> None:
    """Fit and calibration of one seed use different random streams."""
    added = [change_background(SOUND, np.random.default_rng([0, stream])) - SOUND for stream in (FITTED, CALIBRATED, TRIED)]
    for one, other in ((0, 1), (0, 2), (1, 2)):
        assert abs(np.corrcoef(added[one], added[other])[0, 1]) < 0.05
