"""Input integrity: what is a fault of the microphone, and what is sound of the machine."""

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aegan_monitor.decision.sound.integrity import Integrity
from aegan_monitor.detection.record import NormalState
from aegan_monitor.types import FloatArray, Run
from synthetic import RATE_HZ, hear_faults, learn_state, make_low_noise, make_machine_sound

CLIP_SAMPLES = 10 * RATE_HZ

BEFORE_S, FAULT_S, AFTER_S = 20, 20, 35
Alter = Callable[[FloatArray], FloatArray]


def as_recorded(samples: FloatArray) -> FloatArray:
    """The samples with 16 bits."""
    return (np.round(np.clip(samples, -1, 1) * 32767) / 32768).astype(np.float32)


def gain(db: float) -> Alter:
    """All samples by `db` louder."""
    return lambda samples: samples * np.float32(10 ** (db / 20))


def cover(db: float) -> Alter:
    """A cover that takes up to `db` from the sound above 1.5 kHz."""

    def alter(samples: FloatArray) -> FloatArray:
        hz, least = np.fft.rfftfreq(len(samples), 1 / RATE_HZ), 10 ** (-db / 20)
        return np.fft.irfft(np.fft.rfft(samples) * (least + (1 - least) / (1 + (hz / 1500) ** 4)), len(samples)).astype(np.float32)

    return alter


def lose(per_s: float, length_s: float, repeats: bool) -> Alter:
    """Parts that are lost: zeros, or the last sample again and again."""

    def alter(samples: FloatArray) -> FloatArray:
        altered, n = samples.copy(), round(length_s * RATE_HZ)
        for start in np.arange(0.3, len(samples) / RATE_HZ - 1, 1 / per_s) * RATE_HZ:
            altered[int(start) : int(start) + n] = samples[int(start)] if repeats else 0
        return altered

    return alter


def lower_rate(part: float) -> Alter:
    """What a source delivers that has `part` of the rate, and whose samples are brought to the whole one."""

    def alter(samples: FloatArray) -> FloatArray:
        spectrum = np.fft.rfft(samples)
        spectrum[round(part * len(spectrum)) :] = 0
        return np.fft.irfft(spectrum, len(samples)).astype(np.float32)

    return alter


def replace_by_noise(dbfs: float) -> Alter:
    """A machine that is off: the noise of its room."""
    return lambda samples: (10 ** (dbfs / 20) / 2**0.5 * make_low_noise(5, len(samples), RATE_HZ, 200)).astype(np.float32)


def make_constant(value: float) -> Alter:
    """One value alone."""
    return lambda samples: np.full_like(samples, value)


FAULTS: list[tuple[str, Alter]] = [
    *(("silent", make_constant(0.0)), ("constant", make_constant(-0.001)), ("constant", make_constant(0.5))),
    *(("drop_outs", lose(*how)) for how in ((1, 0.02, False), (5, 0.02, True), (20, 0.01, False))),
    *(("dc_offset", lambda samples, dc=dc: samples + np.float32(dc)) for dc in (0.02, -0.06, 0.3)),
    *(("level_low", gain(db)) for db in (-18, -25, -35)),
    *(("level_low", replace_by_noise(dbfs)) for dbfs in (-32, -38, -45, -60, -75)),
    *(("level_changed", gain(db)) for db in (-10, -6, 6, 9, 12)),
    *(("band_missing", cover(db)) for db in (18, 25, 40)),
    *(("band_missing", lower_rate(part)) for part in (0.25, 0.5, 0.69)),
]


