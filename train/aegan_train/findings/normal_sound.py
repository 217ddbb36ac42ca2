"""The normal sound of a training as windows, at most MAX_WINDOWS of them, so that a day of sound takes as long as some hours."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from aegan_monitor.detection.views import BandSummary
from aegan_monitor.types import FloatArray
from aegan_train.recordings.folder import Clip
from aegan_train.recordings.spectrograms import Spectrograms

MAX_WINDOWS = 4096


@dataclass(frozen=True, slots=True)
class NormalSound:
    """Windows of normal sound, each as long as the clips that the daemon scores.

    Attributes:
        clips: The file of each window.
        starts_s: Where in its file each window begins, in seconds.
        recordings: The recording of each window, `[n_windows]`, numbered from 0.
        levels_dbfs: RMS level of each window's file.
        bands: The summary of each window's bands.
        db: A view `[n_bands, n_frames]` of each window's spectrogram.
        hop_s: Seconds from frame to frame.
    """

    clips: Sequence[Clip]
    starts_s: Sequence[float]
    recordings: NDArray[np.intp]
    levels_dbfs: Sequence[float]
    bands: Sequence[BandSummary]
    db: Sequence[FloatArray]
    hop_s: float

    @property
    def n_recordings(self) -> int:
        """The number of recordings."""
        return len(np.unique(self.recordings))


def take_windows(found: Spectrograms, groups: Sequence[Sequence[Clip]], hop_s: float) -> NormalSound:
    """At most MAX_WINDOWS windows of all recordings, evenly spread; `groups` are the clips of each recording (`group_by_recording`)."""
    recording_of = {clip: place for place, group in enumerate(groups) for clip in group}
    windows = [
        (file, window, bands)
        for file, each in enumerate(zip(found.windows, found.bands, strict=True))
        for window, bands in zip(*each, strict=True)
    ]
    kept = [windows[place] for place in np.unique(np.linspace(0, len(windows) - 1, MAX_WINDOWS).astype(int))]
    db = found.db
    return NormalSound(
        clips=[found.clips[file] for file, _, _ in kept],
        starts_s=[window.start * hop_s for _, window, _ in kept],
        recordings=np.array([recording_of[found.clips[file]] for file, _, _ in kept]),
        levels_dbfs=[found.levels_dbfs[file] for file, _, _ in kept],
        bands=[bands for _, _, bands in kept],
        db=[db[file][:, window] for file, window, _ in kept],
        hop_s=hop_s,
    )
