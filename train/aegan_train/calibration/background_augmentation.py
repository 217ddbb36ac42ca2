"""Normal sound in front of another background: what a new hall, season or neighbour does to a recording, made from the recording alone."""

import numpy as np

from aegan_monitor.types import FloatArray

LEVEL_DB = (-15.0, 5.0)  # of the background's spectrum, against the geometric mean of the recording's
KNOT_DB = 8.0  # standard deviation of the background's spectrum at its knots
FITTED, CALIBRATED, TRIED = 1, 2, 3  # streams of random numbers: what is fitted on some backgrounds is measured on others
N_KNOTS = (3, 7)  # least and most; between them the spectrum is straight in dB
PERIODOGRAM_BIAS_DB = 10 / np.log(10) * np.euler_gamma  # the mean logarithm of a periodogram lies this much under the spectrum's


def change_background(samples: FloatArray, rng: np.random.Generator) -> FloatArray:
    """The recording, float32 `[n_samples]`, with stationary noise of a random smooth spectrum added.

    Source: the mean log of an exponential variable is -gamma (Euler); the rest is our own choice, and was not tuned.
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