@pytest.mark.parametrize(("fault", "alter"), FAULTS)
def test_a_fault_of_the_microphone_is_found_and_ends(state: NormalState, sound: FloatArray, fault: str, alter: Alter) -> None:
    """Each fault is found within 10 s and ends within 30 s of its end; no clip with it is trusted, and all others are."""
    samples = sound[: (BEFORE_S + FAULT_S + AFTER_S) * RATE_HZ].copy()
    start, stop = BEFORE_S * RATE_HZ + 4321, (BEFORE_S + FAULT_S) * RATE_HZ + 4321
    samples[start:stop] = alter(samples[start:stop])
    integrity = Integrity(RATE_HZ, CLIP_SAMPLES, [state])
    (begun_s, found), (ended_s, end) = hear_faults(integrity, as_recorded(samples))
    assert (found, end) == (fault, "ok")
    assert BEFORE_S < begun_s <= BEFORE_S + 10
    assert BEFORE_S + FAULT_S < ended_s <= BEFORE_S + FAULT_S + 30
    ends = range(CLIP_SAMPLES, len(samples) + 1, RATE_HZ)
    trusted = [end for end in ends if integrity.trusts(end)]
    assert [end for end in trusted if end <= start] == [end for end in ends if end <= start]
    assert not [end for end in trusted if start + 2 * RATE_HZ < end < stop + CLIP_SAMPLES]
    assert trusted[-1] == ends[-1]


def test_a_fault_that_comes_again_ends_again(state: NormalState, sound: FloatArray) -> None:
    """It ends after ten seconds of sound in a row: a pause of six seconds between two silences ends none."""
    samples = sound[: 100 * RATE_HZ].copy()
    for start_s, stop_s in ((20, 25), (50, 54), (60, 64)):
        samples[start_s * RATE_HZ : stop_s * RATE_HZ] = 0
    found = hear_faults(Integrity(RATE_HZ, CLIP_SAMPLES, [state]), as_recorded(samples))
    assert found == [(21, "silent"), (35, "ok"), (51, "silent"), (74, "ok")]


@pytest.mark.parametrize("level_db", [0, 6, 12, 30])
def test_loud_sound_of_another_shape_is_sound_of_the_machine(state: NormalState, sound: FloatArray, level_db: float) -> None:
    """A fault that adds noise between 2 and 5 kHz is trusted from its first second on; what clips is marked."""
    samples = sound[: 50 * RATE_HZ].copy()
    hz = np.fft.rfftfreq(30 * RATE_HZ, 1 / RATE_HZ)
    noise = np.fft.irfft(np.where((hz > 2000) & (hz < 5000), np.fft.rfft(np.random.default_rng(4).normal(size=30 * RATE_HZ)), 0))
    samples[20 * RATE_HZ :] += 0.05 * 10 ** (level_db / 20) * noise / noise.std()
    integrity = Integrity(RATE_HZ, CLIP_SAMPLES, [state])
    assert hear_faults(integrity, as_recorded(samples)) == []
    assert all(integrity.trusts(end) for end in range(CLIP_SAMPLES, 50 * RATE_HZ, RATE_HZ))
    assert not integrity.is_clipped(20 * RATE_HZ)
    assert integrity.is_clipped(30 * RATE_HZ) == (level_db == 30)


def test_sound_that_clips_with_a_gain_is_sound_of_the_machine(state: NormalState, sound: FloatArray) -> None:
    """A level step that clips is no fault of the microphone."""
    samples = sound[: 50 * RATE_HZ].copy()
    samples[20 * RATE_HZ :] *= 30
    assert hear_faults(Integrity(RATE_HZ, CLIP_SAMPLES, [state]), as_recorded(samples)) == []


def test_short_sounds_and_normal_sound_are_no_faults(state: NormalState, sound: FloatArray) -> None:
    """Four minutes of another day with a bang, a pause of a second and a broadband sound of four seconds raise no fault."""
    samples = sound.copy()
    samples[100 * RATE_HZ : 104 * RATE_HZ] *= np.float32(2)
    samples[150 * RATE_HZ : 151 * RATE_HZ] *= np.float32(0.01)
    samples[200 * RATE_HZ : 200 * RATE_HZ + 3200] += np.random.default_rng(0).normal(0, 0.3, 3200).astype(np.float32)
    assert hear_faults(Integrity(RATE_HZ, CLIP_SAMPLES, [state]), as_recorded(samples)) == []


