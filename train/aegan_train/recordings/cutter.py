"""Cuts recordings into clips as long as those that the monitor scores. The files of one recording are joined first."""

import hashlib
import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import soundfile

from aegan_monitor.audio.recording import Recording
from aegan_monitor.errors import CaptureError
from aegan_monitor.files import show_path
from aegan_monitor.types import FloatArray
from aegan_train.recordings.folder import Clip, Skipped
from aegan_train.run_folder import WriteError, find_remedy

BLOCK_S = 1
LEAST_CONSTANT_S = 0.1  # a shorter block, at the end of a file, may be constant by chance
JOIN = "record longer clips, or join those of one recording by manifest.csv, column flight"
LONGEST_NAME = 40  # characters of a file's name that its clips keep: a name has 255 bytes at most


def cut(blocks: Iterable[FloatArray], n_samples: int, least_constant: int) -> Iterator[tuple[int, FloatArray]]:
    """Pieces of `n_samples` with the number of their first sample; the last one also has what is left over, so that nothing is lost.

    Blocks of `least_constant` samples or more that all are equal hold no sound: no piece spans one, and a piece before one may be shorter.
    """
    first, held = 0, np.zeros(0, np.float32)
    for block in blocks:
        if len(block) >= least_constant and block.min() == block.max():
            if len(held):
                yield first, held
            first, held = first + len(held) + len(block), held[:0]
            continue
        held = np.concatenate([held, block])
        while len(held) >= 2 * n_samples:
            yield first, held[:n_samples]
            first, held = first + n_samples, held[n_samples:]
    if len(held):
        yield first, held


@dataclass(slots=True)
class Cutter:
    """Writes the clips of one recording after the other. No clip holds sound of two recordings, or spans digital silence.

    Attributes:
        folder: Where the clips are written.
        sample_rate_hz: Rate of the clips.
        clip_samples, least_samples: Length of a clip, and the least that can be trained on.
        channel: Channel to take, from 0; None expects files of one channel.
        any_rate: Whether files of a lower rate are taken, too; else they are skipped.
        skipped: Files that could not be read to their end, or gave no clip, with the reason.
        n_left_out: Samples that are in no clip: digital silence, and what is too short beside it.
    """

    folder: Path
    sample_rate_hz: int
    clip_samples: int
    least_samples: int
    channel: int | None
    any_rate: bool
    skipped: list[Skipped] = field(default_factory=list)
    n_left_out: int = 0
    _names: dict[str, str] = field(default_factory=dict)  # name of each file, by the digest of its bytes
    _parents: list[Path] = field(default_factory=list)  # folders of the files; the clips of each have a folder of their own
    _n_clips: int = 0

    def cut_recording(self, files: Sequence[Clip]) -> list[Clip]:
        """The clips of a recording, in order. Its sound is that of `files`, one after the other.

        Raises:
            WriteError: A clip cannot be written, for example because the disk is full.
        """
        starts: list[tuple[int, Clip]] = []
        clips: list[Clip] = []
        n_skipped = len(self.skipped)
        blocks = self._read(files, starts)
        for first, samples in cut(blocks, self.clip_samples, round(LEAST_CONSTANT_S * self.sample_rate_hz)):
            if len(samples) >= self.least_samples:
                start, file = next(each for each in reversed(starts) if each[0] <= first)
                clip = self._write(samples, file, (first - start) / self.sample_rate_hz)
                clips.append(replace(clip, begins_s=first / self.sample_rate_hz))
                self.n_left_out -= len(samples)
        if not clips and starts and len(self.skipped) == n_skipped:
            least_s = self.least_samples / self.sample_rate_hz
            self.skipped.append((files[0].path, f"expected at least {least_s:.2f} s of sound, found less; {JOIN}"))
        name = files[0].recording or (str(files[0].path) if len(clips) > 1 else "")
        return [replace(clip, recording=name) for clip in clips]

    def _read(self, files: Sequence[Clip], starts: list[tuple[int, Clip]]) -> Iterator[FloatArray]:
        """The samples of the files; adds the number of the first sample of each to `starts`."""
        n_read = 0
        for file in files:
            start = n_read
            try:
                if reason := self._find_copy(file.path):
                    raise CaptureError(reason)
                with Recording(file.path, self.sample_rate_hz, self.channel, any_rate=self.any_rate) as recording:
                    starts.append((start, file))
                    while len(block := recording.read(BLOCK_S * self.sample_rate_hz)):
                        n_read += len(block)
                        self.n_left_out += len(block)
                        yield block
            except CaptureError as error:
                reason = str(error).removeprefix(f"{show_path(file.path)}: ")
                used = f" (the {(n_read - start) / self.sample_rate_hz:.0f} s before are used)" if n_read > start else ""
                self.skipped.append((file.path, reason + used))

    def _find_copy(self, path: Path) -> str:
        """The reason not to read a file that holds the same bytes as an earlier one; else empty."""
        try:
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError:
            return ""  # `Recording` says why
        if digest in self._names:
            return f"the same samples as {self._names[digest]}; remove one of them"
        self._names[digest] = path.name
        return ""

    def _write(self, samples: FloatArray, file: Clip, offset_s: float) -> Clip:
        """Write a clip that begins `offset_s` into `file`, as its name says."""
        if file.path.parent not in self._parents:
            self._parents.append(file.path.parent)
        seconds = round(offset_s)
        place = f"{seconds // 3600}.{seconds // 60 % 60:02d}.{seconds % 60:02d}"
        name = file.path.name if len(file.path.name) <= LONGEST_NAME else f"{file.path.name[:LONGEST_NAME]} {self._n_clips}"
        path = self.folder / str(self._parents.index(file.path.parent)) / f"{name} at {place}.flac"
        encoded = io.BytesIO()
        soundfile.write(encoded, samples, self.sample_rate_hz, subtype="PCM_24", format="FLAC")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(encoded.getbuffer())
        except OSError as error:
            raise WriteError(f"{self.folder}: the clips cannot be stored: {error.strerror}; {find_remedy(error)}") from error
        self._n_clips += 1
        return replace(file, path=path)
