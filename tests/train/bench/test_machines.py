"""The faults of synthesised machines, and those that are injected, are what their names say."""

import numpy as np
import pytest
from scipy.signal import butter, find_peaks, sosfiltfilt

from aegan_monitor.types import DoubleArray
from aegan_train.bench.sound.injected import INJECTED
from aegan_train.bench.sound.machines import LATE, MACHINES, WEAK_DB
from aegan_train.bench.sound.sounds import RATE_HZ, make_noise, measure_rms

N_SAMPLES, N_SHORT = 10 * RATE_HZ, 4 * RATE_HZ
COMPRESSOR_CLIP = 5  # one that is mostly under load
# What each fault adds, in dB relative to the healthy machine, when the rows were made (2026-11-30). A fault of the press that moves beats
# draws later noise anew, so its whole sound differs.
ADDED_DB = {
    "pump": {"imbalance": -9.03, "bearing": -19.42, "cavitation": -11.38, "leak": -15.64},
    "rotor": {"looseness": -9.18, "rub": -13.26, "gear": -21.38},
    "motor": {"bearing": -13.40, "eccentricity": -11.05, "whine": -25.16},
    "press": {"missing": 1.20, "weak": -12.62, "double": 1.39, "late": -6.31, "click": -17.45, "ring": -12.01},
    "compressor": {"valve": -16.59, "knock": -10.43, "squeal": -22.30},
}


def make_clip(machine: str, fault: str, clip: int = 0) -> DoubleArray:
    """Ten seconds of a machine; the same clip without the fault has the same draws."""
    own, day, now = (np.random.default_rng([7, *key]) for key in ((0,), (1,), (2, clip)))
    return MACHINES[machine][0](own, day, now, N_SAMPLES, fault)


@pytest.mark.parametrize("machine", MACHINES)
def test_each_fault_adds_what_it_did_when_the_rows_were_made(machine: str) -> None:
    """A figure of today compares with one of last year."""
    clip = COMPRESSOR_CLIP if machine == "compressor" else 0
    healthy = make_clip(machine, "", clip)
    for fault in MACHINES[machine][1]:
        added = make_clip(machine, fault, clip) - healthy
        assert 20 * np.log10(measure_rms(added) / measure_rms(healthy)) == pytest.approx(ADDED_DB[machine][fault], abs=0.02), fault


