"""The folder that clips are written into, as `aegan-train fit` reads it: numbering continues, nothing is overwritten."""

import contextlib
import os
import re
import shlex
from datetime import UTC, datetime
from pathlib import Path

from aegan_monitor.errors import AeganError, CaptureError, DataError
from aegan_monitor.files import make_folder, sync_folder, write_whole
from aegan_monitor.messages.recording import STATE, RecordingState, find_clips, take_lock, write_state

LEAST_CLIPS = 8  # `aegan-train fit` takes no fewer
_NAME = "normal_id_00_{:08d}.flac"
_NUMBERED = re.compile(r"normal_id_00_([0-9]+)\.")
_TEMPORARY = ".normal_id_00_*.tmp"  # as `write_whole` names them; hidden from a training that runs meanwhile


class ClipFolder:
    """`OUT/dev_data/MACHINE/train`. One process at a time may write into it.

    Attributes:
        folder: Where the clips are.
    """

    def __init__(self, data: Path, machine: str) -> None:
        self.folder = find_clips(data, machine)
        self._data = data
        self._next = 0
        self._lock: int | None = None

    def open(self) -> int:
        """Lock the folder, remove unfinished clips of an earlier process, and find the next number.

        Returns:
            How many unfinished clips were removed.

        Raises:
            CaptureError: Another process writes into it.
            DataError: It cannot be written.
        """
        try:
            make_folder(self.folder, self._data)
            self._lock = take_lock(self.folder)
            if self._lock is None:
                raise CaptureError(f"{self.folder}: another aegan-monitor record writes into it; end that one, or choose another --out")
            (self.folder / STATE).unlink(missing_ok=True)  # of an earlier process
            leftovers = list(self.folder.glob(_TEMPORARY))
            for path in leftovers:
                path.unlink()
            sync_folder(self.folder)
            self._next = max(self._find_numbers(), default=-1) + 1
        except OSError as error:
            self.close()
            raise DataError(
                f"{self.folder}: cannot be recorded into ({error.strerror}); free some space, or choose another --out"
            ) from error
        except AeganError:
            self.close()
            raise
        return len(leftovers)

    def close(self) -> None:
        """Release the lock."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def write(self, clip: bytes) -> Path:
        """Write an encoded clip; it is on the disk under its name, or not there at all.

        Raises:
            OSError: It cannot be written, for example because the disk is full.
        """
        path = self.folder / _NAME.format(self._next)
        write_whole(path, clip)
        self._next += 1
        return path

    def note(self, state: RecordingState) -> None:
        """Say how far it is, for the page. A recording goes on without that."""
        with contextlib.suppress(OSError):
            write_state(self.folder, state)

    def count_clips(self) -> int:
        """Clips in the folder, those of earlier recordings included."""
        return len(self._find_numbers())

    def advise(self) -> str:
        """The next step, in one line."""
        if (n_clips := self.count_clips()) < LEAST_CLIPS:
            return f"next: record more; training needs {LEAST_CLIPS} clips at least, found {n_clips}"
        machine = self.folder.parent.name
        return f"next: aegan-train fit --data {shlex.quote(str(self._data))} --machine-type {machine} --preset edge --out runs/{machine}"

    def _find_numbers(self) -> list[int]:
        """The numbers of the clips that are there."""
        return [int(match[1]) for path in self.folder.iterdir() if (match := _NUMBERED.match(path.name))]


def format_time(seconds: float) -> str:
    """RFC 3339 in UTC, to the second, of seconds since 1970."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
