"""Coarse bands of sound."""

import numpy as np
import pytest

from aegan_monitor.decision.sound.sound_bands import N_BANDS, band_edges_hz, measure_bands

RATE_HZ = 16_000


def test_a_tone_is_in_its_band_at_its_level() -> None:
    """A full-scale sine of 1 kHz has 0 dBFS, all of it in the band around 1 kHz; DC does not count."""
    tone = np.sin(2 * np.pi * 1000 * np.arange(RATE_HZ) / RATE_HZ).astype(np.float32)
    found = measure_bands(0.5 * tone + np.float32(0.3), RATE_HZ)
    place = int(np.searchsorted(band_edges_hz(RATE_HZ), 1000)) - 1
    assert found.level_dbfs == pytest.approx(-6.02, abs=0.01)
    assert found.bands_dbfs[place] == pytest.approx(-6.02, abs=0.05)
    assert np.delete(found.bands_dbfs, place).max() < -60


def test_white_noise_fills_the_bands_by_their_width() -> None:
    """The power of white noise in a band goes with its width; together the bands have the level."""
    noise = np.random.default_rng(1).normal(0, 0.1, 8 * RATE_HZ).astype(np.float32)
    found = measure_bands(noise, RATE_HZ)
    widths = np.diff(band_edges_hz(RATE_HZ))
    assert len(found.bands_dbfs) == N_BANDS
    assert found.bands_dbfs - found.level_dbfs == pytest.approx(10 * np.log10(widths / widths.sum()), abs=0.5)
    assert 10 * np.log10(np.sum(10 ** (found.bands_dbfs / 10))) == pytest.approx(found.level_dbfs, abs=0.1)


def test_silence_has_the_least_level() -> None:
    """Digital silence is finite."""
    assert np.isfinite(measure_bands(np.zeros(4096, np.float32), RATE_HZ).bands_dbfs).all()
