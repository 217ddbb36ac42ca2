"""How far a recording is: `aegan-monitor record` writes it beside the clips, and the page reads it.

A lock says whether it goes on: the kernel takes the lock from a process that ends or is killed.
"""

import contextlib
import fcntl
import os
import time
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError

from aegan_monitor.messages.model import Model, UtcTime

STATE, LOCK = ".recording.json", ".lock"
TURNS_S = (0.05, 0.1, 0.2)  # a reader has the lock for some microseconds


class RecordingState(Model):
    """What `aegan-monitor record` says of itself."""

    began_at: UtcTime | None = Field(default=None, description="When the recording began; null if there is none.")
    hours: float = Field(default=0.0, description="Of this recording, in whole clips.", examples=[1.5])
    hours_wanted: float | None = Field(default=None, description="After which it ends by itself; null: when it is stopped.")
    verdict: list[str] = Field(default=[], description="Lines on the amount of sound in the folder, and on the level of this recording.")
    waiting: str = Field(default="", description="Why nothing is recorded now; empty if sound comes.")


class Recording(RecordingState):
    """The newest recording of a machine in `web.recordings`."""

    state: Literal["none", "recording", "waiting", "ended"] = Field(
        description="`recording`: it goes on; `waiting`: it goes on, but no sound comes; `ended`: it has ended, or was killed."
    )


def find_clips(data: Path, machine: str) -> Path:
    """The folder with the clips of a machine, as `aegan-train fit` reads it."""
    return data / "dev_data" / machine / "train"


def take_lock(folder: Path) -> int | None:
    """Lock the folder for the process that writes into it; the file descriptor that holds the lock, or None if another one has it.

    Raises:
        OSError: The folder cannot be used.
    """
    lock = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o666)
    for turn_s in (*TURNS_S, 0.0):
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return lock
        time.sleep(turn_s)
    os.close(lock)
    return None


def write_state(folder: Path, state: RecordingState) -> None:
    """Write it whole; a power cut may lose it.

    Raises:
        OSError: It cannot be written.
    """
    temporary = folder / f"{STATE}.tmp"
    try:
        temporary.write_text(state.model_dump_json(), encoding="utf-8")
        temporary.replace(folder / STATE)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise


def read_recording(data: Path, machine: str) -> Recording:
    """The newest recording of a machine.

    Raises:
        OSError: The folder cannot be read.
    """
    folder = find_clips(data, machine)
    try:
        last = RecordingState.model_validate_json((folder / STATE).read_bytes())
    except (FileNotFoundError, ValidationError):  # none yet, or one that a power cut has torn
        return Recording(state="none")
    if not _is_locked(folder):
        return Recording(state="ended", **dict(last))
    return Recording(state="waiting" if last.waiting else "recording", **dict(last))


def _is_locked(folder: Path) -> bool:
    """Whether a process writes into the folder now."""
    try:
        lock = os.open(folder / LOCK, os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(lock)
    return False
