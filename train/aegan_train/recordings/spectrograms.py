"""Spectrograms of recordings in a memory map on disk, because a data set may be larger than the memory."""

import hashlib
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from pathlib import Path

import numpy as np

from aegan_monitor.detection.features import FeatureParameters
from aegan_monitor.detection.segments import ClipParameters
from aegan_monitor.detection.views import BandSummary
from aegan_monitor.types import DoubleArray, FloatArray
from aegan_train.progress import follow
from aegan_train.recordings.folder import Clip, Skipped
from aegan_train.recordings.survey import Picture, survey
from aegan_train.recordings.windows import find_windows
from aegan_train.run_folder import WriteError, find_remedy


@dataclass(frozen=True, slots=True)
class Spectrograms:
    """Spectrograms in dB of the recordings that can be trained on, and the skipped recordings.

    Attributes:
        frames: float32 `[n_frames, n_bands]`, a memory map that may also hold other recordings.
        first_frames: The first frame of each recording in `frames`.
        n_frames: The number of frames of each recording.
        bands: For each recording the summary of the linear and mel bands of each window.
        digests: SHA-256 of each recording's samples.
        clips: The file of each recording.
        levels_dbfs: RMS level of each recording.
        skipped: Files that were left out, with the reason.
        seconds: Level, bands, DC offset and drop-outs of each second of each recording (`measure_seconds`).
    """

    frames: FloatArray
    first_frames: Sequence[int]
    n_frames: Sequence[int]
    bands: Sequence[Sequence[BandSummary]]
    digests: Sequence[str]
    clips: Sequence[Clip]
    levels_dbfs: Sequence[float] = ()
    skipped: Sequence[Skipped] = ()
    seconds: Sequence[DoubleArray] = ()

    @property
    def db(self) -> list[FloatArray]:
        """A view `[n_bands, n_frames]` of each recording."""
        return [self.frames[first : first + n].T for first, n in zip(self.first_frames, self.n_frames, strict=True)]

    @property
    def n_windows(self) -> int:
        """The number of windows of all recordings."""
        return sum(map(len, self.bands))

    @property
    def sha256(self) -> str:
        """SHA-256 over the digests of all recordings, in order."""
        return hashlib.sha256("".join(self.digests).encode()).hexdigest()

    def cut(self, clip_frames: int) -> list[FloatArray]:
        """A view `[n_bands, n_frames]` of each window (`find_windows`) of each recording."""
        return [db[:, window] for db in self.db for window in find_windows(db.shape[1], clip_frames)]

    def thin(self, max_clips: int) -> "Spectrograms":
        """At most `max_clips` recordings, evenly spread."""
        n = len(self.clips)
        return self if n <= max_clips else self.select([self.clips[place] for place in np.linspace(0, n - 1, max_clips).astype(int)])

    def select(self, clips: Sequence[Clip]) -> "Spectrograms":
        """The spectrograms of `clips` alone."""
        wanted = set(clips)
        places = [place for place, clip in enumerate(self.clips) if clip in wanted]
        return replace(
            self,
            first_frames=[self.first_frames[place] for place in places],
            n_frames=[self.n_frames[place] for place in places],
            bands=[self.bands[place] for place in places],
            digests=[self.digests[place] for place in places],
            clips=[self.clips[place] for place in places],
            levels_dbfs=[self.levels_dbfs[place] for place in places],
            seconds=[self.seconds[place] for place in places] if self.seconds else (),
        )


def compute_spectrograms(clips: Sequence[Clip], features: FeatureParameters, clip: ClipParameters, folder: Path) -> Spectrograms:
    """Compute the spectrograms of all recordings that can be trained on, in an unnamed temporary file in `folder`.

    The system removes the file when the process ends, even after a kill.

    Raises:
        WriteError: `folder` cannot be written, or its disk is full.
    """
    found: list[tuple[Clip, Picture]] = []
    skipped: list[Skipped] = []
    names: dict[str, str] = {}
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            count = follow(lambda: None, len(clips), f"computing the features of {len(clips)} recordings")
            for each, seen in zip(clips, survey([each.path for each in clips], features, clip), strict=True):
                if not isinstance(seen, Picture):
                    skipped.append((each.path, seen))
                elif seen.sha256 in names:
                    skipped.append((each.path, f"the same samples as {names[seen.sha256]}; remove one of them"))
                else:
                    names[seen.sha256] = each.path.name
                    file.write(seen.frames.data)
                    found.append((each, replace(seen, frames=seen.frames[:0])))
                count()
            file.flush()
            shape = file.tell() // (4 * features.n_bands), features.n_bands
            frames: FloatArray = np.memmap(file, np.float32, "r", shape=shape) if shape[0] else np.zeros(shape, np.float32)
    except BrokenPipeError:  # concerns our output, not the folder
        raise
    except OSError as error:
        raise WriteError(f"{folder}: the features cannot be stored: {error.strerror}; {find_remedy(error)}") from error
    n_frames = [seen.n_frames for _, seen in found]
    return Spectrograms(
        frames,
        list(accumulate(n_frames[:-1], initial=0)),
        n_frames,
        [seen.bands for _, seen in found],
        [seen.sha256 for _, seen in found],
        [each for each, _ in found],
        [seen.level_dbfs for _, seen in found],
        skipped,
        [seen.seconds for _, seen in found],
    )
