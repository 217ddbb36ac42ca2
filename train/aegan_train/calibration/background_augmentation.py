"""Background augmentation: adds synthetic stationary noise to a recording, as another place or season would."""

import numpy as np

from aegan_monitor.types import DoubleArray, FloatArray

LEVEL_DB = (-15.0, 5.0)  # level of the background's spectrum, relative to the geometric mean of the recording's spectrum
KNOT_DB = 8.0  # standard deviation of the background's spectrum at its knots
AMBIENT_DB = -5.0  # power of the ambient noise of another place, relative to the recording
AMBIENT_KNOT_DB = 4.0  # as KNOT_DB, around a spectrum that falls by 3 dB an octave
LOWEST_OCTAVE = 1 / 256  # of the band: 31 Hz at 16 kHz; below it the ambient noise is flat
FITTED, CALIBRATED, TRIED = 1, 2, 3  # random streams: a score is measured on other backgrounds than it was fitted on
N_KNOTS = (3, 7)  # least and most knots; between knots the spectrum in dB is linear
PERIODOGRAM_BIAS_DB = 10 / np.log(10) * np.euler_gamma  # the mean of a periodogram in dB lies this far below the true spectrum


def change_background(samples: FloatArray, rng: np.random.Generator) -> FloatArray:
    """The recording, float32 `[n_samples]`, with stationary noise of a random smooth spectrum added: any direction of change.

    Source: the mean logarithm of an exponential variable is -gamma (Euler). All other constants are our own choice and were not tuned.
    """
    power = np.abs(np.fft.rfft(samples)) ** 2
    audible = power[power > 0]
    if not len(audible):
        return samples
    mean_db = 10 * np.log10(audible).mean() + PERIODOGRAM_BIAS_DB
    shape_db = draw_shape(len(power), KNOT_DB, rng)
    noise = draw_noise(mean_db + rng.uniform(*LEVEL_DB) + shape_db, len(samples), rng)
    return (samples + noise).astype(np.float32)


def add_ambient_noise(samples: FloatArray, rng: np.random.Generator) -> FloatArray:
    """The recording, float32 `[n_samples]`, with ambient noise of AMBIENT_DB: as loud as that of another place is expected to be.

    Its power falls with frequency, as that of halls and streets does. A flat spectrum of the same power would be far over the quiet high
    bands of most machines, and so less usual than any place. Silence stays silence.
    """
    n_bins = len(samples) // 2 + 1
    fall_db = -10 * np.log10(np.maximum(np.arange(n_bins), n_bins * LOWEST_OCTAVE))
    noise = draw_noise(fall_db + draw_shape(n_bins, AMBIENT_KNOT_DB, rng), len(samples), rng)
    wanted = float(np.mean(np.square(samples, dtype=np.float64))) * 10 ** (AMBIENT_DB / 10)
    found: FloatArray = (samples + noise * np.sqrt(wanted / np.mean(np.square(noise)))).astype(np.float32)
    return found


def draw_shape(n_bins: int, knot_db: float, rng: np.random.Generator) -> DoubleArray:
    """A random smooth spectrum in dB, `[n_bins]`."""
    n_knots = int(rng.integers(N_KNOTS[0], N_KNOTS[1] + 1))
    return np.interp(np.linspace(0, 1, n_bins), np.linspace(0, 1, n_knots), rng.normal(0, knot_db, n_knots))


def draw_noise(spectrum_db: DoubleArray, n_samples: int, rng: np.random.Generator) -> DoubleArray:
    """Stationary noise, float64 `[n_samples]`, with this power spectrum in dB `[n_samples // 2 + 1]`."""
    n_bins = len(spectrum_db)
    bins = np.sqrt(10 ** (spectrum_db / 10) / 2) * (rng.normal(size=n_bins) + 1j * rng.normal(size=n_bins))
    found: DoubleArray = np.fft.irfft(bins, n_samples)
    return found
