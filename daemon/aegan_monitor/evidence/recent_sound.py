"""The last seconds of one stream in memory, as 16-bit samples."""

from collections import deque
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from aegan_monitor.audio.flac import quantise
from aegan_monitor.types import Run

Pcm: TypeAlias = NDArray[np.int16]


@dataclass(frozen=True, slots=True)
class Stretch:
    """Samples of a stream.

    Attributes:
        pcm: int16 `[n_samples]`, full scale is 32768.
        gaps: Places in `pcm` before which samples were lost, ascending.
    """

    pcm: Pcm
    gaps: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class _Piece:
    pcm: Pcm
    start_sample: int
    after_gap: bool


class RecentSound:
    """Copies of the newest runs of one stream. Nothing is forgotten but by `keep`.

    Attributes:
        n_samples: Samples in memory.
        next_sample: Index of the sample in the stream that follows them.
    """

    def __init__(self) -> None:
        self._pieces: deque[_Piece] = deque()
        self.n_samples = self.next_sample = 0

    def add(self, run: Run) -> None:
        """Copy the next run."""
        after_gap = self.n_samples > 0 and (run.after_gap or run.start_sample != self.next_sample)
        self._pieces.append(_Piece(quantise(run.samples), run.start_sample, after_gap))
        self.next_sample = run.start_sample + len(run.samples)
        self.n_samples += len(run.samples)

    def keep(self, n_samples: int) -> None:
        """Forget what is older than the last `n_samples`, in whole runs."""
        while self._pieces and self.n_samples - len(self._pieces[0].pcm) >= n_samples:
            self.n_samples -= len(self._pieces.popleft().pcm)

    def place_of(self, sample: int) -> int:
        """How many of the samples in memory were heard before `sample` of the stream."""
        return sum(min(max(sample - piece.start_sample, 0), len(piece.pcm)) for piece in self._pieces)

    def cut(self, start: int, stop: int) -> Stretch:
        """A copy of the samples from place `start` to `stop` (exclusive), as far as they are in memory."""
        start, parts, gaps, place = max(start, 0), list[Pcm](), list[int](), 0
        for piece in self._pieces:
            if piece.after_gap and start < place < stop:
                gaps.append(place - start)
            parts.append(piece.pcm[max(start - place, 0) : max(stop - place, 0)])
            place += len(piece.pcm)
        return Stretch(np.concatenate(parts) if parts else np.zeros(0, np.int16), tuple(gaps))
