"""Folders and names that survive a power cut (fsync of a file does not promise its name), and names that can be printed."""

import contextlib
import errno
import os
from pathlib import Path


def make_folder(folder: Path, top: Path) -> None:
    """Make a folder and its missing parents; all of them are on the disk when this returns.

    The folders from `top` on are synced even where they exist: an earlier start may have made them and been killed.

    Raises:
        OSError: A folder cannot be made.
    """
    new = [each for each in (folder, *folder.parents) if each.is_relative_to(top) or not each.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    for each in new:
        sync_folder(each.parent)


def sync_folder(folder: Path) -> None:
    """Sync the names in a folder to the disk, as far as its file system and its permissions allow.

    Raises:
        OSError: The disk has failed.
    """
    with contextlib.suppress(PermissionError):  # a folder may be writable but not readable
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        except OSError as error:
            if error.errno != errno.EINVAL:  # some network shares cannot sync a folder
                raise
        finally:
            os.close(descriptor)


def write_whole(path: Path, content: bytes) -> None:
    """Write a file that is there whole and on the disk when this returns, or not at all.

    It is written under a hidden name (`.NAME.tmp`) that a kill may leave behind.

    Raises:
        OSError: It cannot be written: the disk is full, or the folder may not be changed.
    """
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.rename(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def show_path(path: Path | str) -> str:
    """A path as one line of plain text: bytes that are not UTF-8 and control characters are escaped, everything else is kept."""
    text = str(path)
    return text if text.isprintable() else text.encode("unicode_escape").decode("ascii")
