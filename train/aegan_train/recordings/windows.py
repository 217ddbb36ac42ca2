"""Cuts a recording into windows as long as the clips that the daemon scores.

Calibration must use the clip length of the daemon. The score of a recording of minutes is a mean over all of it and varies less
than the scores of its windows, so a threshold from whole recordings would be too low.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from aegan_monitor.audio.recording import read_recording
from aegan_monitor.detection.features import FeatureParameters
from aegan_monitor.types import FloatArray
from aegan_train.recordings.folder import Clip


def find_windows(n_frames: int, clip_frames: int) -> list[slice]:
    """The frames of each window, `clip_frames` long and evenly spread; a recording shorter than 1.5 windows is one window."""
    n_windows = max(1, round(n_frames / clip_frames))
    if n_windows == 1:
        return [slice(0, n_frames)]
    starts = np.linspace(0, n_frames - clip_frames, n_windows).round().astype(int).tolist()
    return [slice(start, start + clip_frames) for start in starts]


def read_windows(path: Path, features: FeatureParameters, windows: Sequence[slice]) -> list[FloatArray]:
    """The samples of some windows of a recording (`find_windows`), float32 `[n_samples]`; scored alone, each has its window's frames.

    Raises:
        CaptureError: As `read_recording`.
    """
    samples = read_recording(path, features.sample_rate_hz)
    hop = features.hop_samples
    whole = slice(0, 1 + len(samples) // hop)
    return [samples if window == whole else samples[window.start * hop : (window.stop - 1) * hop] for window in windows]


def join_samples(clips: Sequence[Clip], sample_rate_hz: int, n_samples: int) -> FloatArray:
    """The first `n_samples` of the joined recordings, float32 `[n_samples]`; they repeat where they are too short."""
    joined = np.zeros(0, np.float32)
    while len(joined) < n_samples:
        for clip in clips:
            joined = np.concatenate([joined, read_recording(clip.path, sample_rate_hz)])
            if len(joined) >= n_samples:
                break
    return joined[:n_samples]
