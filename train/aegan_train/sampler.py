"""Samples the segments of an epoch from spectrograms, and puts them on the training device."""

from collections.abc import Iterable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from aegan_monitor.detection.segments import ClipParameters, Scaling
from aegan_monitor.types import DoubleArray, FloatArray
from aegan_train.recordings.spectrograms import Spectrograms

IntArray = NDArray[np.int64]


def find_moments(pictures: Iterable[FloatArray]) -> tuple[DoubleArray, DoubleArray]:
    """Mean and variance of each band over all frames of pictures `[n_bands, n_frames]`, with one picture in memory at a time."""
    n_frames, total, squares = 0, np.zeros(1), np.zeros(1)
    for each in pictures:
        n_frames += each.shape[1]
        total = total + each.sum(axis=1, dtype=np.float64)
        squares = squares + np.square(each, dtype=np.float64).sum(axis=1)
    mean: DoubleArray = total / n_frames
    return mean, np.maximum(0.0, squares / n_frames - np.square(mean))  # rounding may give a constant band a variance below 0


class SegmentSampler:
    """Cuts the segments of an epoch and puts them on the training device.

    In each pass the segments of a clip begin at a random phase (0 to hop - 1 frames) and then every hop frames, so after some passes
    the network has seen every segment. At hop 1 this is the procedure of the reference code. An epoch is one pass, or `epoch_batches`
    batches of as many passes as that takes.

    The frames stay in a memory map on disk, and each batch reads and scales its own frames. A GPU holds all frames where they fit.
    """

    def __init__(
        self,
        pictures: Spectrograms,
        scaling: Scaling,
        clip: ClipParameters,
        batch_segments: int,
        device: torch.device,
        epoch_batches: int | None = None,
    ) -> None:
        self._clip, self._scaling, self._device = clip, scaling, device
        self._frames = pictures.frames
        self._first_frames, self._n_frames = np.array(pictures.first_frames), np.array(pictures.n_frames)
        variance = find_moments(pictures.db)[1]  # scaled: the mean squared error of a generator that returns each band's mean
        self.mean_picture_error = float(np.mean(variance / np.square(scaling.half_range_db)))
        self._on_device = self._load(pictures.db) if device.type == "cuda" else None
        n_segments = len(self._cut(np.zeros_like(self._n_frames)))
        self.batch_segments = min(batch_segments, n_segments)
        self._epoch_batches = epoch_batches
        self.epoch_segments = (epoch_batches or n_segments // self.batch_segments) * self.batch_segments

    def _load(self, db: Sequence[FloatArray]) -> Tensor | None:
        """All scaled frames `[n_frames, n_bands]` on the device, or None where they would take more than half of its free memory."""
        n_frames, n_bands = int(self._n_frames.sum()), self._frames.shape[1]
        if n_frames * n_bands * 4 > torch.cuda.mem_get_info(self._device)[0] // 2:
            return None
        frames = torch.empty(n_frames, n_bands, device=self._device)
        self._first_frames = np.cumsum([0, *self._n_frames[:-1]])
        for first, each in zip(self._first_frames.tolist(), db, strict=True):
            frames[first : first + each.shape[1]] = torch.from_numpy(self._scaling.apply(each).T)
        return frames

    def _cut(self, phases: IntArray) -> Tensor:
        last = self._n_frames - self._clip.segment_frames
        hop = self._clip.segment_hop_frames
        starts = [first + np.arange(phase, end + 1, hop) for first, end, phase in zip(self._first_frames, last, phases, strict=True)]
        return torch.from_numpy(np.concatenate(starts))

    def epoch(self, rng: torch.Generator) -> list[Tensor]:
        """First frames of the segments of each batch, in random order; the last partial batch of a pass is dropped."""
        batches = self._draw_pass(rng)
        while len(batches) < (self._epoch_batches or 0):
            batches += self._draw_pass(rng)
        return batches[: self._epoch_batches]

    def _draw_pass(self, rng: torch.Generator) -> list[Tensor]:
        phases = torch.randint(self._clip.segment_hop_frames, (len(self._n_frames),), generator=rng).numpy()
        starts = self._cut(np.minimum(phases, self._n_frames - self._clip.segment_frames))
        order = torch.randperm(len(starts), generator=rng)
        n_batches = max(1, len(starts) // self.batch_segments)
        return list(starts[order][: n_batches * self.batch_segments].split(self.batch_segments))

    def spread(self, n: int) -> Tensor:
        """First frames of at most `n` segments, evenly spread over all recordings."""
        starts = self._cut(np.zeros_like(self._n_frames))
        return starts[np.unique(np.linspace(0, len(starts) - 1, n).astype(int))]

    def slice(self, starts: Tensor) -> Tensor:
        """The segments `[n, 1, n_bands, segment_frames]` that begin at these frames."""
        places = starts[:, None] + torch.arange(self._clip.segment_frames)
        if self._on_device is not None:
            return self._on_device[places.to(self._device)].transpose(1, 2)[:, None]
        segments = self._frames[places.numpy()].transpose(0, 2, 1)
        return torch.from_numpy(self._scaling.apply(segments))[:, None].to(self._device)
