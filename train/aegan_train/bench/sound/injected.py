"""Faults that are added to a clean clip of any machine, for the rows in place.

They are made apart from `calibration/pseudo_faults.py`: a detector that is set up with those must not be measured with the same sounds.
"""

from collections.abc import Callable

import numpy as np
from scipy.signal import resample

from aegan_monitor.types import DoubleArray
from aegan_train.bench.sound.sounds import RATE_HZ, draw_times, make_band_noise, make_ring, measure_rms, place_events, scale_to, seconds

Injected = Callable[[DoubleArray, float, np.random.Generator], DoubleArray]
LEVEL_DB = (-16.0, -6.0)  # of the added sound, relative to the machine


def draw_hz(rng: np.random.Generator, low_hz: float, high_hz: float) -> float:
    """A frequency, uniform in its logarithm."""
    return float(np.exp(rng.uniform(np.log(low_hz), np.log(high_hz))))


def tone(x: DoubleArray, level_db: float, rng: np.random.Generator) -> DoubleArray:
    """One steady tone between 400 Hz and 6 kHz."""
    return x + scale_to(np.sin(2 * np.pi * draw_hz(rng, 400, 6000) * seconds(len(x))), measure_rms(x), level_db)


def band_noise(x: DoubleArray, level_db: float, rng: np.random.Generator) -> DoubleArray:
    """Noise of about two thirds of an octave between 500 Hz and 6 kHz."""
    centre_hz = draw_hz(rng, 600, 4800)
    return x + scale_to(make_band_noise(rng, len(x), centre_hz / 1.26, centre_hz * 1.26), measure_rms(x), level_db)


def impacts(x: DoubleArray, level_db: float, rng: np.random.Generator) -> DoubleArray:
    """Impacts of a bearing, 60 to 140 a second, that ring between 2 and 5 kHz."""
    times_s = draw_times(rng, len(x), 1 / rng.uniform(60, 140), 0.01)
    rings = place_events(len(x), times_s, rng.lognormal(0, 0.2, len(times_s)), make_ring(draw_hz(rng, 2000, 5000), 0.0015, 0.015))
    return x + scale_to(rings, measure_rms(x), level_db)


def knocking(x: DoubleArray, level_db: float, rng: np.random.Generator) -> DoubleArray:
    """Knocks, 1 to 4 a second, that ring between 300 Hz and 2 kHz."""
    times_s = draw_times(rng, len(x), 1 / rng.uniform(1, 4), 0.05)
    knocks = place_events(len(x), times_s, rng.lognormal(0, 0.3, len(times_s)), make_ring(draw_hz(rng, 300, 2000), 0.015, 0.12))
    return x + scale_to(knocks, measure_rms(x), level_db)


def pitch(x: DoubleArray, level_db: float, _: np.random.Generator) -> DoubleArray:
    """The machine 2 to 6 % faster; the level selects how much. A slower one would lack its highest frequencies."""
    share = (level_db - LEVEL_DB[0]) / (LEVEL_DB[1] - LEVEL_DB[0])
    factor = 1.02 + 0.04 * share
    moved: DoubleArray = resample(x, round(len(x) / factor))
    return np.resize(moved, len(x))  # a faster clip begins anew at its end


def modulation(x: DoubleArray, level_db: float, rng: np.random.Generator) -> DoubleArray:
    """A band of an octave that swells and fades 2 to 20 times a second; the level selects how much."""
    centre_hz, hz = draw_hz(rng, 300, 5000), np.fft.rfftfreq(len(x), 1 / RATE_HZ)
    band = np.fft.irfft(np.where((hz > centre_hz / 1.41) & (hz < centre_hz * 1.41), np.fft.rfft(x), 0), len(x))
    share = (level_db - LEVEL_DB[0]) / (LEVEL_DB[1] - LEVEL_DB[0])
    swing: DoubleArray = (0.5 + 0.5 * share) * np.sin(2 * np.pi * rng.uniform(2, 20) * seconds(len(x)))
    return x + band * swing


INJECTED: dict[str, Injected] = {
    "tone": tone,
    "band_noise": band_noise,
    "impacts": impacts,
    "knocking": knocking,
    "pitch": pitch,
    "modulation": modulation,
}
