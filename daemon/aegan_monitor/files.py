"""Writes folders and files that survive a power cut, and prints file names."""

import contextlib
import errno
import os
from datetime import UTC, datetime
from pathlib import Path

DAMAGED = "damaged"  # marks files that were set aside
N_SET_ASIDE = 3


def make_folder(folder: Path, top: Path) -> None:
    """Make a folder and its missing parents, and sync them to the disk.

    The folders from `top` on are synced even if they exist: an earlier start may have made them before it was killed.

    Raises:
        OSError: A folder cannot be made.
    """
    new = [each for each in (folder, *folder.parents) if each.is_relative_to(top) or not each.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    for each in new:
        sync_folder(each.parent)


def sync_folder(folder: Path) -> None:
    """Sync the names in a folder to the disk (fsync of a file does not), as far as file system and permissions allow.

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
    """Write and sync a whole file, or nothing. A kill may leave `.NAME.tmp`.

    Raises:
        OSError: It cannot be written: the disk is full, or the folder is read-only.
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
    """A path as one line: bytes that are not UTF-8 and control characters are escaped."""
    text = str(path)
    return text if text.isprintable() else text.encode("unicode_escape").decode("ascii")


def set_aside(database: Path, now: datetime) -> Path:
    """Rename a damaged SQLite file, with its log, so that a new one can be made; returns where it is now. The newest three are kept.

    Raises:
        OSError: It cannot be renamed.
    """
    stamp = now.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
    aside = database.with_name(f"{database.name}.{DAMAGED}-{stamp}")
    for ending in ("", "-wal", "-shm", "-journal"):
        with contextlib.suppress(FileNotFoundError):
            Path(f"{database}{ending}").rename(f"{aside}{ending}")
    older = sorted(path for path in database.parent.glob(f"{database.name}.{DAMAGED}-*Z"))[:-N_SET_ASIDE]
    for path in [other for old in older for other in old.parent.glob(f"{old.name}*")]:
        path.unlink(missing_ok=True)
    return aside
