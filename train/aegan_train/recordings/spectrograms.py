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
        windows: For each recording the frames of its windows (`find_windows`), or of those that `thin` left.
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
    windows: Sequence[Sequence[slice]] = ()
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

    def find_spans(self, hop_s: float) -> list[tuple[str | Path, float, float]]:
        """What each window is of, and the seconds in it at which the window begins and ends: its recording, or the file as it was found."""
        found: list[tuple[str | Path, float, float]] = []
        for clip, windows in zip(self.clips, self.windows, strict=True):
            whole, begins_s = (clip.path, 0.0) if clip.begins_s is None else (clip.recording or clip.path, clip.begins_s)
            found += [(whole, begins_s + window.start * hop_s, begins_s + window.stop * hop_s) for window in windows]
        return found

    def cut(self) -> list[FloatArray]:
        """A view `[n_bands, n_frames]` of each window of each recording."""
        return [db[:, window] for db, windows in zip(self.db, self.windows, strict=True) for window in windows]

    def thin(self, max_windows: int) -> "Spectrograms":
        """At most `max_windows` windows: those of at most so many recordings, and of each the same number, or all where it has fewer."""
        if self.n_windows <= max_windows:
            return self
        if (n := len(self.clips)) > max_windows:
            return self.select([self.clips[place] for place in np.linspace(0, n - 1, max_windows).astype(int)]).thin(max_windows)
        most = next(most for most in range(max_windows, 0, -1) if sum(min(most, len(each)) for each in self.windows) <= max_windows)
        kept = [spread(len(each), most) for each in self.windows]
        return replace(
            self,
            bands=[[each[place] for place in places] for each, places in zip(self.bands, kept, strict=True)],
            windows=[[each[place] for place in places] for each, places in zip(self.windows, kept, strict=True)],
        )

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
            windows=[self.windows[place] for place in places],
            seconds=[self.seconds[place] for place in places] if self.seconds else (),
        )


def spread(n: int, most: int) -> list[int]:
    """The middles of `most` equal parts of `n` places, from 0; all places if there are no more."""
    n_kept = min(n, most)
    return [(2 * part + 1) * n // (2 * n_kept) for part in range(n_kept)]


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
        [seen.windows for _, seen in found],
        [seen.seconds for _, seen in found],
    )
