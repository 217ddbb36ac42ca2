"""Overload: which segments are left out, and when all are evaluated again."""

import math
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aegan_monitor.audio.ring import Ring
from aegan_monitor.audio.supervisor import SensorState
from aegan_monitor.messages.topics import Topics
from aegan_monitor.service.command_queue import CommandQueue
from aegan_monitor.service.shedding import LATE_S, LONGEST_CALM_S, STRIDES, Shedding
from aegan_monitor.service.worker import LOOK_S, Worker
from aegan_monitor.types import Block
from fakes import SilentListener
from outbox_messages import MemoryOutbox
from story import make_line

TOPICS = Topics("aegan", "hall")
RATE_HZ = 16_000
STEP_S = 0.25
RING_S = 30.0


def run(shedding: Shedding, cost: Callable[[float, int], float], until_s: float, from_s: float = 0.0) -> list[tuple[float, float, int]]:
    """(time, sound that waits, stride) at each look of a daemon that takes `cost(time, stride)` seconds for a second of sound."""
    behind_s, found = 0.0, []
    for step in range(round((until_s - from_s) / STEP_S)):
        now_s = from_s + step * STEP_S
        behind_s = max(0.0, behind_s + STEP_S - STEP_S / cost(now_s, shedding.stride))
        shedding.look(behind_s, now_s)
        found.append((now_s, behind_s, shedding.stride))
    return found


def changes(found: list[tuple[float, float, int]]) -> list[tuple[float, int]]:
    """(time, stride) of each change."""
    return [(time_s, stride) for (_, _, before), (time_s, _, stride) in pairwise(found) if stride != before]


@given(network=st.floats(0.0, 3.0), rest=st.floats(0.05, 0.9))
def test_it_never_falls_behind_without_bound(network: float, rest: float) -> None:
    """Where a quarter of the segments can be evaluated in time, the ring never overflows; the least stride that suffices is found."""
    if rest + network / STRIDES[-1] > 0.95:
        return
    shedding = Shedding()

    found = run(shedding, lambda _, stride: rest + network / stride, 600.0)

    assert max(behind_s for _, behind_s, _ in found) < RING_S
    if rest + network < 1:
        assert shedding.stride == 1
        assert not changes(found)


@given(st.lists(st.tuples(st.floats(0, 60), st.floats(0, 5)), max_size=30))
def test_nothing_is_left_out_while_little_sound_waits(looks: list[tuple[float, float]]) -> None:
    """Only sound that waits for longer than LATE_S raises the stride, and no step of it is left out."""
    shedding, now_s = Shedding(), 0.0
    for behind_s, wait_s in looks:
        before, now_s = shedding.stride, now_s + wait_s
        has_changed = shedding.look(behind_s, now_s)
        assert has_changed == (shedding.stride != before)
        assert shedding.stride in STRIDES
        assert bool(shedding.problem) == (shedding.stride > 1)
        if shedding.stride > before:
            assert behind_s > LATE_S


def test_a_short_hindrance_leaves_out_nothing() -> None:
    """A daemon that has time catches up with three seconds by itself."""
    shedding = Shedding()
    found = run(shedding, lambda now_s, _: 50.0 if 10 <= now_s < 13 else 0.3, 60.0)
    assert max(behind_s for _, behind_s, _ in found) > LATE_S
    assert changes(found) == []


@pytest.mark.parametrize(("load_s", "room_s"), [(60.0, 150.0), (600.0, 3 * LONGEST_CALM_S)])
def test_all_segments_are_evaluated_again_once_there_is_room(load_s: float, room_s: float) -> None:
    """The load ends, after ten minutes or after one: nothing is left out after two calm times at most, in steps."""
    shedding = Shedding()
    found = run(shedding, lambda now_s, stride: 0.2 + (2.4 if now_s < load_s else 0.4) / stride, load_s + room_s)
    assert max(stride for _, _, stride in found) == STRIDES[-1]
    assert [stride for _, stride in changes(found)][-2:] == [2, 1]
    assert shedding.stride == 1


def test_a_load_that_stays_is_tried_ever_more_seldom() -> None:
    """In 6 hours at one load the stride changes every two or three minutes, not every half."""
    shedding = Shedding()
    found = run(shedding, lambda _, stride: 0.3 + 0.9 / stride, 6 * 3600.0)
    assert max(behind_s for _, behind_s, _ in found) < RING_S / 2
    assert len(changes(found)) < 6 * 3600 / 120
    assert sum(stride == 2 for _, _, stride in found) > 0.9 * len(found)


def test_a_ring_that_is_half_full_brings_the_largest_stride_at_once() -> None:
    """Nothing is lost to a careful step."""
    shedding = Shedding()
    assert shedding.look(15.0, 0.0)
    assert shedding.stride == STRIDES[-1]
    assert math.isfinite(shedding.stride)


def test_a_machine_without_sound_is_looked_at_now_and_then() -> None:
    """Between two looks only machines whose sound is ready take time."""
    now_s, lines = 0.0, [make_line("fan"), make_line("pump")]
    worker = Worker(TOPICS, MemoryOutbox(), CommandQueue(), lambda: now_s, lambda: 0.0)
    for line in lines:
        worker.begin(line)
        worker.listen(line)
    worker.turn_all(lines)
    for each in lines:
        assert isinstance(each.supervisor, SilentListener)
        each.supervisor.present = SensorState("missing")
    lines[1].ring.write(Block(np.zeros(1, np.float32), 0))

    now_s = LOOK_S / 2
    worker.turn_all(lines)
    heard_soon = [line.machine._sensor for line in lines]
    now_s = LOOK_S
    worker.turn_all(lines)

    assert heard_soon == [None, SensorState("missing")]
    assert [line.machine._sensor for line in lines] == 2 * [SensorState("missing")]


def test_while_it_is_late_all_machines_leave_out_segments(caplog: pytest.LogCaptureFixture) -> None:
    """The sound that waits for one machine thins out the segments of all but recordings without a pace; the log says so once."""
    now_s, lines = 0.0, [make_line(name) for name in ("fan", "pump", "saw")]
    lines[2].supervisor._waits = True
    lines[0].ring = Ring(10 * RATE_HZ, 1, 1)
    worker = Worker(TOPICS, MemoryOutbox(), CommandQueue(), lambda: now_s, lambda: 0.0)
    for line in lines:
        worker.begin(line)
        worker.listen(line)
    for second in range(12):
        lines[0].ring.write(Block(np.zeros(RATE_HZ // 2, np.float32), second * RATE_HZ // 2))
        worker.turn_all(lines)
        now_s += 1.0

    assert worker.shedding.stride == STRIDES[-1]
    assert [line.machine.pipeline.stride for line in lines] == [STRIDES[-1], STRIDES[-1], 1]
    (said,) = [record.message for record in caplog.records if "too slow" in record.message]
    assert "one segment in 2" in said
    assert "fewer machines" in said
