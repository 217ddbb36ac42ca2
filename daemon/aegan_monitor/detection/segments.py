"""Segments, the network's input, cut from a stream of frames."""

import math
from dataclasses import dataclass

import numpy as np

from aegan_monitor.types import FloatArray

SPARE = 0.25  # of the columns that are kept: they are moved once in so many


@dataclass(frozen=True, slots=True)
class Scaling:
    """Maps dB to about [-1, 1] by statistics of the training set; field data may lie outside and is not clipped.

    Attributes:
        centre_db: Mapped to 0: one number for all bands, or one a band.
        half_range_db: Distance from the centre that is mapped to 1, likewise.
    """

    centre_db: tuple[float, ...]
    half_range_db: tuple[float, ...]

    def problems(self, n_bands: int) -> list[str]:
        """Invalid values, one line each; empty if there are none."""
        found = []
        for name, values in (("centre_db", self.centre_db), ("half_range_db", self.half_range_db)):
            if len(values) not in (1, n_bands):
                found.append(f"{name}: expected 1 number or {n_bands}, found {len(values)}")
        if not all(value > 0 for value in self.half_range_db):
            found.append("half_range_db: expected over 0")
        return found

    def apply(self, db: FloatArray) -> FloatArray:
        """`(db - centre) / half_range`, float32, of `[..., n_bands, n_frames]`."""
        centre, half_range = (np.array(values, np.float32)[:, None] for values in (self.centre_db, self.half_range_db))
        return ((db - centre) / half_range).astype(np.float32)


@dataclass(frozen=True, slots=True)
class ClipParameters:
    """How frames become segments, and segments clips; owned by the bundle.

    Attributes:
        segment_frames: Frames in a segment, the width of the network's input (128 are 4.1 s).
        clip_frames: Frames in a clip (304 are 9.7 s).
    """

    segment_frames: int = 128
    segment_hop_frames: int = 8
    clip_frames: int = 304
    decision_hop_frames: int = 32

    @property
    def n_segments(self) -> int:
        """Segments in a clip; part of the definition of each `sum` score."""
        return (self.clip_frames - self.segment_frames) // self.segment_hop_frames + 1

    @property
    def covered_frames(self) -> int:
        """Frames in the segments of a clip: `clip_frames` without the rest of the hop."""
        return self.segment_frames + (self.n_segments - 1) * self.segment_hop_frames

    @property
    def segments_per_decision(self) -> int:
        """New segments from decision to decision."""
        return self.decision_hop_frames // self.segment_hop_frames

    def problems(self) -> list[str]:
        """Inconsistent parameters, one line each; empty if there are none."""
        found = []
        if self.decision_hop_frames < 1:
            return [f"decision_hop_frames {self.decision_hop_frames} is not 1 or more"]
        if not 0 < self.segment_hop_frames <= self.segment_frames:
            return [f"segment_hop_frames {self.segment_hop_frames} is not from 1 to segment_frames {self.segment_frames}"]
        if self.clip_frames < self.segment_frames:
            found.append(f"clip_frames {self.clip_frames} is less than segment_frames {self.segment_frames}")
        if self.decision_hop_frames % self.segment_hop_frames:
            found.append(f"decision_hop_frames {self.decision_hop_frames} is no multiple of segment_hop_frames {self.segment_hop_frames}")
        return found


def cut_segments(db: FloatArray, clip: ClipParameters) -> FloatArray:
    """All segments in `db` `[n_bands, n_frames]`, as a view `[n, 1, n_bands, segment_frames]`; none if it is too short."""
    if db.shape[1] < clip.segment_frames:
        return np.zeros((0, 1, db.shape[0], clip.segment_frames), np.float32)
    windows = np.lib.stride_tricks.sliding_window_view(db, clip.segment_frames, axis=1)
    return windows[:, :: clip.segment_hop_frames].transpose(1, 0, 2)[:, None]


class Columns:
    """A window of a stream of columns: new ones come at the end, old ones go at the beginning."""

    def __init__(self, n_rows: int) -> None:
        self._storage: FloatArray = np.zeros((n_rows, 0), np.float32)
        self._start = self._stop = 0

    def __len__(self) -> int:
        """Number of columns."""
        return self._stop - self._start

    @property
    def values(self) -> FloatArray:
        """The columns, float32 `[n_rows, n_columns]`: a view, which holds until the next `append`."""
        return self._storage[:, self._start : self._stop]

    def append(self, columns: FloatArray) -> None:
        """Add `columns`, float32 `[n_rows, n]`."""
        n_new, n_kept = columns.shape[1], len(self)
        if self._stop + n_new > self._storage.shape[1]:
            before, n_wanted = self.values, math.ceil((1 + SPARE) * (n_kept + n_new))
            if n_wanted > self._storage.shape[1]:
                self._storage = np.empty((len(before), n_wanted), np.float32)
            self._storage[:, :n_kept] = before
            self._start, self._stop = 0, n_kept
        self._storage[:, self._stop : self._stop + n_new] = columns
        self._stop += n_new

    def forget(self, n: int) -> None:
        """Remove the `n` oldest columns."""
        self._start += n


class Segmenter:
    """Segments from a stream of frames; the first starts at the stream's first frame."""

    def __init__(self, n_bands: int, clip: ClipParameters, scaling: Scaling) -> None:
        self._clip = clip
        self._scaling = scaling
        self._n_bands = n_bands
        self.reset()

    def reset(self) -> None:
        """Start a new stream; no segment spans the reset."""
        self._pending = Columns(self._n_bands)

    def push(self, db: FloatArray) -> FloatArray:
        """All scaled segments, float32 `[n, 1, n_bands, segment_frames]`, that `db` `[n_bands, n_frames]` completes."""
        self._pending.append(self._scaling.apply(db))
        segments = np.ascontiguousarray(cut_segments(self._pending.values, self._clip))
        self._pending.forget(len(segments) * self._clip.segment_hop_frames)
        return segments
