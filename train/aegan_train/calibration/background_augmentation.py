"""Background augmentation: adds synthetic stationary noise to a recording, as another place or season would."""

import numpy as np

from aegan_monitor.types import FloatArray

LEVEL_DB = (-15.0, 5.0)  # level of the background's spectrum, relative to the geometric mean of the recording's spectrum
KNOT_DB = 8.0  # standard deviation of the background's spectrum at its knots
FITTED, CALIBRATED, TRIED = 1, 2, 3  # random streams: a score is measured on other backgrounds than it was fitted on
N_KNOTS = (3, 7)  # least and most knots; between knots the spectrum in dB is linear
PERIODOGRAM_BIAS_DB = 10 / np.log(10) * np.euler_gamma  # the mean of a periodogram in dB lies this far below the true spectrum


def change_background(samples: FloatArray, rng: np.random.Generator) -> FloatArray:
    """The recording, float32 `[n_samples]`, with stationary noise of a random smooth spectrum added.

    Source: the mean logarithm of an exponential variable is -gamma (Euler). All other constants are our own choice and were not tuned.
    """
    n = len(samples)
    power = np.abs(np.fft.rfft(samples)) ** 2
    audible = power[power > 0]
    if not len(audible):
        return samples
    mean_db = 10 * np.log10(audible).mean() + PERIODOGRAM_BIAS_DB
    n_knots = int(rng.integers(N_KNOTS[0], N_KNOTS[1] + 1))
    shape_db = np.interp(np.linspace(0, 1, len(power)), np.linspace(0, 1, n_knots), rng.normal(0, KNOT_DB, n_knots))
    spectrum = 10 ** ((mean_db + rng.uniform(*LEVEL_DB) + shape_db) / 10)
    bins = np.sqrt(spectrum / 2) * (rng.normal(size=len(power)) + 1j * rng.normal(size=len(power)))
    return (samples + np.fft.irfft(bins, n)).astype(np.float32)
