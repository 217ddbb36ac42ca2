"""Folders and names that are still there after a power cut: a file's own sync does not promise its name."""

import contextlib
import errno
import os
from pathlib import Path


def make_folder(folder: Path, top: Path) -> None:
    """Make it, and those above it that lack; what was made is on the disk when it returns.

    From `top` on they are ours: a start that was killed may have made them.

    Raises:
        OSError: It cannot be made.
    """
    new = [each for each in (folder, *folder.parents) if each.is_relative_to(top) or not each.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    for each in new:
        sync_folder(each.parent)


def sync_folder(folder: Path) -> None:
    """All names in it are on the disk when it returns, as far as its file system and its rights allow.

    Raises:
        OSError: The disk has failed.
    """
    with contextlib.suppress(PermissionError):  # one may be written and not read
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        except OSError as error:
            if error.errno != errno.EINVAL:  # some network shares have no such thing
                raise
        finally:
            os.close(descriptor)
