"""The synthesised pump: reproducible, with a bearing fault that a spectrum shows and a level meter does not."""

import itertools
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aegan_monitor.demo.pump import FAULT_RAMP_S, SHAFT_HZ, Pump, defect_frequency_hz
from aegan_monitor.types import DoubleArray, FloatArray

RATE_HZ = 16_000
CLIP_S = 10
SECOND = RATE_HZ
CLIP = CLIP_S * RATE_HZ
N_CLIPS = 60  # of each kind; each is a day of its own, so that loads are independent
FIRST_FAULTY_SEED = 10_000
FAULTY_ALL_ALONG = -FAULT_RAMP_S
WHOLE = Pump(5, fault_from_s=1.0).read(3 * SECOND)
DEFECT_HZ = 9 / 2 * 24.5 * (1 - 0.28)  # 9 balls, ball to pitch diameter 0.28, no contact angle
LINE = 10.0  # what stands out of an envelope spectrum, in medians; chance alone gives 2 to 5


def find_power(samples: FloatArray, low_hz: float, high_hz: float) -> float:
    """Mean power between two frequencies, full scale 1, of a Hann-windowed clip."""
    spectrum = np.fft.rfft(samples.astype(np.float64) * np.hanning(len(samples)))
    hz = np.fft.rfftfreq(len(samples), 1 / RATE_HZ)
    within = (hz >= low_hz) & (hz < high_hz)
    return float(2 * np.sum(np.abs(spectrum[within]) ** 2) / len(samples) ** 2 / 0.375)  # 0.375: mean square of a Hann window


def find_band_share_db(samples: FloatArray) -> float:
    """How much of the sound lies where the bearing's housing rings, 2 to 6 kHz."""
    return float(10 * np.log10(find_power(samples, 2000, 6000) / find_power(samples, 0, 8000)))


def find_level_db(samples: FloatArray) -> float:
    """RMS level of a clip, dB under full scale."""
    return float(10 * np.log10(np.mean(samples.astype(np.float64) ** 2)))


@dataclass(frozen=True)
class Measured:
    """Figures of many clips of one kind: `levels_db` of 10 s each, `second_levels_db` of each second in them."""

    levels_db: DoubleArray
    second_levels_db: DoubleArray
    band_shares_db: DoubleArray
    peaks: DoubleArray


def measure(first_seed: int, fault_from_s: float | None) -> Measured:
    """Hear `N_CLIPS` pumps for 10 s each."""
    clips = [Pump(first_seed + number, RATE_HZ, fault_from_s).read(CLIP) for number in range(N_CLIPS)]
    return Measured(
        np.array([find_level_db(clip) for clip in clips]),
        np.array([find_level_db(second) for clip in clips for second in clip.reshape(CLIP_S, SECOND)]),
        np.array([find_band_share_db(clip) for clip in clips]),
        np.array([np.abs(clip).max() for clip in clips]),
    )


@pytest.fixture(scope="module")
def normal() -> Measured:
    """Pumps in good order."""
    return measure(0, None)


@pytest.fixture(scope="module")
def faulty() -> Measured:
    """The pump on other days, its bearing damaged from the start."""
    return measure(FIRST_FAULTY_SEED, FAULTY_ALL_ALONG)


def find_auc(normal: DoubleArray, faulty: DoubleArray) -> float:
    """The chance that a faulty figure exceeds a normal one, ties by half."""
    differences = faulty[:, None] - normal[None]
    return float(np.mean((differences > 0) + 0.5 * (differences == 0)))


def find_envelope_spectrum(samples: FloatArray) -> tuple[DoubleArray, DoubleArray]:
    """Frequencies from 30 to 300 Hz, and how the envelope of the 2.5 to 6 kHz band moves at each, in medians.

    Source: R. Randall, J. Antoni, Rolling element bearing diagnostics, MSSP 25 (2011), section 5.
    """
    n = len(samples)
    hz = np.fft.fftfreq(n, 1 / RATE_HZ)
    analytic = np.fft.ifft(np.where((hz > 2500) & (hz < 6000), np.fft.fft(samples.astype(np.float64)), 0))
    envelope = np.abs(analytic) * np.hanning(n)
    spectrum = np.abs(np.fft.fft(envelope - envelope.mean()))
    within = (hz > 30) & (hz < 300)
    lines: DoubleArray = spectrum[within] / np.median(spectrum[within])
    return hz[within].astype(np.float64), lines


def test_one_seed_is_one_sound() -> None:
    """To the last bit, as float32."""
    again = Pump(5, fault_from_s=1.0).read(3 * SECOND)
    assert again.dtype == np.float32
    np.testing.assert_array_equal(again, WHOLE)


def test_another_seed_is_another_sound() -> None:
    """Alike to the ear, and uncorrelated."""
    one, other = (Pump(seed).read(CLIP) for seed in (1, 2))
    assert abs(np.corrcoef(one, other)[0, 1]) < 0.5
    assert find_band_share_db(one) == pytest.approx(find_band_share_db(other), abs=1.0)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 9000), max_size=30))
def test_any_split_gives_the_same_samples(sizes: list[int]) -> None:
    """Reads of any size, none included, continue one stream across the fault's beginning."""
    pump = Pump(5, fault_from_s=1.0)
    starts = np.minimum(np.cumsum([0, *sizes]), len(WHOLE))
    for start, stop in itertools.pairwise(starts):
        part = pump.read(int(stop - start))
        np.testing.assert_array_equal(part, WHOLE[start:stop])


