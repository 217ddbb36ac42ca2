"""Ring buffer between a writing and a reading thread. Writing never blocks; it overwrites the oldest samples."""

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from aegan_monitor.audio.gap_rate import GapRate
from aegan_monitor.types import Block, FloatArray, Run


@dataclass(slots=True)
class _Stretch:
    """Samples without a gap.

    Attributes:
        n_to_end: Samples from the first one to the end of the next run.
        times: Sample indices and their times of sounding, ascending; empty if unknown.
    """

    start_sample: int
    n_samples: int
    after_gap: bool
    n_to_end: int
    times: deque[tuple[int, float]] = field(default_factory=deque)

    def mark(self, block: Block) -> None:
        """Store the times of a block."""
        if block.began_s is None or block.ended_s is None:
            self.times.clear()
            return
        if not self.times:
            self.times.append((block.start_sample, block.began_s))
        self.times.append((block.start_sample + len(block.samples), block.ended_s))
        while len(self.times) > 1 and self.times[1][0] <= self.start_sample:
            self.times.popleft()

    def find_times_s(self, n_samples: int) -> tuple[float, float] | tuple[None, None]:
        """Times of the begin and the end of the first `n_samples`, interpolated."""
        if not self.times or self.start_sample < self.times[0][0]:
            return None, None
        samples, times_s = np.array(self.times).T
        began_s, ended_s = np.interp([self.start_sample, self.start_sample + n_samples], samples, times_s)
        return float(began_s), float(ended_s)


