"""The ring, against a model that moves one sample at a time."""

import threading
from collections import deque
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aegan_monitor.audio.ring import Ring
from aegan_monitor.types import Block, FloatArray, Run


class Write(NamedTuple):
    """Write a block behind a jump of the sample index."""

    n_samples: int
    jump: int
    overflowed: bool


class Read(NamedTuple):
    """Read whatever is there."""


@dataclass
class Sample:
    """One sample of the model; its value tells how many were written before it."""

    index: int
    value: float
    after_gap: bool


@dataclass
class Model:
    """The ring as it should be, in as few ideas as possible."""

    capacity: int
    hop: int
    longest: int | None
    first: int = 0
    n_since: int = 0  # samples that were read since the beginning or the last gap
    stored: deque[Sample] = field(default_factory=deque)
    next_after_gap: bool = False
    dropped: int = 0
    closed: bool = False

    def append(self, index: int, value: float) -> None:
        """Store one sample; a sample that is overwritten leaves a gap before the next."""
        self.stored.append(Sample(index, value, self.next_after_gap))
        self.next_after_gap = False
        if len(self.stored) > self.capacity:
            self.stored.popleft()
            self.stored[0].after_gap = True
            self.dropped += 1

    def read(self) -> list[Sample]:
        """The oldest samples up to a gap, to the end of a hop unless nothing can join them, and not more than the longest run."""
        if self.stored and self.stored[0].after_gap:
            self.n_since = 0
        until_gap = [sample.after_gap for sample in list(self.stored)[1:]]
        has_gap = True in until_gap or (bool(self.stored) and self.next_after_gap)
        n = until_gap.index(True) + 1 if True in until_gap else len(self.stored)
        longest = n if self.longest is None else max(self.hop, self.longest - self.longest % self.hop)
        if n > longest or not (has_gap or self.closed):
            n = max((each for each in range(min(n, longest) + 1) if (self.n_since + each - self.first) % self.hop == 0), default=0)
        self.n_since += n
        return [self.stored.popleft() for _ in range(n)]


def ramp(start: int, n_samples: int) -> FloatArray:
    """Samples that tell their own place."""
    return np.arange(start, start + n_samples, dtype=np.float32)


def check_run(run: Run | None, expected: list[Sample]) -> None:
    """The run is what the model gives: same samples, same index, same mark."""
    if not expected:
        assert run is None
        return
    assert run is not None
    assert run.samples.dtype == np.float32
    assert run.samples.tolist() == [sample.value for sample in expected]
    assert [run.start_sample + i for i in range(len(expected))] == [sample.index for sample in expected]
    assert run.after_gap == expected[0].after_gap


writes = st.builds(Write, st.integers(0, 25), st.sampled_from([0, 0, 0, 0, 1, 7]), st.sampled_from([False, False, False, True]))


actions_of_both = st.lists(st.one_of(writes, st.just(Read())))


@given(st.integers(1, 20), st.integers(1, 6), st.none() | st.integers(1, 25), st.integers(0, 9), actions_of_both)
def test_ring_is_its_model(capacity: int, hop: int, longest: int | None, first: int, actions: list[Write | Read]) -> None:
    """Whatever is written and read: in order, nothing twice, read + dropped = written, gaps marked exactly where samples are missing."""
    hop = min(hop, capacity)
    ring, model = Ring(capacity, hop, longest, first_samples=first), Model(capacity, hop, longest, first)
    n_written, n_read, n_gaps, index = 0, 0, 0, 0

    def read() -> None:
        nonlocal n_read, n_gaps
        expected = model.read()
        assert ring.is_ready == bool(expected)
        check_run(ring.read(timeout_s=0), expected)
        n_read += len(expected)
        n_gaps += bool(expected) and expected[0].after_gap

    for action in actions:
        if isinstance(action, Read):
            read()
            continue
        index += action.jump
        model.next_after_gap |= action.jump > 0 or action.overflowed
        ring.write(Block(ramp(n_written, action.n_samples), index, action.overflowed))
        for offset in range(action.n_samples):
            model.append(index + offset, float(n_written + offset))
        index, n_written = index + action.n_samples, n_written + action.n_samples
    ring.end()
    model.closed = True
    while model.stored:
        assert not ring.ended
        read()
    assert ring.ended
    assert ring.read(timeout_s=60) is None
    assert ring.dropped_samples_total == model.dropped == n_written - n_read
    assert ring.gaps_total == n_gaps


def test_run_is_whole_hops() -> None:
    """What does not fill a hop waits for the next block."""
    ring = Ring(capacity_samples=100, hop_samples=8)
    ring.write(Block(ramp(0, 21), 0))
    check_run(ring.read(timeout_s=0), [Sample(i, i, after_gap=False) for i in range(16)])
    assert ring.read(timeout_s=0) is None
    ring.write(Block(ramp(21, 3), 21))
    check_run(ring.read(timeout_s=0), [Sample(i, i, after_gap=False) for i in range(16, 24)])