def test_until_the_fault_it_is_the_sound_of_a_pump_in_good_order() -> None:
    """The same samples, and other ones afterwards."""
    sound, damaged = Pump(3).read(8 * SECOND), Pump(3, fault_from_s=5.0).read(8 * SECOND)
    np.testing.assert_array_equal(sound[: 5 * SECOND], damaged[: 5 * SECOND])
    assert np.abs(sound[6 * SECOND :] - damaged[6 * SECOND :]).max() > 0.01


def test_the_fault_comes_in_within_a_second() -> None:
    """The band where the housing rings fills up, not at once, and then stays."""
    samples = Pump(4, fault_from_s=5.0).read(20 * SECOND)
    before = find_band_share_db(samples[: 5 * SECOND])
    at_once = find_band_share_db(samples[5 * SECOND : 5 * SECOND + SECOND // 4]) - before
    afterwards = [find_band_share_db(samples[start * SECOND : (start + 2) * SECOND]) - before for start in range(6, 20, 2)]
    assert at_once < 0.5 * min(afterwards)
    assert min(afterwards) > 1.5
    assert np.ptp(afterwards) < 1.0


def test_the_defect_frequency_follows_from_the_bearings_geometry() -> None:
    """n/2 f (1 - d/D): proportional to the speed, and no multiple of it (which a healthy shaft would show as well)."""
    assert defect_frequency_hz(SHAFT_HZ) == pytest.approx(DEFECT_HZ)
    assert defect_frequency_hz(2 * SHAFT_HZ) == pytest.approx(2 * DEFECT_HZ)
    order = defect_frequency_hz(1.0)
    assert abs(order - round(order)) > 0.1


@pytest.mark.parametrize("seed", range(6))
def test_the_impacts_come_at_the_defect_frequency(seed: int) -> None:
    """The envelope spectrum's highest line is there (the load bends the speed by 3 %), and a healthy pump has none."""
    pump = Pump(seed, RATE_HZ, fault_from_s=CLIP_S)
    hz, healthy = find_envelope_spectrum(pump.read(CLIP))
    pump.read(round(FAULT_RAMP_S * RATE_HZ))
    _, damaged = find_envelope_spectrum(pump.read(CLIP))
    near = np.abs(hz / DEFECT_HZ - 1) < 0.05

    assert healthy.max() < LINE
    assert damaged[near].max() > 2 * LINE
    assert hz[np.argmax(np.where(hz < 1.5 * DEFECT_HZ, damaged, 0))] == pytest.approx(DEFECT_HZ, rel=0.05)


@pytest.mark.parametrize("figure", ["levels_db", "second_levels_db"])
def test_a_level_threshold_misses_the_fault(normal: Measured, faulty: Measured, figure: str) -> None:
    """Loudness of 10 s, or of 1 s, ranks faulty among normal, and few clips cross what 1 % of normal ones cross."""
    quiet, loud = getattr(normal, figure), getattr(faulty, figure)
    assert 0.35 < find_auc(quiet, loud) < 0.65
    assert np.mean(loud > np.quantile(quiet, 0.99)) < 0.08  # by chance: 1 %, of so few clips now and then 5 %


def test_the_levels_spread_as_loads_do(normal: Measured, faulty: Measured) -> None:
    """A few dB in both kinds: a level without spread would be no control."""
    for measured in (normal, faulty):
        assert 0.5 < np.std(measured.levels_db) < 3
        assert np.mean(measured.levels_db) == pytest.approx(-24.4, abs=0.6)  # RMS 0.06


def test_a_spectrum_shows_the_fault(normal: Measured, faulty: Measured) -> None:
    """The share of 2 to 6 kHz tells all faulty clips from all normal ones, by 1 to 6 dB: audible, and no caricature."""
    gap_db = np.median(faulty.band_shares_db) - np.median(normal.band_shares_db)
    assert faulty.band_shares_db.min() > normal.band_shares_db.max() + 1
    assert 1 < gap_db < 6


def test_full_scale_is_never_reached(normal: Measured, faulty: Measured) -> None:
    """Nothing is clipped when it is written with 16 bits."""
    assert max(normal.peaks.max(), faulty.peaks.max()) < 0.8


@pytest.mark.parametrize("rate_hz", [16_000, 48_000])
def test_shaft_and_vanes_are_heard_where_they_turn(rate_hz: int) -> None:
    """The highest lines under and above 100 Hz are once and six times the speed of the shaft, at any rate."""
    samples = Pump(6, rate_hz).read(8 * rate_hz)
    assert find_level_db(samples) == pytest.approx(-24.4, abs=2.5)
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    shaft_hz = np.argmax(spectrum[: 100 * 8]) / 8  # of 8 s: bins are 1/8 Hz apart
    vane_pass_hz = 100 + np.argmax(spectrum[100 * 8 :]) / 8
    assert shaft_hz == pytest.approx(SHAFT_HZ, rel=0.03)
    assert vane_pass_hz == pytest.approx(6 * SHAFT_HZ, rel=0.03)


def test_a_fault_is_switched_on_and_off() -> None:
    """From the chunk after the call on the sound is that of a faulty pump, and of a normal one again; a second call changes nothing."""
    pump, normal = Pump(7), Pump(7)
    assert np.array_equal(pump.read(CLIP), normal.read(CLIP))
    pump.set_faulty(True)
    pump.set_faulty(True)
    faulty = Pump(7, fault_from_s=float(CLIP_S))
    faulty.read(CLIP)
    assert np.array_equal(pump.read(CLIP), faulty.read(CLIP))
    pump.set_faulty(False)
    pump.set_faulty(False)
    pump.read(SECOND)  # rings down
    last = [find_band_share_db(each.read(CLIP)) for each in (pump, faulty)]
    assert last[0] < last[1] - 1
