"""Pseudo-faults change normal sound as documented."""

import numpy as np
import pytest

from aegan_monitor.demo.pump import Pump
from aegan_train.calibration.pseudo_faults import PSEUDO_FAULTS, add_pseudo_fault, rms, take_band

RATE_HZ = 16_000
SOUND = Pump(5).read(5 * RATE_HZ)


@pytest.mark.parametrize("name", sorted(PSEUDO_FAULTS))
def test_a_pseudo_fault_changes_the_sound_and_hardly_its_level(name: str) -> None:
    """A pseudo-fault keeps length and type, changes the level by under 6 dB, and is reproducible."""
    for seed in range(5):
        found = add_pseudo_fault(SOUND, name, RATE_HZ, np.random.default_rng(seed))
        assert found.shape == SOUND.shape
        assert found.dtype == np.float32
        assert rms(found - SOUND) > 0.01 * rms(SOUND)
        assert 0.5 < rms(found) / rms(SOUND) < 2
        np.testing.assert_array_equal(found, add_pseudo_fault(SOUND, name, RATE_HZ, np.random.default_rng(seed)))


def test_a_tone_is_as_loud_as_it_says() -> None:
    """Each harmonic of the tone is 14 to 28 dB below the recording; there are up to four."""
    levels_db = [
        20 * np.log10(rms(add_pseudo_fault(SOUND, "tone", RATE_HZ, np.random.default_rng(seed)) - SOUND) / rms(SOUND)) for seed in range(30)
    ]
    assert -28.5 < min(levels_db) < max(levels_db) < -14 + 10 * np.log10(4) + 0.5


def test_a_band_holds_what_lies_in_it() -> None:
    """A band filter keeps a tone inside and removes one outside."""
    times_s = np.arange(RATE_HZ) / RATE_HZ
    inside, outside = np.sin(2 * np.pi * 500 * times_s), np.sin(2 * np.pi * 3000 * times_s)
    np.testing.assert_allclose(take_band(inside + outside, RATE_HZ, 400, 600), inside, atol=1e-9)


@pytest.mark.parametrize("name", sorted(PSEUDO_FAULTS))
def test_silence_does_no_harm(name: str) -> None:
    """Silence gives no NaN."""
    assert np.isfinite(add_pseudo_fault(np.zeros(RATE_HZ, np.float32), name, RATE_HZ, np.random.default_rng(0))).all()
