"""The sounds are what their table says, a seed gives them again, and verdicts belong to what caused them."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from aegan_monitor.config.alarm import AlarmConfig
from aegan_monitor.demo.pump import Pump
from aegan_monitor.detection.bundle import demo_bundle
from aegan_monitor.types import DoubleArray
from aegan_train.bench.sound.backgrounds import VOICE
from aegan_train.bench.sound.sounds import RATE_HZ, measure_rms
from simulation.draw import Draw
from simulation.episodes import GROUPS, HOP_SAMPLES, Base, Episode, count_samples, play
from simulation.fault_sounds import tone
from simulation.first_use import (
    make_disturbances,
    make_faults,
    make_first_use,
    make_lasting_sounds,
    make_long_faults,
    make_short_sounds,
)
from simulation.verdicts import Listener, describe

THRESHOLD = AlarmConfig(policy="threshold")  # an alarm clears within the pause
N_SPOKEN = 2 if shutil.which(VOICE) else 0


def make_noise_base(seed: int = 5) -> Base:
    """Ten seconds of quiet noise."""
    return Base([0.02 * np.random.default_rng(seed).normal(size=10 * RATE_HZ)])


def find_pitch(sound: DoubleArray) -> float:
    """The frequency of the strongest line, in Hz."""
    return float(np.abs(np.fft.rfft(sound)).argmax() * RATE_HZ / len(sound))


def test_the_recipe_has_seven_faults_and_sixteen_disturbances() -> None:
    """Eight pass, one is the machine itself, seven last."""
    groups = [episode.group for episode in make_first_use(0, None)]
    assert {group: groups.count(group) for group in groups} == {"passing": 6 + N_SPOKEN, "foreign": 7, "level": 1, "fault": 7}


@pytest.mark.parametrize("seed", [0, 1])
def test_a_seed_gives_the_same_sound_again(seed: int) -> None:
    """And another seed gives another sound of the same length for each episode."""
    first, again, other = (make_faults(each, 2.0) for each in (seed, seed, seed + 1))
    base = make_noise_base().read(count_samples(2))
    for one, same, different in zip(first, again, other, strict=True):
        np.testing.assert_array_equal(one.change(base), same.change(base))
        assert one.n_samples == different.n_samples
        assert np.abs(one.change(base) - different.change(base)).max() > 0.001


@pytest.mark.parametrize("seed", [0, 1])
def test_sounds_beside_the_machine_have_their_level(seed: int) -> None:
    """The name says it: in dB relative to the base, over the whole sound."""
    lasting = [episode for episode in make_disturbances(seed, None) if episode.name.startswith(("hiss", "vacuum"))]
    for episode in [*lasting, *make_faults(seed, 3.0)]:
        base = make_noise_base().read(episode.n_samples)
        level_db = 20 * np.log10(measure_rms(episode.change(base) - base) / measure_rms(base))
        assert level_db == pytest.approx(float(episode.name.split()[-2]), abs=0.06), episode.name


def test_the_recipe_takes_its_own_values() -> None:
    """Seed 0 has the tone at 3.2 kHz; others have it elsewhere within an octave."""
    n_samples = 4 * RATE_HZ
    assert find_pitch(tone(Draw(0, "tone"), n_samples)) == pytest.approx(3200, abs=5)
    pitches = [find_pitch(tone(Draw(seed, "tone"), n_samples)) for seed in range(1, 6)]
    assert all(1500 < pitch < 6500 for pitch in pitches)
    assert max(pitches) - min(pitches) > 500


def test_gains_and_standstill_change_the_base_itself() -> None:
    """The gain multiplies; of a machine that is off a faint noise is left."""
    changes = {episode.name: episode for episode in make_disturbances(0, None)}
    base = make_noise_base().read(count_samples(2))
    np.testing.assert_allclose(changes["gain up +6.0 dB"].change(base), base * 10**0.3)
    np.testing.assert_allclose(changes["machine louder +3.0 dB"].change(base), base * 10**0.15)
    off = changes["machine off"].change(base)
    assert 20 * np.log10(measure_rms(off)) == pytest.approx(-60, abs=0.2)
    assert abs(np.corrcoef(off, base)[0, 1]) < 0.03


def test_a_stream_is_whole_hops_and_never_over_full_scale() -> None:
    """Base, episode, base, and so on; a microphone clips what is too loud."""
    loud = Episode("loud", "passing", HOP_SAMPLES, lambda base: base + 3)
    stretches = list(play(make_noise_base(), [loud, loud], seed=1, pause_s=(1, 2)))
    assert [episode for episode, _ in stretches] == [None, loud, None, loud, None]
    assert {len(samples) % HOP_SAMPLES for _, samples in stretches} == {0}
    assert max(np.abs(samples).max() for _, samples in stretches) == 1.0


def test_a_base_begins_anew_at_its_end() -> None:
    """Clips follow each other in their order, whatever is read at once."""
    base = Base([np.arange(3.0), np.arange(3.0, 5.0)])
    assert [base.read(n).tolist() for n in (2, 4, 7)] == [[0, 1], [2, 3, 4, 0], [1, 2, 3, 4, 0, 1, 2]]


def test_a_verdict_belongs_to_what_caused_it() -> None:
    """A fault alarms within its minute and clears behind it; what follows is quiet again, and the base before was."""
    fault = Pump(7, RATE_HZ, fault_from_s=-1.0).read(count_samples(30)).astype(np.float64)
    episodes = [
        Episode("bearing", "fault", len(fault), lambda _: fault),
        Episode("nothing", "passing", count_samples(5), lambda base: base),
    ]
    base = Base([Pump(8, RATE_HZ).read(120 * RATE_HZ).astype(np.float64)])
    before, bearing, nothing = Listener(demo_bundle(), THRESHOLD).hear(play(base, episodes, seed=2, pause_s=(25, 30)))
    assert (before.episode, before.n_raised) == (None, 0)
    assert bearing.delay_s is not None
    assert 10 < bearing.delay_s < 30
    assert (bearing.n_raised, bearing.n_cleared, len(bearing.causes)) == (1, 1, 1)
    assert (nothing.n_raised, nothing.is_active_before, nothing.is_hidden) == (0, False, False)
    assert bearing.score > bearing.threshold > nothing.score
    assert "faults of the machine: 1 of 1 alarmed (1 within 30 s, 1 within 60 s, 1 within 120 s)" in describe([before, bearing, nothing])


@pytest.mark.parametrize("closes", [False, True])
def test_an_alarm_that_lasts_hides_what_follows(closes: bool) -> None:
    """Unless a person closes it when the next episode begins."""
    fault = Pump(7, RATE_HZ, fault_from_s=-1.0).read(count_samples(25)).astype(np.float64)
    episodes = [
        Episode("bearing", "fault", len(fault), lambda _: fault),
        Episode("nothing", "passing", count_samples(1), lambda base: base),
    ]
    base = Base([Pump(8, RATE_HZ).read(20 * RATE_HZ).astype(np.float64)])
    _, bearing, nothing = Listener(demo_bundle(), THRESHOLD, closes=closes).hear(play(base, episodes, seed=2, pause_s=(1, 2)))
    assert (bearing.n_raised, bearing.n_cleared) == (1, 0)
    assert nothing.is_hidden != closes


@pytest.mark.dataset
def test_recorded_sounds_are_sixty_short_and_forty_that_last(recordings: Path) -> None:
    """All clips of ESC-10, and second machines of DCASE 2023."""
    assert len(make_short_sounds(recordings / "esc10")) == 60
    assert len(make_lasting_sounds(recordings / "esc10")) == 40
    names = [episode.name for episode in make_disturbances(0, recordings / "dcase2023_samples")]
    assert [name for name in names if "machine (" in name] == [
        "second machine (gearbox) +0.0 dB",
        "second machine (fan) -5.0 dB",
        "second machine (fan) -11.0 dB",
    ]


def test_long_faults_are_one_of_each_kind() -> None:
    """Ten minutes each."""
    assert [episode.n_samples / RATE_HZ for episode in make_long_faults(0)] == pytest.approx([600] * 4, abs=0.05)


@pytest.mark.full
@pytest.mark.timeout(900)
@pytest.mark.parametrize("seed", [0, 1])
def test_first_use_of_the_demonstration(seed: int, figure: Callable[[str], None]) -> None:
    """Every fault alarms within 30 s; neither the base nor gain steps nor short sounds do. A person closes each alarm."""
    base = Base([Pump(400, RATE_HZ).read(320 * RATE_HZ).astype(np.float64)])
    verdicts = Listener(demo_bundle(), closes=True).hear(play(base, make_first_use(seed, None), seed))
    for line in describe(verdicts):
        figure(line)
    by_group = {group: [each for each in verdicts if each.episode and each.episode.group == group] for group in GROUPS}
    assert [each for each in by_group["fault"] if each.delay_s is None or each.delay_s > 30] == []
    assert [each.episode for each in verdicts if each.is_hidden] == []
    assert [each.n_raised for each in verdicts if each.episode is None] == [0]
    assert sum(each.n_raised > 0 for each in by_group["passing"]) == 0
