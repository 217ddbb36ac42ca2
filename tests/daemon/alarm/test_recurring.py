"""Recurring disturbances may delay an alarm but never prevent it: a table of all cases."""

from collections.abc import Callable

import numpy as np
import pytest

from aegan_monitor.alarm.judge import Judge
from aegan_monitor.alarm.machine import Machine
from aegan_monitor.audio.ring import Ring
from aegan_monitor.audio.supervisor import SensorState
from aegan_monitor.config.alarm import AlarmConfig
from aegan_monitor.detection.pipeline import Pipeline
from aegan_monitor.messages.payloads import Event, Score
from aegan_monitor.messages.topics import Message
from aegan_monitor.types import Block, FloatArray, Run, SegmentOutputs
from outbox_messages import MemoryOutbox, pending
from story import HOP_S, NOW, Story, open_demo

RATE_HZ, BLOCK = 16_000, 8_192
CLIP_S = 9.76  # of sound for one decision
HEARD_S = 25.0  # after which an alarm must have come
DROP_SAMPLES = 160  # 10 ms
ON_HOPS = 12
STEPS = 400


class FaultySession:
    """A session whose every output is far from normal."""

    def infer(self, segments: FloatArray) -> SegmentOutputs:
        n = len(segments)
        full = np.full((n, open_demo().reference.embedding_mean.shape[0]), 1e3, np.float32)
        return SegmentOutputs(full, np.zeros((n, 0), np.float32), np.zeros((n, 3), np.float32), np.zeros((n, 2), np.float32))


def listen(gap_s: float, lasts_s: float) -> tuple[int, list[Event]]:
    """The number of decisions and the events of a faulty machine with default delays that loses 10 ms every `gap_s`."""
    bundle = open_demo()
    judge = Judge(bundle.record, bundle.record.score, AlarmConfig(policy="threshold"))
    machine = Machine("pump", Pipeline(bundle.record, bundle.reference, FaultySession(), [bundle.record.score]), judge)
    block, place, after_gap, found = np.zeros(BLOCK, np.float32), 0, False, []
    n_decisions, n_left, gap_samples = 0, round(lasts_s * RATE_HZ), round(gap_s * RATE_HZ)
    next_gap = gap_samples
    while n_left > 0:
        n = min(BLOCK, next_gap - place)
        published = machine.hear(Run(block[:n], place, after_gap), NOW, 0.0)
        n_decisions += sum(isinstance(payload, Score) for payload in published)
        found += [payload for payload in published if isinstance(payload, Event)]
        if found:
            break
        place, n_left, after_gap = place + n, n_left - n, False
        if place == next_gap:
            place, after_gap, next_gap = place + DROP_SAMPLES, True, place + gap_samples
    return n_decisions, found


@pytest.mark.parametrize("gap_s", range(1, 61))
def test_drop_outs(gap_s: int) -> None:
    """With drop-outs at any interval the alarm comes within 25 s of heard time, or the sensor reports `overrun`."""
    n_decisions, events = listen(gap_s, 40.0 if gap_s < CLIP_S else 20.0 * gap_s)
    if gap_s < CLIP_S:
        assert (n_decisions, events) == (0, [])  # see tests/daemon/audio/test_gap_rate.py
    else:
        assert [event.kind for event in events] == ["raised"]
        assert CLIP_S + (n_decisions - 1) * HOP_S <= HEARD_S


def gaps(story: Story, turn: int) -> None:
    """A gap before every second decision."""
    story.decide(True, after_gap=turn % 2 == 0)


def restarts(story: Story, turn: int) -> None:
    """A kill after every decision."""
    story.start(boot_s=float(turn), after_s=5.0)
    story.decide(True)


def reboots(story: Story, turn: int) -> None:
    """A reboot after every decision; the boot clock always shows the same time."""
    del turn
    story.start(boot_s=20.0, after_s=60.0)
    story.decide(True)


def reloads(story: Story, turn: int) -> None:
    """A reload that builds the machine again, after every third decision."""
    if turn % 3 == 0:
        story.start(boot_s=story.clock_s)
    story.decide(True)


def sensor_faults(story: Story, turn: int) -> None:
    """A microphone that is unplugged and plugged in again before every decision."""
    story.sense("missing" if turn % 2 else "stalled")
    story.sense("ok")
    story.decide(True, after_gap=True)


def set_clocks(story: Story, turn: int) -> None:
    """A wall clock that jumps forward and back by hours."""
    story.boot_s += 3600.0 * (-1) ** turn
    story.now_s -= 3600.0 * (-1) ** turn
    story.decide(True)


