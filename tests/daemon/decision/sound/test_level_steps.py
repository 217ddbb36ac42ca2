"""Steps of the level: what is one, and how the machine is heard after it."""

import re
from itertools import pairwise

import numpy as np
import pytest

from aegan_monitor.decision.sound.integrity import ACCEPT_S, Integrity
from aegan_monitor.decision.sound.sound_bands import BandMeter
from aegan_monitor.detection.record import NormalState
from aegan_monitor.types import FloatArray, Run
from synthetic import RATE_HZ, hear_faults, learn_state, make_low_noise

CLIP_SAMPLES = 10 * RATE_HZ


def test_a_level_step_is_reported_once_and_then_taken_as_normal(state: NormalState, sound: FloatArray) -> None:
    """After a minute the sound is trusted at its new level; when the old level returns, that is normal at once."""
    samples = sound[: 180 * RATE_HZ].copy()
    samples[20 * RATE_HZ : 150 * RATE_HZ] *= np.float32(2)
    integrity = Integrity(RATE_HZ, CLIP_SAMPLES, [state])
    (begun_s, found), (ended_s, end) = hear_faults(integrity, samples[: 150 * RATE_HZ])
    assert (found, end) == ("level_changed", "ok")
    assert (begun_s, ended_s) == (28, 20 + ACCEPT_S + 2)  # the median of five seconds follows after two
    assert integrity.accepted_db == pytest.approx(6, abs=1.5)
    assert integrity.trusts(150 * RATE_HZ)
    assert hear_faults(integrity, samples[150 * RATE_HZ :], 150) == []
    assert integrity.accepted_db == 0
    assert not integrity.trusts(155 * RATE_HZ)
    assert integrity.trusts(165 * RATE_HZ)


def test_after_a_level_step_the_sound_has_the_level_of_the_calibration(state: NormalState, sound: FloatArray) -> None:
    """What the machine is judged by is unchanged before a step, and has its level again once the step counts as normal."""
    samples = sound[: 130 * RATE_HZ].copy()
    samples[20 * RATE_HZ :] *= np.float32(0.5)
    integrity = Integrity(RATE_HZ, CLIP_SAMPLES, [state])
    plain = integrity.hear(Run(samples, 0)).samples
    measured = [(end_sample, bands.as_array()) for end_sample, bands in BandMeter(RATE_HZ).push(plain)]
    assert [end_sample for end_sample, _ in integrity.seconds] == [end_sample for end_sample, _ in measured]
    np.testing.assert_allclose([bands.as_array() for _, bands in integrity.seconds], [each for _, each in measured], atol=1e-5)
    accepted_at = (20 + ACCEPT_S + 2) * RATE_HZ
    np.testing.assert_array_equal(plain[:accepted_at], samples[:accepted_at])
    np.testing.assert_allclose(plain[accepted_at:], samples[accepted_at:] * 10 ** (-integrity.accepted_db / 20), rtol=1e-5)
    assert 20 * np.log10(plain[accepted_at:].std() / sound[accepted_at : 130 * RATE_HZ].std()) == pytest.approx(0, abs=1.5)


def make_restless_sound(seed: int, seconds: int) -> FloatArray:
    """A machine at a steady level whose spectrum varies by itself: four bands swell and fade within seconds, by 4 dB."""
    rng, n_samples = np.random.default_rng(seed), seconds * RATE_HZ
    hz, spectrum = np.fft.rfftfreq(n_samples, 1 / RATE_HZ), np.fft.rfft(make_low_noise(seed, n_samples, RATE_HZ, 600))
    times_s, knots_s = np.arange(n_samples) / RATE_HZ, np.arange(0, seconds + 6, 3)
    found = np.zeros(n_samples)
    for low_hz, high_hz in pairwise((0, 800, 1800, 3500, RATE_HZ / 2)):
        part = np.fft.irfft(np.where((hz >= low_hz) & (hz < high_hz), spectrum, 0), n_samples)
        found += part * 10 ** (4 * np.tanh(np.interp(times_s, knots_s, rng.normal(size=len(knots_s)))) / 20)
    return (0.03 * found).astype(np.float32)


RESTLESS = make_restless_sound(3, 150)
RESTLESS_STATE = learn_state(make_restless_sound(1, 150))


@pytest.mark.parametrize("gain_db", [-10, -6, 6, 10])
def test_a_level_step_is_found_in_a_spectrum_that_varies(gain_db: float) -> None:
    """How far the spectrum varies by itself is known from the seconds before the step."""
    samples = RESTLESS[: 65 * RATE_HZ].copy()
    samples[50 * RATE_HZ + 4321 :] *= np.float32(10 ** (gain_db / 20))
    ((begun_s, found),) = hear_faults(Integrity(RATE_HZ, CLIP_SAMPLES, [RESTLESS_STATE]), samples)
    assert found == "level_changed"
    assert 50 < begun_s <= 61


def test_another_spectrum_is_no_level_step_even_where_it_varies() -> None:
    """The normal sound of a machine with a restless spectrum is no fault, and neither is a loud sound beside it."""
    assert hear_faults(Integrity(RATE_HZ, CLIP_SAMPLES, [RESTLESS_STATE]), RESTLESS) == []
    samples = RESTLESS[: 80 * RATE_HZ].copy()
    samples[50 * RATE_HZ :] += 0.1 * make_low_noise(9, 30 * RATE_HZ, RATE_HZ, 60).astype(np.float32)
    assert hear_faults(Integrity(RATE_HZ, CLIP_SAMPLES, [RESTLESS_STATE]), samples) == []


def test_a_level_that_returned_in_a_gap_counts_again(state: NormalState, sound: FloatArray) -> None:
    """A gain that is taken back while nothing is heard leaves neither a fault nor a changed level."""
    integrity = Integrity(RATE_HZ, CLIP_SAMPLES, [state])
    hear_faults(integrity, sound[: 20 * RATE_HZ])
    hear_faults(integrity, sound[20 * RATE_HZ : 100 * RATE_HZ] * np.float32(4), 20)
    assert integrity.accepted_db == pytest.approx(12, abs=1.5)
    integrity.hear(Run(sound[100 * RATE_HZ : 110 * RATE_HZ], 200 * RATE_HZ, after_gap=True))
    assert (integrity.accepted_db, integrity.fault) == (0, None)


def test_a_low_level_is_named_as_it_is_heard(state: NormalState, sound: FloatArray) -> None:
    """After a gain that counts as normal, the level in the words is that of the samples, the difference that from the new normal."""
    integrity = Integrity(RATE_HZ, CLIP_SAMPLES, [state])
    hear_faults(integrity, sound[: 20 * RATE_HZ])
    hear_faults(integrity, sound[20 * RATE_HZ : 100 * RATE_HZ] * np.float32(4), 20)
    quiet = sound[100 * RATE_HZ : 115 * RATE_HZ] * np.float32(0.2)
    ((_, found),) = hear_faults(integrity, quiet, 100)
    assert found == "level_low"
    assert integrity.fault is not None
    heard, below = map(int, re.findall(r"-?\d+", integrity.fault.detail)[:2])
    assert heard == pytest.approx(20 * np.log10(np.sqrt(2) * quiet.std()), abs=2)
    assert below == pytest.approx(state.level_dbfs[0] + integrity.accepted_db - heard, abs=1)
