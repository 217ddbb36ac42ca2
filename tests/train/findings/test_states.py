"""Operating states in normal sound."""

import numpy as np
import pytest

from aegan_monitor.decision.sound.normal_states import NormalStates
from aegan_monitor.decision.sound.sound_bands import SoundBands
from aegan_train.bench.sound.machines import motor
from aegan_train.findings.normal_sound import NormalSound
from aegan_train.findings.states import State, describe_states, find_states, group_spectra, join_off, make_records, name_states
from synthetic import CLIP_SAMPLES, hear, make_machine


def test_a_steady_machine_has_one_state(steady: NormalSound) -> None:
    """A steady machine has one state with its level, and no advice."""
    (state,) = find_states(steady)
    assert state.share == 1
    assert state.level_dbfs == pytest.approx(np.median(steady.levels_dbfs), abs=0.5)
    assert state.from_dbfs < state.level_dbfs < state.to_dbfs
    assert describe_states([state], 25) == [
        f"operating states: one, mostly between {state.from_dbfs:.0f} and {state.to_dbfs:.0f} dBFS",
    ]


def test_three_speeds_are_three_states() -> None:
    """Clips at three speeds give three states with their shares and levels, the most frequent first."""
    rng = np.random.default_rng(1)
    speeds_hz = [20.0] * 12 + [30.0] * 8 + [45.0] * 4
    sound = hear([make_machine(rng, speed_hz) for speed_hz in speeds_hz])
    states = find_states(sound)
    assert [round(state.share * 24) for state in states] == [12, 8, 4]
    levels = [np.mean(sound.levels_dbfs[start:stop]) for start, stop in ((0, 12), (12, 20), (20, 24))]
    assert [state.level_dbfs for state in states] == pytest.approx(levels, abs=0.5)
    assert [state.n_recordings for state in states] == [3, 2, 1]
    assert describe_states(states, 6)[-1].endswith("in 1 of 6 recordings: record it on another day too")


def test_a_machine_that_is_switched_within_clips_has_two_states() -> None:
    """On and off are found where each clip has both."""
    rng = np.random.default_rng(2)
    clips = [make_machine(rng) for _ in range(12)]
    for place, samples in enumerate(clips):
        samples[: (3 + place % 4) * CLIP_SAMPLES // 10] *= 0.03
    off, on = sorted(find_states(hear(clips)), key=lambda state: state.level_dbfs)
    assert (off.n_recordings, on.n_recordings) == (3, 3)
    assert on.level_dbfs - off.level_dbfs == pytest.approx(-20 * np.log10(0.03), abs=1)


def test_a_rare_state_is_found_and_asked_for() -> None:
    """A state in one clip of 40 is found, and more of it is asked for."""
    rng = np.random.default_rng(3)
    sound = hear([make_machine(rng, 40.0 if place == 17 else 20.0) for place in range(40)])
    common, rare = find_states(sound)
    assert (round(rare.share * 40), rare.n_recordings, common.n_recordings) == (1, 1, 10)
    assert "record more" in rare.describe(10)
    assert "record" not in common.describe(10).split("recordings")[1]


def test_a_machine_of_many_speeds_has_one_state() -> None:
    """A machine whose speed varies without gaps has one state of a wide range, however far its ends lie apart."""
    own, day, now = ([np.random.default_rng([kind, n if kind == 2 else 0]) for n in range(30)] for kind in range(3))
    clips = [0.05 * motor(*rngs, CLIP_SAMPLES // 2, "") for rngs in zip(own, day, now, strict=True)]
    (state,) = find_states(hear(clips))
    assert state.to_dbfs - state.from_dbfs > 6


@pytest.mark.parametrize("n_spectra", [1, 4, 40])
def test_equal_spectra_are_one_group(n_spectra: int) -> None:
    """Equal spectra, or a single one, are one group."""
    assert not group_spectra(np.full((n_spectra, 128), -40.0)).any()


def test_a_few_strange_spectra_are_no_state() -> None:
    """Two spectra far from all others are no state: a bang is none."""
    spectra = np.random.default_rng(7).normal(-40, 1, (80, 128))
    spectra[[10, 11]] += 30
    assert len(np.unique(group_spectra(spectra))) == 1
    spectra[12:18] += 30
    assert len(np.unique(group_spectra(spectra))) == 2


def test_states_are_described_in_order() -> None:
    """Each state has a line."""
    states = name_states([State(0.6, -30.2, -31, -29, 4), State(0.4, -50.0, -51, -49, 3)])
    assert describe_states(sorted(states, key=lambda state: -state.share), 4) == [
        "operating states: there seem to be 2",
        "  running: 60% of the time at -30 dBFS, in 4 of 4 recordings",
        "  off: 40% of the time at -50 dBFS, in 3 of 4 recordings",
    ]


@pytest.mark.parametrize(
    ("levels_dbfs", "names"),
    [
        ([-30], ["running"]),
        ([-30, -21], ["running_1", "running_2"]),
        ([-60, -40, -28], ["off", "running_1", "running_2"]),
    ],
)
def test_states_are_named_by_their_levels(levels_dbfs: list[float], names: list[str]) -> None:
    """What lies 10 dB under all other states is off; the others are numbered from the quietest."""
    states = [State(0.3, level, level - 1, level + 1, 1) for level in levels_dbfs]
    assert [state.name for state in name_states(states[::-1])] == names


@pytest.mark.parametrize(
    ("levels_dbfs", "joined"), [([-30], [0]), ([-30, -21], [0, 1]), ([-30, -60, -40], [0, 1, 2]), ([-62, -30, -58, -50], [0, 1, 0, 0])]
)
def test_all_that_lies_far_under_the_running_states_is_one_state(levels_dbfs: list[float], joined: list[int]) -> None:
    """A machine that is off in a quiet and in a loud hall is off."""
    groups = np.arange(len(levels_dbfs))
    assert join_off(groups, np.array(levels_dbfs)).tolist() == joined


def test_the_ranges_of_a_state_leave_out_the_seconds_in_which_it_changes() -> None:
    """The record of each state is narrow although the machine is switched every five seconds, and its seconds are recognised."""
    rng = np.random.default_rng(5)
    clips = [make_machine(rng) for _ in range(12)]
    for samples in clips:
        samples[: CLIP_SAMPLES // 2 - 4000] *= 0.03
    sound = hear(clips)
    records = make_records(find_states(sound))
    assert [record.name for record in records] == ["off", "running"]
    assert all(record.level_dbfs[2] - record.level_dbfs[0] < 3 for record in records)
    states = NormalStates(records)
    assert [[states.find(SoundBands(row[0], row[1:9])) for row in window] for window in sound.seconds[:2]] == [
        [0] * 4 + [None] + [1] * 5
    ] * 2