def test_overflow_restarts_alignment() -> None:
    """After an overflow the next run starts at the oldest sample left, and says that a gap lies before it."""
    ring = Ring(capacity_samples=16, hop_samples=8)
    ring.write(Block(ramp(0, 10), 0))
    ring.write(Block(ramp(10, 9), 10))
    check_run(ring.read(timeout_s=0), [Sample(i, i, after_gap=i == 3) for i in range(3, 19)])
    assert (ring.dropped_samples_total, ring.gaps_total) == (3, 1)


def test_jump_ends_a_run() -> None:
    """Samples before and after a jump come in two runs, the rest of a hop before it included."""
    ring = Ring(capacity_samples=100, hop_samples=8)
    ring.write(Block(ramp(0, 11), 0))
    ring.write(Block(ramp(11, 8), 1000))
    check_run(ring.read(timeout_s=0), [Sample(i, i, after_gap=False) for i in range(11)])
    check_run(ring.read(timeout_s=0), [Sample(989 + i, i, after_gap=i == 11) for i in range(11, 19)])


def test_threads_lose_nothing_unsaid() -> None:
    """With a writer and a reader at full speed every sample is read once, in order, or counted as dropped."""
    n_blocks, block_samples = 2000, 97
    ring = Ring(capacity_samples=1000, hop_samples=64)

    def produce() -> None:
        for i in range(n_blocks):
            ring.write(Block(ramp(i * block_samples, block_samples), i * block_samples))
        ring.end()

    writer = threading.Thread(target=produce)
    writer.start()
    next_sample, n_missing, n_gaps = 0, 0, 0
    while not ring.ended:
        run = ring.read(timeout_s=10)
        assert run is not None
        np.testing.assert_array_equal(run.samples, ramp(run.start_sample, len(run.samples)))
        assert run.after_gap == (run.start_sample != next_sample)
        n_missing += run.start_sample - next_sample
        n_gaps += run.after_gap
        next_sample = run.start_sample + len(run.samples)
    writer.join()
    assert next_sample == n_blocks * block_samples
    assert (ring.dropped_samples_total, ring.gaps_total) == (n_missing, n_gaps)


def test_waiting_reader_is_woken() -> None:
    """A reader that waits gets the run as soon as it is there, and None as soon as the capture ends."""
    ring = Ring(capacity_samples=100, hop_samples=8)
    got: list[Run | None] = []
    reader = threading.Thread(target=lambda: got.extend(ring.read(timeout_s=60) for _ in range(2)))
    reader.start()
    ring.write(Block(ramp(0, 8), 0))
    while not got and reader.is_alive():
        reader.join(timeout=0.01)
    ring.end()
    reader.join(timeout=30)
    assert not reader.is_alive()
    check_run(got[0], [Sample(i, i, after_gap=False) for i in range(8)])
    assert got[1] is None


def test_one_reader_can_wait_for_several_rings() -> None:
    """`notify` is called when a run can be read and at the end, and not for samples that fill no hop; whoever is called may read."""
    news: list[Run | None] = []
    ring = Ring(capacity_samples=100, hop_samples=8)
    ring.notify = lambda: news.append(ring.read(timeout_s=0))
    ring.write(Block(ramp(0, 7), 0))
    assert news == []
    ring.write(Block(ramp(7, 1), 7))
    check_run(news.pop(), [Sample(i, i, after_gap=False) for i in range(8)])
    ring.end()
    assert news == [None]


def test_writer_can_wait_for_room() -> None:
    """A writer that need not hurry learns whether a block fits without loss, and is woken when the reader has made room."""
    ring = Ring(capacity_samples=16, hop_samples=8)
    ring.write(Block(ramp(0, 9), 0))
    assert ring.wait_for_room(7, timeout_s=0)
    assert not ring.wait_for_room(8, timeout_s=0.01)
    got: list[bool] = []
    writer = threading.Thread(target=lambda: got.append(ring.wait_for_room(8, timeout_s=60)))
    writer.start()
    ring.read(timeout_s=0)
    writer.join(timeout=30)
    assert got == [True]
    assert ring.dropped_samples_total == 0


def test_read_gives_up_after_its_time() -> None:
    """With too little for a hop, read comes back with None, and the ring has not ended."""
    ring = Ring(capacity_samples=100, hop_samples=8)
    ring.write(Block(ramp(0, 7), 0))
    assert ring.read(timeout_s=0.01) is None
    assert not ring.ended


def test_ring_too_small_for_a_hop_is_refused() -> None:
    """A ring that could never give a run is not made."""
    with pytest.raises(ValueError, match="expected 0 < hop_samples <= capacity_samples, found 8 and 7"):
        Ring(capacity_samples=7, hop_samples=8)
