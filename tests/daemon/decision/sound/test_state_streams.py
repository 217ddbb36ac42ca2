"""The operating state in streams of samples."""

import itertools
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aegan_monitor.decision.sound.normal_states import NormalStates
from aegan_monitor.decision.sound.sound_bands import BandMeter
from aegan_monitor.decision.sound.states import StateTracker, Times
from aegan_monitor.detection.record import NormalState
from aegan_monitor.types import FloatArray

RATE_HZ = 1000  # the tracker counts samples, whatever their rate
NAMES, LEVELS = ("off", "running_1", "running_2"), (-60.0, -36.0, -24.0)
BETWEEN, STRANGE = -42.0, -10.0


def make_sound(levels_dbfs: Sequence[float], seed: int) -> FloatArray:
    """A second of noise of each level, float32."""
    rng = np.random.default_rng(seed)
    gains = 10 ** (np.repeat(levels_dbfs, RATE_HZ) / 20) / np.sqrt(2)
    sound: FloatArray = (gains * rng.standard_normal(len(gains))).astype(np.float32)
    return sound


def calibrate(levels_dbfs: Sequence[float]) -> NormalStates:
    """The states of such noise: the first is off."""
    found = []
    for place, level_dbfs in enumerate(levels_dbfs):
        seconds = [each for _, each in BandMeter(RATE_HZ).push(make_sound([level_dbfs] * 20, place))]
        ranges = np.quantile([[each.level_dbfs, *each.bands_dbfs] for each in seconds], [0.01, 0.5, 0.99], axis=0).T.tolist()
        found.append(NormalState(name=NAMES[place], share=0.3, level_dbfs=ranges[0], bands_dbfs=ranges[1:]))
    return NormalStates(found)


NOISE = calibrate(LEVELS)


def make_tracker() -> StateTracker:
    """A tracker with short times."""
    return StateTracker(NOISE, RATE_HZ, Times(20 * RATE_HZ, 10 * RATE_HZ))


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from([*LEVELS, BETWEEN, STRANGE]), st.integers(1, 9)), min_size=1, max_size=8),
    st.lists(st.integers(1, 3 * RATE_HZ), max_size=12),
)
def test_any_split_gives_the_same_states(course: list[tuple[float, int]], sizes: list[int]) -> None:
    """However the samples arrive, the state is the same at every sample."""
    sound = make_sound([level for level, n in course for _ in range(n)], 1)
    whole, split = make_tracker(), make_tracker()
    whole.push(sound)
    for part in np.split(sound, np.minimum(np.cumsum(sizes), len(sound)).astype(int)):
        split.push(part)
    times = range(max(0, len(sound) - 50 * RATE_HZ), len(sound) + RATE_HZ, RATE_HZ // 2)
    assert [whole.at(time) for time in times] == [split.at(time) for time in times]
    assert whole.now == split.now


def count_changes(names: Sequence[str]) -> int:
    """How often the name changes."""
    return sum(one != other for one, other in itertools.pairwise(names))


@pytest.mark.parametrize("pair", [("off", "running_2"), ("running_1", "running_2")])
def test_twenty_changes_are_followed_without_flicker(pair: tuple[str, str]) -> None:
    """A machine is switched, or changes its load, twenty times: each new state comes within five seconds, and stays."""
    levels = dict(zip(NAMES, LEVELS, strict=True))
    tracker, delays_s = make_tracker(), []
    for place in range(21):
        name = pair[place % 2]
        seen = []
        for end_sample, second in BandMeter(RATE_HZ).push(make_sound([levels[name]] * (20 + place), place)):
            seen.append(tracker.hear(end_sample, second).name)
        delays_s.append(seen.index(name) + 1)
        assert count_changes(seen) <= 2
        assert seen[-1] == name
    assert max(delays_s) <= 5
