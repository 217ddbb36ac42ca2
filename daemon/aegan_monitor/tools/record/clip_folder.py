"""The folder that clips are recorded into, as `aegan-train fit` reads it: numbered on, never overwritten, mended after a kill."""

import fcntl
import io
import os
import re
import shlex
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import soundfile

from aegan_monitor.audio.level import Level, measure_level
from aegan_monitor.errors import AeganError, CaptureError, DataError
from aegan_monitor.files import make_folder, sync_folder
from aegan_monitor.tools.record.manifest import Manifest
from aegan_monitor.types import FloatArray

LEAST_CLIPS = 8  # `aegan-train fit` takes no fewer
_NAME = "normal_id_00_{:08d}.flac"
_NUMBERED = re.compile(r"normal_id_00_([0-9]+)\.")
_TEMPORARY = ".{}.tmp"  # hidden: a training that runs meanwhile does not see it


@dataclass(frozen=True, slots=True)
class Mended:
    """What a kill had left."""

    n_temporary: int
    n_cut_lines: int
    n_lines_added: int

    def __str__(self) -> str:
        """For people; empty when all was well."""
        parts = [
            (self.n_temporary, "unfinished clip(s) removed"),
            (self.n_cut_lines, "cut line(s) of the manifest removed"),
            (self.n_lines_added, "clip(s) entered in the manifest"),
        ]
        return ", ".join(f"{n} {what}" for n, what in parts if n)


class ClipFolder:
    """`OUT/dev_data/<machine>/train`, and the manifest in OUT. One recorder has it at a time.

    Attributes:
        n_bytes: What its clips take.
    """

    def __init__(self, data: Path, machine: str, sample_rate_hz: int) -> None:
        self.folder = data / "dev_data" / machine / "train"
        self.n_bytes = 0
        self._data, self._rate_hz = data, sample_rate_hz
        self._manifest = Manifest(data)
        self._next = 0
        self._lock: int | None = None

    def open(self) -> Mended:
        """Take the folder, mend it, and find the number to go on with.

        Raises:
            CaptureError: Somebody else records into it.
            DataError: It cannot be written, or the manifest that is there cannot be continued.
        """
        try:
            make_folder(self.folder, self._data)
            self._take()
            return self._mend()
        except OSError as error:
            self.close()
            raise DataError(
                f"{self.folder}: cannot be recorded into ({error.strerror}); free some space, or choose another --out"
            ) from error
        except AeganError:
            self.close()
            raise

    def _take(self) -> None:
        self._lock = os.open(self.folder / ".lock", os.O_RDWR | os.O_CREAT, 0o666)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise CaptureError(
                f"{self.folder}: another aegan-monitor record writes into it; end that one, or choose another --out"
            ) from error

    def _mend(self) -> Mended:
        leftovers = list(self.folder.glob(_TEMPORARY.format("normal_id_00_*")))
        for path in leftovers:
            path.unlink()
        sync_folder(self.folder)  # no line without its clip: the kill may have come before
        n_cut_lines = self._manifest.mend(self._key(""))
        listed = self._manifest.flights()
        own = self._find_clips()
        lines = [line for path in sorted(own) if self._key(path.name) not in listed and (line := self._describe(path))]
        for line in lines:
            self._manifest.append(line)
        prefix = self._key("")
        known = [int(match[1]) for path in listed if path.startswith(prefix) and (match := _NUMBERED.match(path[len(prefix) :]))]
        self._next = max([*own.values(), *known], default=-1) + 1
        self.n_bytes = sum(path.stat().st_size for path in own)
        return Mended(len(leftovers), n_cut_lines, len(lines))

    def close(self) -> None:
        """Let others have it."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def write(self, clip: bytes, level: Level, flight: str, time: str) -> Path:
        """Put an encoded clip where training finds it: on the disk first, then under its name, then in the manifest.

        Raises:
            OSError: The disk is full; then there is no unfinished clip and no cut line.
        """
        path = self.folder / _NAME.format(self._next)
        temporary = self.folder / _TEMPORARY.format(path.name)
        try:
            with temporary.open("wb") as file:
                file.write(clip)
                file.flush()
                os.fsync(file.fileno())
            temporary.rename(path)
        except OSError:
            temporary.unlink(missing_ok=True)
            raise
        self._next += 1
        self.n_bytes += len(clip)
        sync_folder(self.folder)
        self._manifest.append(self._row(path, level, flight, time))
        return path

    def advise(self) -> str:
        """What to do next, in one line."""
        n_clips = len(self._find_clips())
        if n_clips < LEAST_CLIPS:
            return f"next: record more; training needs {LEAST_CLIPS} clips at least, found {n_clips}"
        machine = self.folder.parent.name
        return f"next: aegan-train fit --data {shlex.quote(str(self._data))} --machine-type {machine} --preset edge --out runs/{machine}"

    def _find_clips(self) -> dict[Path, int]:
        """The clips that are there, and their numbers."""
        return {path: int(match[1]) for path in self.folder.iterdir() if (match := _NUMBERED.match(path.name))}

    def _key(self, name: str) -> str:
        return f"{self.folder.relative_to(self._data).as_posix()}/{name}"

    def _row(self, path: Path, level: Level, flight: str, time: str) -> dict[str, str]:
        levels = {"level_dbfs": f"{level.rms_dbfs:.1f}", "peak_dbfs": f"{level.peak_dbfs:.1f}", "clipped_samples": str(level.n_clipped)}
        return {"path": self._key(path.name), "flight": flight, "time": time, **levels}

    def _describe(self, path: Path) -> dict[str, str] | None:
        """The line of a clip that says itself where it belongs; None for clips that were made otherwise."""
        try:
            with soundfile.SoundFile(path) as file:
                flight, time = file.title, file.date
                samples = file.read(dtype="float32")
        except soundfile.LibsndfileError:
            return None
        if not flight or samples.ndim != 1 or len(samples) == 0:
            return None
        return self._row(path, measure_level(samples), flight, time)


def quantise(samples: FloatArray) -> np.ndarray:
    """16-bit samples of float32 ones, without dither: what a 16-bit device gave comes back bit for bit."""
    scaled: np.ndarray = np.clip(np.round(samples.astype(np.float64) * 32768), -32768, 32767).astype(np.int16)
    return scaled


def encode_clip(samples: np.ndarray, sample_rate_hz: int, flight: str, time: str) -> bytes:
    """FLAC of 16-bit samples that says in its own tags which flight it is of, and when it began."""
    buffer = io.BytesIO()
    with soundfile.SoundFile(buffer, "w", sample_rate_hz, 1, "PCM_16", format="FLAC") as file:
        file.title, file.date = flight, time
        file.write(samples)
    return buffer.getvalue()


def format_time(seconds: float) -> str:
    """RFC 3339 in UTC, to the second, of seconds since 1970."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
