"""The folder of a run: a lock for one training at a time, and atomic writing of its files."""

import contextlib
import errno
import fcntl
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from aegan_monitor.errors import DataError

DISK_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class WriteError(DataError):
    """A file of the run cannot be written; the previous content of the run is kept."""


@contextlib.contextmanager
def lock_run(out: Path) -> Iterator[None]:
    """Make the folder, check that it is writable, and lock it for the block; a new folder that stays empty is removed again.

    Raises:
        WriteError: The folder cannot be made or written.
        DataError: Another training holds the lock.
    """
    is_new = not out.exists()
    try:
        out.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=out).close()
        descriptor = os.open(out, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise WriteError(f"{out}: cannot be written: {error.strerror}; {find_remedy(error)}, or choose another folder") from error
    try:
        _lock(descriptor, out)
        yield
    finally:
        os.close(descriptor)  # also releases the lock
        if is_new:
            with contextlib.suppress(OSError):  # not empty
                out.rmdir()


def _lock(descriptor: int, out: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise DataError(f"{out}: another training writes there; wait for its end, or choose another folder") from error
    except OSError as error:  # a network share that locks no folders
        if error.errno not in {errno.EBADF, errno.ENOLCK, errno.EOPNOTSUPP}:
            raise


def write_atomically(path: Path, write: Callable[[Path], object]) -> None:
    """Let `write` fill a temporary file, then rename it to `path`; a failure keeps the old file and removes the temporary one.

    Raises:
        WriteError: The disk is full, or the folder cannot be written.
    """
    partial = path.with_name(path.name + ".tmp")
    try:
        write(partial)
        with partial.open("rb") as file:
            os.fsync(file.fileno())
        partial.replace(path)
    except OSError as error:
        raise WriteError(f"{path}: cannot be written: {error.strerror or error}; {find_remedy(error)}") from error
    finally:
        partial.unlink(missing_ok=True)


def find_remedy(error: OSError) -> str:
    """The remedy for a folder that cannot be written."""
    return "free some space there" if error.errno in DISK_FULL else "make it writable"
