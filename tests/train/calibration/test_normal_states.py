"""Level and bands of normal sound in the bundle."""

import numpy as np
import pytest

from aegan_monitor.decision.sound_bands import N_BANDS
from aegan_train.calibration.normal_states import find_normal_sound
from aegan_train.recordings.seconds import measure_seconds

RATE_HZ = 16_000


def test_a_state_holds_the_range_of_the_seconds_without_silence() -> None:
    """Half of the sound at -20 dB, a DC offset and one drop-out are found; digital silence is left out, and cut seconds."""
    sound = 0.2 * np.random.default_rng(0).normal(size=20 * RATE_HZ + 100).astype(np.float32) / np.sqrt(2)
    sound[10 * RATE_HZ :] /= 10
    sound = np.concatenate([sound[: 5 * RATE_HZ], np.zeros(3 * RATE_HZ), sound[5 * RATE_HZ :]]).astype(np.float32)
    sound[RATE_HZ : RATE_HZ + 160] = 0
    sound[: 5 * RATE_HZ] += np.float32(0.001)
    (state,) = find_normal_sound([measure_seconds(sound, RATE_HZ), measure_seconds(sound[:4000], RATE_HZ)])
    assert state.level_dbfs[0] == pytest.approx(-34, abs=0.2)
    assert state.level_dbfs[2] == pytest.approx(-14, abs=0.2)
    assert len(state.bands_dbfs) == N_BANDS
    assert state.drop_outs == pytest.approx(1 / 20)
    assert abs(state.dc) < 0.001


def test_without_a_second_of_sound_there_is_no_state() -> None:
    """Nothing is known of no sound."""
    assert find_normal_sound([]) == find_normal_sound([measure_seconds(np.zeros(50_000, np.float32), RATE_HZ)]) == []
