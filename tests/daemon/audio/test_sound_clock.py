"""When samples sounded: strictly in order, and by the clock as it is set now."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aegan_monitor.audio.ring import Ring
from aegan_monitor.audio.sound_clock import AHEAD_S, SoundClock
from aegan_monitor.types import Block, Run

RATE_HZ = 1000
HOP = 32
NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
arrivals = st.lists(  # samples, delay of the arrival, samples lost before, runs are read
    st.tuples(st.integers(1, 900), st.floats(0.0, 20.0), st.sampled_from([0, 0, 0, 7]), st.booleans()), min_size=2, max_size=40
)


def listen(arrived: list[tuple[int, float, int, bool]], wander: float = 1.0) -> list[tuple[Run, float]]:
    """What a reader gets of blocks that arrive late but in order, and when; the device's clock is off by a factor."""
    now_s = [0.0]
    clock, ring = SoundClock(RATE_HZ, lambda: now_s[0]), Ring(100_000, HOP)
    sounded_s, index, found = 100.0, 0, []
    for n_samples, delay_s, n_lost, is_read in arrived:
        index, sounded_s = index + n_lost, sounded_s + (n_lost + n_samples) / RATE_HZ * wander
        now_s[0] = max(now_s[0], sounded_s + delay_s)
        ring.write(clock.stamp(Block(np.zeros(n_samples, np.float32), index)))
        index += n_samples
        while is_read and (run := ring.read(0)) is not None:
            found.append((run, now_s[0]))
    return found


@given(arrivals, st.floats(0.9995, 1.0005))
def test_stamps_increase_with_the_samples(arrived: list[tuple[int, float, int, bool]], wander: float) -> None:
    """Within a stretch strictly, over all runs of it, however late blocks come; never in the future by more than a burst explains."""
    runs = listen(arrived, wander)
    for place, (run, now_s) in enumerate(runs):
        assert run.began_s is not None
        stamps = [run.wall_time(run.start_sample + n, NOW, now_s) for n in range(0, len(run.samples) + 1, 8)]
        assert all(after - before >= timedelta(seconds=0.4 * 8 / RATE_HZ) for before, after in pairwise(stamps))
        assert stamps[-1] <= NOW + timedelta(seconds=AHEAD_S)
        if place and not run.after_gap:
            before, before_s = runs[place - 1]
            end = before.wall_time(run.start_sample, NOW - timedelta(seconds=now_s - before_s), before_s)
            assert abs(end - stamps[0]) < timedelta(microseconds=10)


def test_each_decision_of_a_late_run_has_a_stamp_of_its_own() -> None:
    """Four seconds that are read ten seconds late are stamped with when they sounded."""
    blocks = [(50, 0.0, 0, False)] * 80
    [(run, _)] = listen([*blocks, (50, 0.0, 0, True)])
    stamps = [run.wall_time(sample, NOW, 100.0 + 4.05 + 10.0) for sample in range(1000, 4001, 1000)]
    assert stamps == [
        pytest.approx(NOW - timedelta(seconds=late_s), abs=timedelta(milliseconds=1)) for late_s in (13.05, 12.05, 11.05, 10.05)
    ]


@pytest.mark.parametrize("late_block", [0, 40])
def test_a_late_block_does_not_shift_the_stamps(late_block: int) -> None:
    """Not later by more than 0.1 %; and where the very first came late, the next ones show what is right."""
    arrived = [(50, 3.0 if n == late_block else 0.0, 0, True) for n in range(200)]
    run, _ = listen(arrived)[-1]
    assert run.began_s == pytest.approx(100.0 + run.start_sample / RATE_HZ, abs=0.02)


def test_a_step_of_the_wall_clock_moves_what_follows_at_once() -> None:
    """By the whole step: nothing is smoothed over an hour that never was."""
    [(run, now_s)] = listen([(640, 0.0, 0, True)])
    before, after = (run.wall_time(640, now, now_s) for now in (NOW, NOW + timedelta(hours=1)))
    assert after - before == timedelta(hours=1)


def test_sound_that_nothing_paces_has_no_time() -> None:
    """A recording through a pipe is stamped when it is read; so are runs that no capture has stamped."""
    clock, ring = SoundClock(RATE_HZ, lambda: 5.0), Ring(100_000, HOP)
    for start in range(0, 20_000, 1000):
        ring.write(clock.stamp(Block(np.zeros(1000, np.float32), start)))
    run = ring.read(0)
    assert run is not None
    assert run.wall_time(100, NOW, 77.0) == NOW


def test_the_times_of_what_is_overwritten_are_forgotten() -> None:
    """A ring that no one reads takes no more memory than its samples."""
    clock, ring, now_s = SoundClock(RATE_HZ, lambda: now_s[0]), Ring(1000, HOP), [0.0]
    for n in range(1000):
        now_s[0] += 0.05
        ring.write(clock.stamp(Block(np.zeros(50, np.float32), 50 * n)))
    assert len(ring._stretches[0].times) <= 1000 // 50 + 2
    run = ring.read(0)
    assert run is not None
    assert run.began_s == pytest.approx(49.0)
