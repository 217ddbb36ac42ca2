"""A rhythm in normal sound."""

import numpy as np
import pytest

from aegan_monitor.types import DoubleArray
from aegan_train.bench.sound.sounds import RATE_HZ, draw_times, make_ring, place_events
from aegan_train.findings.normal_sound import NormalSound
from aegan_train.findings.rhythm import Rhythm, describe_rhythm, find_rhythm
from synthetic import CLIP_SAMPLES, hear, make_machine

PERIOD_S = 1.3


def add_knocks(samples: DoubleArray, times_s: DoubleArray) -> DoubleArray:
    """The clip with a knock at each time."""
    return samples + place_events(len(samples), times_s, np.full(len(times_s), 0.2), make_ring(1500.0, 0.02, 0.2))


def add_beats(samples: DoubleArray, rng: np.random.Generator, period_s: float = PERIOD_S) -> DoubleArray:
    """The clip with a knock every `period_s`, with 1 % jitter."""
    return add_knocks(samples, draw_times(rng, len(samples), period_s, 0.01))


def rhythm_of(sound: NormalSound) -> Rhythm | None:
    """The rhythm of normal sound."""
    return find_rhythm(sound.bands, sound.hop_s)


@pytest.mark.parametrize("period_s", [0.4, PERIOD_S, 2.2])
def test_a_rhythm_is_found(period_s: float) -> None:
    """A machine that knocks regularly has a rhythm of that period, in all clips."""
    rng = np.random.default_rng(0)
    rhythm = rhythm_of(hear([add_beats(make_machine(rng), rng, period_s) for _ in range(6)]))
    assert rhythm is not None
    assert rhythm.period_s == pytest.approx(period_s, rel=0.03)
    assert rhythm.share > 0.9
    assert 0.3 < rhythm.strength <= 1


def test_a_rhythm_that_comes_and_goes_has_its_share() -> None:
    """A rhythm in a third of the clips is found, with that share."""
    rng = np.random.default_rng(1)
    clips = [add_beats(make_machine(rng), rng) if place % 3 == 0 else make_machine(rng) for place in range(18)]
    rhythm = rhythm_of(hear(clips))
    assert rhythm is not None
    assert rhythm.period_s == pytest.approx(PERIOD_S, rel=0.03)
    assert rhythm.share == pytest.approx(1 / 3)


def test_a_steady_machine_has_no_rhythm(steady: NormalSound) -> None:
    """A steady machine has no rhythm."""
    assert rhythm_of(steady) is None
    assert describe_rhythm(None, []) == ["rhythm: none"]


def test_irregular_knocks_are_no_rhythm() -> None:
    """As many knocks at random times are no rhythm."""
    rng = np.random.default_rng(2)
    n_knocks = round(CLIP_SAMPLES / RATE_HZ / PERIOD_S)
    clips = [add_knocks(make_machine(rng), rng.uniform(0, CLIP_SAMPLES / RATE_HZ, n_knocks)) for _ in range(12)]
    assert rhythm_of(hear(clips)) is None


def test_silence_has_no_rhythm() -> None:
    """Digital silence has no rhythm, and no warning."""
    assert rhythm_of(hear([np.zeros(CLIP_SAMPLES)] * 2)) is None


def test_a_training_that_hears_no_beats_says_so() -> None:
    """Only a training without C_moments advises the recipe that listens for beats."""
    rng = np.random.default_rng(3)
    rhythm = rhythm_of(hear([add_beats(make_machine(rng), rng) for _ in range(4)]))
    (line,) = describe_rhythm(rhythm, ["D_maha", "C_moments"])
    assert line.startswith("rhythm: a beat every 1.3")
    assert "(46 beats a minute)" in line
    assert "add C_moments" in describe_rhythm(rhythm, ["D_near"])[1]
