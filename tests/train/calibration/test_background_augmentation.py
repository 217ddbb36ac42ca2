"""Background augmentation: noise with a smooth random spectrum, at a level relative to the recording."""

import numpy as np

from aegan_monitor.demo.pump import Pump
from aegan_train.calibration.background_augmentation import CALIBRATED, FITTED, KNOT_DB, LEVEL_DB, TRIED, change_background

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


def test_one_seed_gives_one_background() -> None:
    """Equal seeds give equal backgrounds, and other seeds others."""
    one, same, other = (change_background(SOUND, np.random.default_rng(seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, same)
    assert not np.array_equal(one, other)
    assert one.dtype == np.float32


def test_silence_stays_silence() -> None:
    """Silence is not changed, because it has no level."""
    np.testing.assert_array_equal(change_background(np.zeros(1000, np.float32), np.random.default_rng(0)), np.zeros(1000))


def test_what_is_measured_hears_other_backgrounds_than_what_is_fitted() -> None:
    """Fit and calibration of one seed use different random streams."""
    added = [change_background(SOUND, np.random.default_rng([0, stream])) - SOUND for stream in (FITTED, CALIBRATED, TRIED)]
    for one, other in ((0, 1), (0, 2), (1, 2)):
        assert abs(np.corrcoef(added[one], added[other])[0, 1]) < 0.05
