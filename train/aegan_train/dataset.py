"""Normal recordings as spectrograms, split by recording, and the segments of an epoch."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from aegan_monitor.capture.file import read_recording
from aegan_monitor.controls import make_control_filterbank, mean_bands
from aegan_monitor.errors import CaptureError, DataError
from aegan_monitor.logmel import FeatureParameters, LogMel, limit_range, make_filterbank
from aegan_monitor.segments import ClipParameters, Scaling
from aegan_monitor.types import DoubleArray, FloatArray
from aegan_train.dcase import Clip

LEAST_CLIPS = 8  # six for a reference set with its neighbours, two to calibrate on
N_HELD_OUT_RUNS = 4  # without a manifest, the held-out clips are this many runs of consecutive clips


def group_by_recording(clips: Sequence[Clip], n_held_out: int) -> list[list[Clip]]:
    """Clips that belong together: of one recording, or (where the folder does not say) neighbours by number."""
    known: dict[str, list[Clip]] = {}
    for clip in clips:
        if clip.recording:
            known.setdefault(clip.recording, []).append(clip)
    unknown = [clip for clip in clips if not clip.recording]
    length = max(1, n_held_out // N_HELD_OUT_RUNS)
    return [*known.values(), *(unknown[i : i + length] for i in range(0, len(unknown), length))]


def split_held_out(clips: Sequence[Clip], fraction: float, seed: int) -> tuple[list[Clip], list[Clip]]:
    """(clips to fit, clips held out for calibration); whole recordings go one way or the other.

    Raises:
        DataError: There are too few clips, or all are of one recording.
    """
    if len(clips) < LEAST_CLIPS:
        raise DataError(
            f"{clips[0].path.parent}: expected at least {LEAST_CLIPS} normal clips, found {len(clips)}; record more normal sound"
        )
    n_wanted = max(2, round(fraction * len(clips)))
    groups = group_by_recording(clips, n_wanted)
    if len(groups) < 2:
        raise DataError(
            f"{clips[0].path.parent}: expected at least 2 recordings (manifest.csv, column flight), found 1; record another one"
        )
    held_out: set[Clip] = set()
    for place in np.random.default_rng(seed).permutation(len(groups))[:-1]:
        if len(held_out) + len(groups[place]) <= max(n_wanted, min(map(len, groups))):
            held_out.update(groups[place])
    if not held_out:  # the one small enough group came last
        smallest: list[Clip] = min(groups, key=list.__len__)
        held_out.update(smallest)
    return [clip for clip in clips if clip not in held_out], [clip for clip in clips if clip in held_out]


@dataclass(frozen=True, slots=True)
class Spectrograms:
    """The clips of a data set, in dB.

    Attributes:
        db: One float32 `[n_bands, n_frames]` a clip.
        control_bands: float64 `[n_clips, 2, 128]`, each clip's mean linear and mel bands.
        sha256: Of all samples, in order.
    """

    db: list[FloatArray]
    control_bands: DoubleArray
    sha256: str


def compute_spectrograms(
    clips: Sequence[Clip], features: FeatureParameters, clip: ClipParameters, on_clip: Callable[[], object] = lambda: None
) -> Spectrograms:
    """Read every clip; one that is not as it should be ends it.

    Raises:
        CaptureError: A recording is damaged, of another format, or shorter than one segment.
    """
    logmel = LogMel(features, make_filterbank(features), make_control_filterbank(features))
    digest = hashlib.sha256()
    found, control_bands = [], []
    for each in clips:
        samples = read_recording(each.path, features.sample_rate_hz)
        digest.update(samples.tobytes())
        frames = logmel.transform_clip(samples)
        if frames.db.shape[1] < clip.segment_frames:
            least_s = (clip.segment_frames - 1) * features.hop_s
            found_s = len(samples) / features.sample_rate_hz
            raise CaptureError(f"{each.path}: expected at least {least_s:.2f} s, found {found_s:.2f} s; record longer clips or remove it")
        found.append(limit_range(frames.db, features.top_db))
        control_bands.append(mean_bands(frames.control_db))
        on_clip()
    return Spectrograms(found, np.stack(control_bands), digest.hexdigest())


def find_scaling(db: Sequence[FloatArray]) -> Scaling:
    """Extremes of the whole training set.

    Raises:
        DataError: It is digital silence, or one constant.
    """
    scaling = Scaling(float(min(each.min() for each in db)), float(max(each.max() for each in db)))
    if scaling.max_db - scaling.min_db < 1.0:
        raise DataError("the training clips hold no sound (all bands are equally loud); check the recordings")
    return scaling


class SegmentSampler:
    """The segments of an epoch, on the device that trains.

    Each epoch cuts each clip at a fresh random phase, 0 to hop - 1 frames, and then every hop frames: after some epochs
    the network has seen every segment. At hop 1 that is the reference's procedure.
    """

    def __init__(self, db: Sequence[FloatArray], scaling: Scaling, clip: ClipParameters, batch_segments: int, device: torch.device) -> None:
        self._clip = clip
        self._n_frames = [each.shape[1] for each in db]
        self._first_frame = np.cumsum([0, *self._n_frames[:-1]])
        self._frames = torch.from_numpy(scaling.apply(np.concatenate(db, axis=1))).to(device)
        self.mean_picture_error = float(self._frames.var(dim=1, correction=0).mean())  # of each band's mean in place of G(x)
        self.n_segments = len(self._cut([0] * len(db)))
        self.batch_segments = min(batch_segments, self.n_segments)

    def _cut(self, phases: Sequence[int]) -> Tensor:
        last = [n - self._clip.segment_frames for n in self._n_frames]
        hop = self._clip.segment_hop_frames
        starts = [first + np.arange(phase, end + 1, hop) for first, end, phase in zip(self._first_frame, last, phases, strict=True)]
        return torch.from_numpy(np.concatenate(starts))

    def epoch(self, rng: torch.Generator) -> list[Tensor]:
        """First frames of the segments of each batch, in random order; the last partial batch is dropped."""
        hop = self._clip.segment_hop_frames
        phases = torch.randint(hop, (len(self._n_frames),), generator=rng).tolist()
        longest = [min(phase, n - self._clip.segment_frames) for phase, n in zip(phases, self._n_frames, strict=True)]
        starts = self._cut(longest)
        order = torch.randperm(len(starts), generator=rng)
        n_batches = max(1, len(starts) // self.batch_segments)
        return list(starts[order][: n_batches * self.batch_segments].split(self.batch_segments))

    def slice(self, starts: Tensor) -> Tensor:
        """The segments `[n, 1, n_bands, segment_frames]` that begin at these frames."""
        return torch.stack([self._frames[None, :, start : start + self._clip.segment_frames] for start in starts.tolist()])
