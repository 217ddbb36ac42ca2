"""Pseudo-faults: synthetic changes of normal sound that test a monitor when no real fault was recorded.

No score is chosen by pseudo-faults, because real faults rank the scores differently (`docs/quality.md`).
"""

from collections.abc import Callable

import numpy as np

from aegan_monitor.types import DoubleArray, FloatArray

PseudoFault = Callable[[DoubleArray, float, np.random.Generator], DoubleArray]


def add_tone(x: DoubleArray, rate_hz: float, rng: np.random.Generator) -> DoubleArray:
    """A steady tone of up to four harmonics, 14 to 28 dB under the recording."""
    times_s = np.arange(len(x)) / rate_hz
    first_hz = draw_hz(rng, 100, 2500)
    harmonics_hz = first_hz * np.arange(1, rng.integers(2, 6))
    tone = sum(np.sqrt(2) * np.sin(2 * np.pi * hz * times_s + rng.uniform(0, 2 * np.pi)) for hz in harmonics_hz if hz < 0.47 * rate_hz)
    found: DoubleArray = x + rms(x) * 10 ** (rng.uniform(-28, -14) / 20) * tone
    return found


def add_band_noise(x: DoubleArray, rate_hz: float, rng: np.random.Generator) -> DoubleArray:
    """Noise in a band of 0.1 to 0.8 times its centre frequency, about as loud as the recording in that band."""
    centre_hz, width = draw_hz(rng, 200, 6000), rng.uniform(0.05, 0.4)
    band = take_band(x, rate_hz, centre_hz * (1 - width), centre_hz * (1 + width))
    noise = take_band(rng.normal(size=len(x)), rate_hz, centre_hz * (1 - width), centre_hz * (1 + width))
    return x + noise * (rms(band) / max(rms(noise), np.finfo(float).tiny)) * 10 ** (rng.uniform(-3, 4) / 20)


def add_impacts(x: DoubleArray, rate_hz: float, rng: np.random.Generator) -> DoubleArray:
    """Decaying knocks, 2 to 25 a second, with peaks of one to three times the RMS of the recording."""
    times_s = np.arange(round(0.05 * rate_hz)) / rate_hz
    knock = np.exp(-times_s * rng.uniform(80, 400)) * np.sin(2 * np.pi * draw_hz(rng, 800, 6000) * times_s)
    every_s = 1 / rng.uniform(2, 25)
    at = np.cumsum(np.abs(rng.normal(every_s, 0.05 * every_s, size=int(len(x) / rate_hz / every_s) + 1)))
    train = np.zeros(len(x))
    places = (at * rate_hz).astype(int)
    train[places[places < len(x)]] = rms(x) * rng.uniform(1, 3)
    n = 1 << (len(x) + len(knock)).bit_length()
    return x + np.fft.irfft(np.fft.rfft(train, n) * np.fft.rfft(knock, n), n)[: len(x)]


def shift_pitch(x: DoubleArray, _: float, rng: np.random.Generator) -> DoubleArray:
    """The recording played 2 to 8 % faster or slower."""
    factor = 1 + rng.choice([-1, 1]) * rng.uniform(0.02, 0.08)
    found: DoubleArray = np.interp(np.arange(len(x)) * factor % (len(x) - 1), np.arange(len(x)), x)
    return found


def modulate_band(x: DoubleArray, rate_hz: float, rng: np.random.Generator) -> DoubleArray:
    """Amplitude modulation of one band, 3 to 40 times a second."""
    centre_hz = draw_hz(rng, 300, 5000)
    band = take_band(x, rate_hz, 0.6 * centre_hz, 1.6 * centre_hz)
    swing = rng.uniform(0.4, 0.9) * np.sin(2 * np.pi * rng.uniform(3, 40) * np.arange(len(x)) / rate_hz)
    found: DoubleArray = x + band * swing
    return found


PSEUDO_FAULTS: dict[str, tuple[PseudoFault, str]] = {
    "tone": (add_tone, "a steady tone, 14 to 28 dB under the machine"),
    "band_noise": (add_band_noise, "noise in a narrow band, as loud as the machine is there"),
    "impacts": (add_impacts, "knocking, 2 to 25 times a second"),
    "pitch": (shift_pitch, "2 to 8 % faster or slower"),
    "modulation": (modulate_band, "a band that swells and fades, 3 to 40 times a second"),
}  # function and description of each


def add_pseudo_fault(samples: FloatArray, name: str, rate_hz: float, rng: np.random.Generator) -> FloatArray:
    """The recording, float32 `[n_samples]`, with the pseudo-fault `name` (a key of PSEUDO_FAULTS)."""
    make, _ = PSEUDO_FAULTS[name]
    return make(samples.astype(np.float64), rate_hz, rng).astype(np.float32)


def draw_hz(rng: np.random.Generator, low_hz: float, high_hz: float) -> float:
    """A random frequency, uniform in its logarithm."""
    return float(np.exp(rng.uniform(np.log(low_hz), np.log(high_hz))))


def rms(x: DoubleArray | FloatArray) -> float:
    """Root mean square."""
    return float(np.sqrt(np.mean(np.square(x))))


def take_band(x: DoubleArray, rate_hz: float, low_hz: float, high_hz: float) -> DoubleArray:
    """The part of a signal between two frequencies, by FFT bins."""
    spectrum, hz = np.fft.rfft(x), np.fft.rfftfreq(len(x), 1 / rate_hz)
    found: DoubleArray = np.fft.irfft(np.where((hz >= low_hz) & (hz <= high_hz), spectrum, 0), len(x))
    return found