def acknowledgements(story: Story, turn: int) -> None:
    """An automation that keeps acknowledging and closing by the id of an old alarm."""
    del turn
    story.say("acknowledge", event_id="old")
    story.say("close", event_id="old")
    story.decide(True)


RECURRING: tuple[Callable[[Story, int], None], ...] = (gaps, restarts, reboots, reloads, sensor_faults, set_clocks, acknowledgements)


@pytest.mark.parametrize("recurs", RECURRING)
def test_the_alarm_comes_all_the_same(recurs: Callable[[Story, int], None]) -> None:
    """Each disturbance leaves one alarm, after as many decisions as without the disturbance."""
    story, n = Story(on_hops=ON_HOPS), 0
    while not story.state.active:
        recurs(story, n)
        n += 1
        assert n <= ON_HOPS + 1
    for turn in range(STEPS):
        recurs(story, turn)
    assert story.kinds() == ["raised"]
    assert story.state.alarm_id == "id-0"


@pytest.mark.parametrize("recurs", RECURRING[:-1])
def test_the_alarm_ends_all_the_same(recurs: Callable[[Story, int], None]) -> None:
    """Each disturbance leaves the off-delay at the same amount of heard time."""

    class QuietStory(Story):
        def decide(self, *exceeded: bool, after_gap: bool = False) -> None:
            super().decide(*(False for _ in exceeded), after_gap=after_gap)

    loud = Story(off_hops=10)
    loud.decide(True)
    story = QuietStory(loud.machine.record, off_hops=10)
    for turn in range(11):
        assert story.state.active
        recurs(story, turn)
    assert story.kinds() == ["cleared"]


def test_a_shelf_that_is_renewed() -> None:
    """Each renewal of a shelf is an event and lasts at most 7 days; the first decision after the last one raises the alarm."""
    story = Story(on_hops=ON_HOPS)
    for _ in range(20):
        assert story.say("shelve", duration_s=10) == ""
        story.decide(True, True)
    assert story.kinds() == ["shelved"] * 20
    story.wait(10)
    story.decide(True)
    assert story.kinds() == ["unshelved", "raised"]


def test_a_shelf_over_reboots_of_a_board_without_a_clock() -> None:
    """Without a set wall clock only the time in which the monitor runs counts towards the end of a shelf."""
    story = Story(on_hops=ON_HOPS)
    story.now_s -= NOW.timestamp()
    story.say("shelve", duration_s=1000)
    for _ in range(20):
        story.decide(*[True] * 120)  # two minutes
        story.start(boot_s=5.0)
    story.decide(True)
    assert story.kinds() == ["shelved", "unshelved", "raised"]


def test_a_ring_that_runs_over() -> None:
    """An overloaded processor loses sound but no delay: the remaining sound is judged."""
    ring, bundle = Ring(20 * RATE_HZ, 512), open_demo()
    judge = Judge(bundle.record, bundle.record.score, AlarmConfig(policy="threshold"))
    machine = Machine("pump", Pipeline(bundle.record, bundle.reference, FaultySession(), [bundle.record.score]), judge)
    events: list[Event] = []
    for turn in range(20):
        ring.write(Block(np.zeros(30 * RATE_HZ, np.float32), turn * 30 * RATE_HZ))
        while (run := ring.read(0.0)) is not None:
            events += [payload for payload in machine.hear(run, NOW, 0.0) if isinstance(payload, Event)]
    assert ring.gaps_total == 20
    assert [event.kind for event in events] == ["raised"]


def test_a_full_outbox() -> None:
    """A full outbox drops and counts the oldest event; the newest event and the retained state are sent."""
    outbox = MemoryOutbox(max_bytes=1000)
    for number in range(100):
        outbox.put(Message("aegan/hall/pump/event", b"%d" % number, 1, False, "event"))
    outbox.put(Message("aegan/hall/pump/alarm", b"active", 1, True, "alarm"))
    waiting = [message.payload for message in pending(outbox)]
    assert waiting[-2:] == [b"99", b"active"]
    assert outbox.measure().dropped_total == 100 - (len(waiting) - 1) > 0


def test_a_sensor_that_flaps_publishes_each_change_once() -> None:
    """A flapping sensor publishes each change once and does not affect the alarm."""
    story = Story()
    story.decide(True)
    record = story.record
    for _ in range(50):
        story.machine.sense(SensorState("missing"), NOW)
        story.machine.sense(SensorState("ok"), NOW)
    assert story.record == record
