"""Sounds of four faults, for any machine. All are float64 `[n_samples]` at RATE_HZ."""

import numpy as np

from aegan_monitor.types import DoubleArray
from aegan_train.bench.sound.sounds import RATE_HZ, make_band_noise, make_ring, place_events, seconds
from simulation.draw import Draw


def tone(draw: Draw, n_samples: int) -> DoubleArray:
    """A tone of 3.2 kHz whose phase swings slowly."""
    hz, swing_hz = draw.near(3200, 2), draw.near(0.7, 1.5)
    times_s = seconds(n_samples)
    found: DoubleArray = np.sin(2 * np.pi * hz * times_s + 2 * np.sin(2 * np.pi * swing_hz * times_s))
    return found


def band_noise(draw: Draw, n_samples: int) -> DoubleArray:
    """Noise of 3 to 5 kHz."""
    low_hz = draw.near(3000, 1.6)
    return make_band_noise(draw.rng, n_samples, low_hz, low_hz * draw.near(5 / 3, 1.2))


def bearing(draw: Draw, n_samples: int) -> DoubleArray:
    """87 impacts a second of about equal height that ring at 4.2 kHz for 2 ms."""
    times_s = np.arange(0, n_samples / RATE_HZ, 1 / draw.near(87, 1.5))
    ring = make_ring(draw.near(4200, 1.4), draw.near(0.002, 1.4), 0.03)
    return place_events(n_samples, times_s, draw.rng.normal(1, 0.2, len(times_s)), ring)


def knocking(draw: Draw, n_samples: int) -> DoubleArray:
    """Two knocks a second: 0.1 s of noise that decays within 15 ms."""
    times_s = np.arange(0, n_samples / RATE_HZ, 1 / draw.near(2, 1.6))
    n_knock = RATE_HZ // 10
    fade = np.exp(-seconds(n_knock) / draw.near(0.015, 1.5))
    found = np.zeros(n_samples + n_knock)
    for start, height in zip(np.round(times_s * RATE_HZ).astype(int), draw.rng.normal(1, 0.2, len(times_s)), strict=True):
        found[start : start + n_knock] += height * draw.rng.normal(size=n_knock) * fade
    return found[:n_samples]