class Ring:
    """Takes blocks and returns runs, for one writing and one reading thread.

    A run never spans a gap. It ends `first_samples`, or some hops more, after the stream's beginning or its last gap, unless a gap or
    the end follows. So a reader is woken when there is something to compute, not for each block. A run has `longest_run_samples` at most,
    which bounds the memory of a late reader.

    Attributes:
        dropped_samples_total: Samples that were overwritten before they were read.
        gaps_total: Runs after a gap, of the ring or of the device.
        is_ready: A run can be read; any thread may look.
        notify: Called by the writing thread, without a lock, when samples can be read or the end is reached.
    """

    def __init__(
        self,
        capacity_samples: int,
        hop_samples: int,
        longest_run_samples: int | None = None,
        notify: Callable[[], object] = lambda: None,
        gap_rate: GapRate | None = None,
        first_samples: int = 0,
    ) -> None:
        """Make an empty ring. The longest run is cut to whole hops, one at least; of `first_samples` whole hops are left out."""
        if not 0 < hop_samples <= capacity_samples:
            raise ValueError(f"expected 0 < hop_samples <= capacity_samples, found {hop_samples} and {capacity_samples}")
        self.dropped_samples_total = 0
        self.gaps_total = 0
        self.is_ready = False
        self._hop_samples = hop_samples
        self._first_samples = first_samples % hop_samples or hop_samples
        self._longest_run_samples = capacity_samples
        if longest_run_samples is not None:
            self._longest_run_samples = max(hop_samples, longest_run_samples - longest_run_samples % hop_samples)
        self._storage: FloatArray = np.zeros(capacity_samples, np.float32)
        self._write_at = 0
        self._n_stored = 0
        self._next_sample = 0
        self._stretches = deque([_Stretch(0, 0, after_gap=False, n_to_end=self._first_samples)])  # only the last may be empty
        self._closed = False
        self._changed = threading.Condition()
        self.notify = notify
        self._gap_rate = gap_rate

    @property
    def ended(self) -> bool:
        """Whether the capture has ended and everything was read."""
        with self._changed:
            return self._closed and self._n_stored == 0

    @property
    def n_late(self) -> int:
        """Samples that wait longer than for the end of a hop, because the reader is late (any thread)."""
        return max(0, self._n_stored - self._hop_samples)

    @property
    def overrun_window_samples(self) -> int:
        """The window of `GapRate` during an overrun, else 0."""
        return self._gap_rate.window_samples if self._gap_rate and self._gap_rate.is_overrun else 0

    def write(self, block: Block) -> None:
        """Write a block; overwrites the oldest samples of a full ring (writing thread)."""
        with self._changed:
            if block.overflowed or block.start_sample != self._next_sample:
                if self._stretches[-1].n_samples == 0:
                    self._stretches.pop()
                self._stretches.append(_Stretch(block.start_sample, 0, after_gap=True, n_to_end=self._first_samples))
            for start in range(0, len(block.samples), len(self._storage)):
                self._append(block.samples[start : start + len(self._storage)])
            if len(block.samples):
                self._stretches[-1].mark(block)
            self._next_sample = block.start_sample + len(block.samples)
            self._changed.notify()
            is_ready = self.is_ready = self._n_ready() > 0
        if is_ready:
            self.notify()

    def wait_for_room(self, n_samples: int, timeout_s: float) -> bool:
        """Wait until `n_samples` fit without loss (writing thread); False if they do not."""
        with self._changed:
            return self._changed.wait_for(lambda: self._n_stored + n_samples <= len(self._storage), timeout_s)

    def end(self) -> None:
        """Mark the end (writing thread)."""
        with self._changed:
            self._closed = True
            self.is_ready = self._n_ready() > 0
            self._changed.notify()
        self.notify()

    def read(self, timeout_s: float) -> Run | None:
        """The next run of the oldest stretch; None after `timeout_s` or at the end (reading thread)."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._n_ready() > 0 or self._closed, timeout_s) or self._n_stored == 0:
                return None
            stretch, n_samples = self._stretches[0], self._n_ready()
            run = Run(self._copy_oldest(n_samples), stretch.start_sample, stretch.after_gap, *stretch.find_times_s(n_samples))
            self.gaps_total += stretch.after_gap
            if self._gap_rate:
                self._gap_rate.add(n_samples, after_gap=stretch.after_gap)
            stretch.after_gap = False
            stretch.n_to_end = self._hop_samples - (n_samples - stretch.n_to_end) % self._hop_samples
            self._discard_oldest(n_samples)
            self.is_ready = self._n_ready() > 0
            self._changed.notify()
            return run

    def _n_ready(self) -> int:
        n_samples, n_to_end = self._stretches[0].n_samples, self._stretches[0].n_to_end
        if n_samples > self._longest_run_samples:
            n_samples = self._longest_run_samples  # which need not be the last of the stretch
        elif self._closed or len(self._stretches) > 1:
            return n_samples
        return n_samples - (n_samples - n_to_end) % self._hop_samples if n_samples >= n_to_end else 0

    def _append(self, samples: FloatArray) -> None:
        """Append at most `capacity` samples."""
        capacity = len(self._storage)
        n_overwritten = max(0, self._n_stored + len(samples) - capacity)
        if n_overwritten:
            self._discard_oldest(n_overwritten)
            self._stretches[0].after_gap, self._stretches[0].n_to_end = True, self._first_samples
            self.dropped_samples_total += n_overwritten
        n_to_edge = min(len(samples), capacity - self._write_at)
        self._storage[self._write_at : self._write_at + n_to_edge] = samples[:n_to_edge]
        self._storage[: len(samples) - n_to_edge] = samples[n_to_edge:]
        self._write_at = (self._write_at + len(samples)) % capacity
        self._n_stored += len(samples)
        self._stretches[-1].n_samples += len(samples)

    def _copy_oldest(self, n_samples: int) -> FloatArray:
        start = (self._write_at - self._n_stored) % len(self._storage)
        n_to_edge = min(n_samples, len(self._storage) - start)
        return np.concatenate([self._storage[start : start + n_to_edge], self._storage[: n_samples - n_to_edge]])

    def _discard_oldest(self, n_samples: int) -> None:
        """Remove the oldest samples, and empty stretches except the last, which may grow."""
        self._n_stored -= n_samples
        while n_samples:
            oldest = self._stretches[0]
            n_taken = min(n_samples, oldest.n_samples)
            oldest.start_sample += n_taken
            oldest.n_samples -= n_taken
            n_samples -= n_taken
            if oldest.n_samples == 0 and len(self._stretches) > 1:
                self._stretches.popleft()
