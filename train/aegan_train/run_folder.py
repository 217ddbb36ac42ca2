"""The folder of a run: one training at a time writes in it, and each file in it is whole."""

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
    """A file of the run cannot be written; what the run held before is still there."""


@contextlib.contextmanager
def lock_run(out: Path) -> Iterator[None]:
    """Make the folder, try that it can be written, and lock it until the end; a new folder that stays empty is removed again.

    Raises:
        WriteError: It cannot be made or written.
        DataError: Another training writes there.
    """
    is_new = not out.exists()
    try:
        out.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=out).close()
        descriptor = os.open(out, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise WriteError(f"{out}: cannot be written: {error.strerror}; {find_remedy(error)}, or choose another --out") from error
    try:
        _lock(descriptor, out)
        yield
    finally:
        os.close(descriptor)  # ends the lock, too
        if is_new:
            with contextlib.suppress(OSError):  # not empty
                out.rmdir()


def _lock(descriptor: int, out: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise DataError(f"{out}: another training writes there; wait for its end, or choose another --out") from error
    except OSError as error:  # a network share that locks no folders
        if error.errno not in {errno.EBADF, errno.ENOLCK, errno.EOPNOTSUPP}:
            raise


def write_atomically(path: Path, write: Callable[[Path], object]) -> None:
    """Have `write` fill a file beside `path`, then put it in its place; a failure leaves the old file, and nothing beside it.

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
    """What the user can do about a folder that cannot be written."""
    return "free some space there" if error.errno in DISK_FULL else "make it writable"
