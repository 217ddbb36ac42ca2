"""Where recordings lie: a folder, or a store that fsspec knows by the scheme of its address, as `s3://bucket/pump-1`.

A store is listed from the computer of the fleet. What a task needs of it is copied to the computer of the task, and removed at its end.
"""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from aegan_monitor.errors import AeganError, DataError
from aegan_monitor.tools.backtest.plant import LABELS
from aegan_train.recordings.folder import MANIFEST, SUFFIXES

SCHEME = "://"
COPIES = "aegan-recordings-"  # begin of the name of a folder with copies; the number of its process follows
Listed = tuple[str, int, str]  # name below the folder, bytes, and version: what changes with the content


def is_remote(place: str) -> bool:
    """It is the address of a store."""
    return SCHEME in place


def list_recordings(place: str) -> tuple[Listed, ...]:
    """The recordings of a machine, its manifest and its labels of known faults, by name.

    Raises:
        DataError: There is no such folder, it holds no recording, or the store cannot be read.
    """
    found = _list_store(place) if is_remote(place) else _list_folder(Path(place))
    listed = tuple(sorted(each for each in found if Path(each[0]).suffix.lower() in SUFFIXES or each[0] in (MANIFEST, LABELS)))
    if all(name in (MANIFEST, LABELS) for name, _, _ in listed):
        raise DataError(f"{place}: no WAV or FLAC recording there; put the machine's normal recordings there, or name their folder as data")
    return listed


def _list_folder(folder: Path) -> Iterator[Listed]:
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder; put its normal recordings there, or name their folder as data")
    try:
        for path in folder.rglob("*"):
            if path.is_file():
                status = path.stat()
                yield path.relative_to(folder).as_posix(), status.st_size, str(status.st_mtime_ns)
    except OSError as error:
        raise DataError(f"{error.filename or folder}: cannot be read: {error.strerror}") from error


def _list_store(place: str) -> Iterator[Listed]:
    system, path = open_store(place)
    with reading(place):
        found: dict[str, dict[str, Any]] = system.find(path, detail=True)
    for name, facts in found.items():
        version = facts.get("ETag") or facts.get("LastModified") or facts.get("mtime") or facts.get("created") or ""
        yield name.removeprefix(path).lstrip("/"), int(facts["size"]), str(version)


def open_store(place: str) -> tuple[Any, str]:
    """The file system of a store, and the path in it.

    Raises:
        DataError: fsspec does not know the scheme, or the package for it is not installed.
    """
    try:
        import fsspec  # noqa: PLC0415 - of an extra

        system, path = fsspec.core.url_to_fs(place, use_listings_cache=False)
    except ImportError as error:
        raise DataError(f"{place}: {error}; for s3: pip install 'aegan-monitor[s3]'") from error
    except ValueError as error:
        raise DataError(f"{place}: {error}; expected a folder, or an address as s3://bucket/folder") from error
    return system, str(path).rstrip("/")


@contextlib.contextmanager
def fetched(arguments: Sequence[str]) -> Iterator[list[str]]:
    """The arguments, with a copy on this computer in place of each address of a store. The copies last as long as the block.

    Raises:
        DataError: A store cannot be read.
        OSError: The disk of temporary files is full.
    """
    if not any(map(is_remote, arguments)):
        yield list(arguments)
        return
    remove_left_over()
    with tempfile.TemporaryDirectory(prefix=f"{COPIES}{os.getpid()}-") as folder:
        replaced = []
        for number, argument in enumerate(arguments):
            if is_remote(argument):
                copy = Path(folder, str(number), argument.rstrip("/").rpartition("/")[2])
                system, path = open_store(argument)
                with reading(argument):
                    system.get(f"{path}/", f"{copy}/", recursive=True)
                replaced.append(str(copy))
            else:
                replaced.append(argument)
        yield replaced


def remove_left_over() -> None:
    """Remove the copies of processes that were killed."""
    for folder in Path(tempfile.gettempdir()).glob(f"{COPIES}*-*"):
        pid = folder.name.removeprefix(COPIES).partition("-")[0]
        if not Path("/proc", pid).exists():
            shutil.rmtree(folder, ignore_errors=True)  # another's may not be removed


@contextlib.contextmanager
def reading(place: str) -> Iterator[None]:
    """Errors of a store in one line: each has exceptions of its own.

    Raises:
        DataError: The store cannot be read.
    """
    try:
        yield
    except AeganError:
        raise
    except Exception as error:
        what = " ".join(str(error).split()) or type(error).__name__
        raise DataError(f"{place}: cannot be read: {what[:300]}; are its address and the keys (AWS_...) of this computer right?") from error