def find_beats(sound: DoubleArray) -> tuple[DoubleArray, DoubleArray]:
    """Times in s of the thumps of a press, and their levels in dB."""
    low = sosfiltfilt(butter(2, [70, 250], "bandpass", fs=RATE_HZ, output="sos"), sound)
    envelope = sosfiltfilt(butter(2, 12, fs=RATE_HZ, output="sos"), np.abs(low))
    places, found = find_peaks(envelope, height=0.1 * envelope.max(), distance=RATE_HZ // 10, prominence=0.08 * envelope.max())
    return places / RATE_HZ, 20 * np.log10(found["peak_heights"])


@pytest.mark.parametrize("clip", range(3))
def test_rhythm_faults_are_what_they_say(clip: int) -> None:
    """Missing: a gap of whole periods. Late: an interval longer by a fifth. Weak: a lower beat. Double: one more, soon after."""
    healthy = make_clip("press", "", clip)
    times_s, levels_db = find_beats(healthy)
    period_s = float(np.median(np.diff(times_s)))
    n_beats = len(times_s)
    assert n_beats in (8, 9)
    assert np.abs(np.diff(times_s) / period_s - 1).max() < 0.06
    assert np.ptp(levels_db) < 6

    missing_s, _ = find_beats(make_clip("press", "missing", clip))
    assert len(missing_s) < n_beats
    n_periods = np.diff(missing_s).max() / period_s
    assert round(n_periods) >= 2
    assert n_periods == pytest.approx(round(n_periods), abs=0.06)
    late_s, _ = find_beats(make_clip("press", "late", clip))
    assert np.diff(late_s).max() / period_s == pytest.approx(1 + LATE, abs=0.06)
    _, weak_db = find_beats(make_clip("press", "weak", clip))
    assert weak_db.min() - np.median(levels_db) == pytest.approx(WEAK_DB, abs=3)
    double_s, _ = find_beats(make_clip("press", "double", clip))
    assert len(double_s) > n_beats
    assert 0.18 < np.diff(double_s).min() / period_s < 0.37


@pytest.mark.parametrize(("fault", "low_hz", "high_hz"), [("click", 3000, 6000), ("ring", 2000, 3600)])
def test_a_new_click_and_a_longer_ring_add_to_their_band(fault: str, low_hz: float, high_hz: float) -> None:
    """And leave the thumps as they are."""
    healthy, faulty = make_clip("press", ""), make_clip("press", fault)
    power, hz = np.abs(np.fft.rfft(faulty - healthy)) ** 2, np.fft.rfftfreq(N_SAMPLES, 1 / RATE_HZ)
    assert power[(hz > low_hz) & (hz < high_hz)].sum() > 0.8 * power.sum()
    assert -30 < 20 * np.log10(measure_rms(faulty - healthy) / measure_rms(healthy)) < 0
    assert find_beats(faulty)[0] == pytest.approx(find_beats(healthy)[0], abs=0.01)


@pytest.mark.parametrize("fault", ["tone", "band_noise", "impacts", "knocking"])
@pytest.mark.parametrize("level_db", [-16.0, -6.0])
def test_an_added_fault_has_the_level_that_was_asked(fault: str, level_db: float) -> None:
    """Relative to the machine, within 0.5 dB."""
    machine = 0.05 * make_noise(np.random.default_rng(1), N_SHORT, np.zeros(8))
    added = INJECTED[fault](machine, level_db, np.random.default_rng(2)) - machine
    assert 20 * np.log10(measure_rms(added) / measure_rms(machine)) == pytest.approx(level_db, abs=0.5)


@pytest.mark.parametrize(("fault", "least_hz", "most_hz"), [("tone", 400, 6000), ("band_noise", 470, 6050), ("impacts", 1000, 7000)])
def test_an_added_fault_lies_in_its_band(fault: str, least_hz: float, most_hz: float) -> None:
    """At least nine tenths of its power, with any draw."""
    for seed in range(5):
        added = INJECTED[fault](np.ones(N_SHORT), -10.0, np.random.default_rng(seed)) - 1
        power, hz = np.abs(np.fft.rfft(added)) ** 2, np.fft.rfftfreq(N_SHORT, 1 / RATE_HZ)
        assert power[(hz >= least_hz) & (hz <= most_hz)].sum() > 0.9 * power.sum()


@pytest.mark.parametrize(("level_db", "factor"), [(-16.0, 1.02), (-6.0, 1.06)])
def test_pitch_moves_every_frequency(level_db: float, factor: float) -> None:
    """Up, by what the level selects."""
    tone = np.sin(2 * np.pi * 1000 * np.arange(N_SHORT) / RATE_HZ)
    moved = INJECTED["pitch"](tone, level_db, np.random.default_rng(0))
    loudest_hz = np.argmax(np.abs(np.fft.rfft(moved))) * RATE_HZ / N_SHORT
    assert loudest_hz == pytest.approx(1000 * factor, rel=0.001)


def test_modulation_swells_one_band_and_leaves_the_rest() -> None:
    """It changes the sound only between its edges, and the less the lower its level."""
    machine = make_noise(np.random.default_rng(1), N_SHORT, np.zeros(8))
    weak, strong = (INJECTED["modulation"](machine, level_db, np.random.default_rng(2)) - machine for level_db in (-16.0, -6.0))
    assert strong == pytest.approx(2 * weak, abs=1e-9)
    power = np.abs(np.fft.rfft(strong)) ** 2
    touched = np.flatnonzero(power > 1e-3 * power.max())
    assert touched[-1] / touched[0] < 2.3
