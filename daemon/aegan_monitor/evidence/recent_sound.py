"""The last seconds of one stream in memory, as 16-bit samples."""

from collections import deque
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from aegan_monitor.audio.flac import quantise
from aegan_monitor.types import Run

Pcm: TypeAlias = NDArray[np.int16]

BLOCK_SAMPLES = 1 << 16  # 128 KB, which goes back to the system when it is freed


@dataclass(frozen=True, slots=True)
class Stretch:
    """Samples of a stream.

    Attributes:
        pcm: int16 `[n_samples]`, full scale is 32768.
        gaps: Places in `pcm` before which samples were lost, ascending.
    """

    pcm: Pcm
    gaps: tuple[int, ...] = ()


class RecentSound:
    """Copies of the newest runs of one stream, one after the other. Nothing is forgotten but by `keep`.

    Attributes:
        next_sample: Index of the sample in the stream that follows them.
    """

    def __init__(self) -> None:
        self.next_sample = 0
        self._blocks: deque[Pcm] = deque()  # the last may be partly filled
        self._n_forgotten = self._n_heard = 0
        self._runs: deque[tuple[int, int]] = deque()  # of each unbroken stretch: samples heard before it, its first sample in the stream

    @property
    def n_samples(self) -> int:
        """Samples in memory."""
        return self._n_heard - self._n_forgotten

    def add(self, run: Run) -> None:
        """Copy the next run."""
        if not self._runs or run.after_gap or run.start_sample != self.next_sample:
            self._runs.append((self._n_heard, run.start_sample))
        self.next_sample = run.start_sample + len(run.samples)
        pcm = quantise(run.samples)
        while len(pcm):
            filled = (self._n_heard - self._n_forgotten) % BLOCK_SAMPLES
            if not filled:
                self._blocks.append(np.empty(BLOCK_SAMPLES, np.int16))
            part, pcm = pcm[: BLOCK_SAMPLES - filled], pcm[BLOCK_SAMPLES - filled :]
            self._blocks[-1][filled : filled + len(part)] = part
            self._n_heard += len(part)

    def keep(self, n_samples: int) -> None:
        """Forget what is older than the last `n_samples`, in whole blocks."""
        while self.n_samples - BLOCK_SAMPLES >= n_samples:
            self._blocks.popleft()
            self._n_forgotten += BLOCK_SAMPLES
        while len(self._runs) > 1 and self._runs[1][0] <= self._n_forgotten:
            self._runs.popleft()

    def place_of(self, sample: int) -> int:
        """How many of the samples in memory were heard before `sample` of the stream."""
        ends = [*(n_before for n_before, _ in list(self._runs)[1:]), self._n_heard]
        place = self._n_forgotten
        for (n_before, first), end in zip(self._runs, ends, strict=True):
            place = max(place, min(n_before + sample - first, end))
        return place - self._n_forgotten

    def cut(self, start: int, stop: int) -> Stretch:
        """A copy of the samples from place `start` to `stop` (exclusive), as far as they are in memory."""
        start, stop = max(start, 0), min(max(stop, 0), self.n_samples)
        pcm = np.empty(max(stop - start, 0), np.int16)
        for number, block in enumerate(self._blocks):
            first, last = max(start, number * BLOCK_SAMPLES), min(stop, (number + 1) * BLOCK_SAMPLES)
            if first < last:
                pcm[first - start : last - start] = block[first - number * BLOCK_SAMPLES : last - number * BLOCK_SAMPLES]
        places = [n_before - self._n_forgotten for n_before, _ in self._runs]
        return Stretch(pcm, tuple(place - start for place in places if start < place < stop))
