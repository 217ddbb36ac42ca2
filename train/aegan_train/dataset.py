"""Normal recordings as spectrograms, split by recording, and the segments of an epoch."""

import contextlib
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import groupby
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from aegan_monitor.detection.segments import ClipParameters, Scaling
from aegan_monitor.errors import DataError
from aegan_monitor.files import show_path
from aegan_monitor.types import DoubleArray, FloatArray
from aegan_train.config import ScalingKind, TrainConfig
from aegan_train.recordings.folder import Clip, print_skipped
from aegan_train.recordings.prepare import LEAST_CLIPS, prepare
from aegan_train.recordings.spectrograms import Spectrograms, compute_spectrograms

LEAST_BAND_STD_DB = 0.3  # floor for a nearly constant band (silence above a low-pass filter), so that its noise is not amplified
BAND_STDS = 3.0  # nearly all values of a band then lie in [-1, 1], the range of the generator
IntArray = NDArray[np.int64]
LEAST_RUN_CLIPS = 2  # shorter runs would hold out single clips and fit their neighbours of the same recording
N_HELD_OUT_RUNS = 4  # without a manifest, the held-out clips are this many runs of consecutive clips
PART = re.compile("/[0-9]{3,}$")  # the part of a recording, in the tags of `aegan-monitor record`


def group_by_recording(clips: Sequence[Clip], n_held_out: int) -> list[list[Clip]]:
    """Groups of clips that are never split: clips of one recording, or runs of consecutive clips where it is unknown or the only one."""
    is_single = len({clip.recording for clip in clips}) == 1
    known: dict[str, list[Clip]] = {}
    others: list[Clip] = []
    for clip in clips:
        (known.setdefault(clip.recording, []) if clip.recording and not is_single else others).append(clip)
    length = max(LEAST_RUN_CLIPS, n_held_out // N_HELD_OUT_RUNS)
    runs: list[list[Clip]] = []
    for _, each in groupby(others, key=lambda clip: (clip.path.parent, clip.section, clip.domain)):
        neighbours = list(each)
        runs += [neighbours[i : i + length] for i in range(0, len(neighbours), length)]
    return [*known.values(), *runs]


def number_recordings(clips: Sequence[Clip], held_out: float) -> IntArray:
    """The number of each clip's group (`group_by_recording`), from 0, where a part `held_out` of all clips is held out."""
    groups = group_by_recording(clips, max(2, round(held_out * len(clips))))
    number_of = {clip: number for number, group in enumerate(groups) for clip in group}
    return np.array([number_of[clip] for clip in clips])


def split_held_out(clips: Sequence[Clip], fraction: float, seed: int) -> tuple[list[Clip], list[Clip]]:
    """(clips to fit, clips held out for calibration).

    Of several recordings none is split between the two. One recording alone is split in time: runs of consecutive clips are held out.
    """
    n_wanted = max(2, round(fraction * len(clips)))
    groups = group_by_recording(clips, n_wanted)
    held_out: set[Clip] = set()
    for place in np.random.default_rng(seed).permutation(len(groups))[:-1]:
        if len(held_out) + len(groups[place]) <= max(n_wanted, min(map(len, groups))):
            held_out.update(groups[place])
    if not held_out:  # the only group that is small enough came last
        smallest: list[Clip] = min(groups, key=list.__len__)
        held_out.update(smallest)
    return [clip for clip in clips if clip not in held_out], [clip for clip in clips if clip in held_out]


def warn_of_one_recording(clips: Sequence[Clip]) -> None:
    """Warn that held-out sound is of the same recording as the rest, where there is only one."""
    found = {PART.sub("", clip.recording) for clip in clips}
    if len(found) == 1 and "" not in found:
        print(
            f"warning: all sound is of one recording ({show_path(found.pop())}), what is held out as well: this cannot prove that another "
            "day, load or place raises no false alarm; record on other days, too",
            file=sys.stderr,
        )


@contextlib.contextmanager
def gather_recordings(
    data: Sequence[Path], machine_type: str, config: TrainConfig, run: Path, channel: int | None = None
) -> Iterator[tuple[Spectrograms, TrainConfig]]:
    """The spectrograms of all normal recordings in `data` that can be trained on, and the settings with the length of a clip.

    They are there for the block: what was cut and joined (`prepare`) is removed at its end. Prints the skipped files on stderr.

    Raises:
        DataError: There are fewer than LEAST_CLIPS, or their features cannot be stored in the folder `run`.
    """
    with prepare(data, machine_type, config, run, channel) as prepared:
        found = compute_spectrograms(prepared.clips, config.features, prepared.config.clip, run)
        skipped = [*prepared.skipped, *found.skipped]
        print_skipped(skipped)
        if not found.clips:
            raise DataError(f"{data[0]}: no recording can be trained on, for the reasons above; mend them, or record normal sound again")
        if (n := len(found.clips)) < LEAST_CLIPS:
            raise DataError(f"{data[0]}: expected at least {LEAST_CLIPS} normal clips, found {n}; record more normal sound")
        yield replace(found, skipped=skipped), prepared.config


def find_scaling(db: Sequence[FloatArray], kind: ScalingKind = "extremes") -> Scaling:
    """The scaling by the extremes of the training set, or (`bands`) by mean and BAND_STDS standard deviations of each band.

    Raises:
        DataError: The clips hold digital silence, or one constant value.
    """
    min_db, max_db = float(min(each.min() for each in db)), float(max(each.max() for each in db))
    if max_db - min_db < 1.0:
        raise DataError("the training clips hold no sound (all bands are equally loud); check the recordings")
    if kind == "extremes":
        return Scaling(((max_db + min_db) / 2,), ((max_db - min_db) / 2,))
    mean, variance = find_moments(db)
    half_range = BAND_STDS * np.maximum(np.sqrt(variance), LEAST_BAND_STD_DB)
    return Scaling(tuple(mean.tolist()), tuple(half_range.tolist()))


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