def test_calibrated_states_are_no_faults(state: NormalState, sound: FloatArray) -> None:
    """A machine whose calibration knows that it stands still is switched off and on twenty times without a fault."""
    room = replace_by_noise(-60)(sound)
    switched = np.where(np.arange(len(sound)) // (6 * RATE_HZ) % 2 == 1, room, sound)
    still = learn_state(room[: 60 * RATE_HZ])
    assert hear_faults(Integrity(RATE_HZ, CLIP_SAMPLES, [state, still]), switched) == []
    ((begun_s, found),) = hear_faults(
        Integrity(RATE_HZ, CLIP_SAMPLES, [state]), np.concatenate([sound[: 6 * RATE_HZ], room[: 10 * RATE_HZ]])
    )
    assert found == "level_low"
    assert 6 < begun_s <= 16


def test_without_a_calibration_only_dead_channels_and_drop_outs_are_found(sound: FloatArray) -> None:
    """A bundle of format 2 has no normal sound: level and bands are not compared."""
    samples = sound[: 60 * RATE_HZ].copy()
    samples[10 * RATE_HZ : 25 * RATE_HZ] *= np.float32(0.01)
    samples[30 * RATE_HZ : 33 * RATE_HZ] = 0
    assert hear_faults(Integrity(RATE_HZ, CLIP_SAMPLES), as_recorded(samples)) == [(31, "silent"), (43, "ok")]


def test_drop_outs_of_normal_sound_are_no_fault(state: NormalState, sound: FloatArray) -> None:
    """A microphone with a noise gate, whose normal sound has parts of zeros, raises no fault by them."""
    gated = state.model_copy(update={"drop_outs": 0.4})
    assert hear_faults(Integrity(RATE_HZ, CLIP_SAMPLES, [gated]), as_recorded(lose(2, 0.03, False)(sound[: 30 * RATE_HZ]))) == []


def test_a_fault_lasts_over_a_gap(state: NormalState, sound: FloatArray) -> None:
    """A gap restarts the comparison, and ends no fault; a second that it cuts off is left out."""
    quiet = gain(-20)(sound[: 30 * RATE_HZ])
    integrity = Integrity(RATE_HZ, CLIP_SAMPLES, [state])
    assert hear_faults(integrity, quiet[: 10 * RATE_HZ])[0][1] == "level_low"
    integrity.hear(Run(quiet[:8000], 10 * RATE_HZ))
    integrity.hear(Run(quiet[: 20 * RATE_HZ], 20 * RATE_HZ, after_gap=True))
    assert integrity.fault is not None
    assert not integrity.trusts(40 * RATE_HZ)
    integrity = Integrity(RATE_HZ, CLIP_SAMPLES, [state])
    integrity.hear(Run(np.zeros(8000, np.float32), 0))
    integrity.hear(Run(sound[: 2 * RATE_HZ], RATE_HZ, after_gap=True))
    assert integrity.trusts(2 * RATE_HZ - 1)


SLOW_HZ = 2000  # so that many examples take little time
SLOW_S = 110
SLOW_SOUND = make_machine_sound(8, SLOW_S, SLOW_HZ)
SLOW_STATE = learn_state(make_machine_sound(1, 60, SLOW_HZ), SLOW_HZ)


@settings(max_examples=12, deadline=None)
@given(cuts=st.lists(st.integers(1, SLOW_S * SLOW_HZ - 1), max_size=30), gap_at=st.integers(1, SLOW_S * SLOW_HZ - 1))
def test_any_split_gives_the_same_findings(cuts: list[int], gap_at: int) -> None:
    """Blocks of any length, and a gap anywhere, give what the whole stretches before and after the gap give."""
    samples = SLOW_SOUND.copy()
    samples[18 * SLOW_HZ : 95 * SLOW_HZ] *= np.float32(2.5)  # is reported, taken as normal, and taken back

    def listen(edges: list[int]) -> tuple[object, list[bool], bytes]:
        integrity = Integrity(SLOW_HZ, 4 * SLOW_HZ, [SLOW_STATE])
        runs = [Run(samples[start:stop], start, after_gap=start == gap_at) for start, stop in pairwise(edges)]
        plain = np.concatenate([integrity.hear(run).samples for run in runs])
        ends = range(4 * SLOW_HZ, SLOW_S * SLOW_HZ, 700)
        return integrity.fault, [integrity.trusts(end) for end in ends], plain.tobytes()

    assert listen(sorted({0, gap_at, SLOW_S * SLOW_HZ, *cuts})) == listen([0, gap_at, SLOW_S * SLOW_HZ])
