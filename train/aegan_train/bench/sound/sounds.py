"""Building blocks of synthesised sound. All signals are float64 `[n_samples]` at RATE_HZ."""

from collections.abc import Iterable, Sequence

import numpy as np
from scipy.signal import fftconvolve

from aegan_monitor.types import DoubleArray

RATE_HZ = 16_000
KNOTS_HZ = (0.0, 125.0, 250.0, 500.0, 1000.0, 2000.0, 4000.0, 8000.0)  # octaves, between which a spectrum in dB is linear


def seconds(n_samples: int) -> DoubleArray:
    """The time of each sample in seconds."""
    times: DoubleArray = np.arange(n_samples) / RATE_HZ
    return times


def measure_rms(x: DoubleArray) -> float:
    """Root mean square."""
    return float(np.sqrt(np.mean(np.square(x))))


def scale_to(x: DoubleArray, rms: float, level_db: float = 0.0) -> DoubleArray:
    """`x` with a root mean square of `rms`, raised by `level_db`."""
    return x * (rms / max(measure_rms(x), np.finfo(float).tiny)) * 10 ** (level_db / 20)


def make_noise(rng: np.random.Generator, n_samples: int, knots_db: Sequence[float] | DoubleArray) -> DoubleArray:
    """Stationary noise of RMS 1 with the spectrum `knots_db` at KNOTS_HZ."""
    hz = np.fft.rfftfreq(n_samples, 1 / RATE_HZ)
    shape = 10 ** (np.interp(hz, KNOTS_HZ, np.asarray(knots_db)) / 20)
    return scale_to(np.fft.irfft(np.fft.rfft(rng.normal(size=n_samples)) * shape, n_samples), 1.0)


def make_band_noise(rng: np.random.Generator, n_samples: int, low_hz: float, high_hz: float) -> DoubleArray:
    """Noise of RMS 1 between two frequencies."""
    hz = np.fft.rfftfreq(n_samples, 1 / RATE_HZ)
    inside = (hz >= low_hz) & (hz <= high_hz)
    return scale_to(np.fft.irfft(np.where(inside, np.fft.rfft(rng.normal(size=n_samples)), 0), n_samples), 1.0)


def draw_curve(rng: np.random.Generator, n_samples: int, every_s: float) -> DoubleArray:
    """A slow random curve, about normal with variance 1, with a new value each `every_s` seconds."""
    n_knots = int(n_samples / RATE_HZ / every_s) + 3
    curve: DoubleArray = np.interp(seconds(n_samples) / every_s, np.arange(n_knots), rng.normal(size=n_knots))
    return curve


def make_harmonics(turns: DoubleArray, orders: Iterable[float], amplitudes: DoubleArray, phases: DoubleArray) -> DoubleArray:
    """Sines of `orders` times the rotation; `turns` is the angle at each sample in turns.

    Orders above 90 % of half the rate are left out.
    """
    fastest_hz = float(np.max(np.diff(turns))) * RATE_HZ
    found = np.zeros(len(turns))
    for order, amplitude, phase in zip(orders, amplitudes, phases, strict=True):
        if order * fastest_hz < 0.45 * RATE_HZ:
            found += amplitude * np.sin(2 * np.pi * order * turns + phase)
    return found


def make_ring(hz: float, decay_s: float, length_s: float) -> DoubleArray:
    """A decaying sine that begins with amplitude 1."""
    times_s = seconds(round(length_s * RATE_HZ))
    ring: DoubleArray = np.exp(-times_s / decay_s) * np.sin(2 * np.pi * hz * times_s)
    return ring


def place_events(
    n_samples: int, times_s: Sequence[float] | DoubleArray, amplitudes: Sequence[float] | DoubleArray, kernel: DoubleArray
) -> DoubleArray:
    """`kernel` at each of the times, cut off at the end; times outside are left out."""
    train = np.zeros(n_samples)
    places = np.round(np.asarray(times_s) * RATE_HZ).astype(int)
    inside = (places >= 0) & (places < n_samples)
    np.add.at(train, places[inside], np.asarray(amplitudes)[inside])
    found: DoubleArray = fftconvolve(train, kernel)[:n_samples]
    return found


def draw_times(rng: np.random.Generator, n_samples: int, every_s: float, jitter: float) -> DoubleArray:
    """Times of events with a period of `every_s`, whose relative jitter adds up, as that of slipping rollers."""
    n = int(n_samples / RATE_HZ / every_s) + 2
    return np.cumsum(every_s * (1 + jitter * rng.normal(size=n))) - every_s * rng.uniform()
