"""The place of a bundle: its folder, and beside it the previous one. Both change places in one step."""

import ctypes
import errno
import fcntl
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from aegan_monitor.detection.bundle import RECORD, Bundle, load_bundle
from aegan_monitor.errors import AeganError, BundleError, ConfigError
from aegan_monitor.files import show_path, sync_folder
from aegan_monitor.tools.bundles.archive import unpack

AT_FDCWD, RENAME_EXCHANGE = -100, 2  # of linux/fcntl.h and linux/fs.h
Prove = Callable[[Path], Bundle]


def find_previous(target: Path) -> Path:
    """Where the previous bundle is kept."""
    return target.with_name(f"{target.name}.previous")


def put_bundle(source: Path, target: Path, prove: Prove) -> Bundle:
    """Copy the bundle from `source` beside `target`, prove it, and exchange the two; what was there is the previous one now.

    A kill at any point leaves a whole bundle at `target`: the former one or the new one. The next call removes what a kill has left.
    The same bundle as in place changes nothing.

    Raises:
        BundleError, InferenceError, ConfigError: `prove` refuses it, or `source` is no bundle; nothing has changed.
        AeganError: The disk is full, or another process does the same; nothing has changed.
    """
    with _locked(target.parent):
        if target.exists() and not (target / RECORD).exists() and any(target.iterdir()):
            raise ConfigError(f"{show_path(target)}: is there and is no bundle; remove it, or configure another folder")
        staged = target.with_name(f".{target.name}.new")
        shutil.rmtree(staged, ignore_errors=True)
        try:
            unpack(source, staged)
            try:
                bundle = prove(staged)
            except AeganError as error:
                raise type(error)(str(error).replace(str(staged), str(source))) from error
            if not (target / RECORD).exists():
                staged.rename(target)  # over an empty folder, too
            elif _find_digest(target) != bundle.record.record_sha256:
                previous = find_previous(target)
                previous.mkdir(exist_ok=True)
                exchange(staged, previous)  # from here on as after an installation and a rollback
                sync_folder(target.parent)
                exchange(previous, target)
            sync_folder(target.parent)
        finally:
            shutil.rmtree(staged, ignore_errors=True)
    return bundle


def take_back(target: Path, prove: Prove) -> Bundle:
    """Prove the previous bundle, and exchange it with that at `target`, which is the previous one then.

    Raises:
        AeganError: There is none, or `prove` refuses it; nothing has changed.
    """
    previous = find_previous(target)
    with _locked(target.parent):
        if not (previous / RECORD).exists():
            raise AeganError(f"{show_path(previous)}: no previous bundle is kept; install one with: aegan-monitor bundle install FILE")
        bundle = prove(previous)
        exchange(previous, target)
        sync_folder(target.parent)
    return bundle


def exchange(one: Path, other: Path) -> None:
    """Exchange two folders of one disk in one step: whoever opens either sees the one or the other, and never none.

    Raises:
        AeganError: The file system cannot do that; nothing has changed.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    code = ctypes.c_int(libc.renameat2(AT_FDCWD, os.fsencode(one), AT_FDCWD, os.fsencode(other), RENAME_EXCHANGE)).value
    if code != 0:
        number = ctypes.get_errno()
        hint = "keep bundles on a local disk (ext4, xfs, btrfs)" if number in (errno.EINVAL, errno.EXDEV) else "mend that"
        raise AeganError(f"{show_path(other)}: cannot be exchanged in one step with {show_path(one)}: {os.strerror(number)}; {hint}")


def _find_digest(folder: Path) -> str:
    """That of a whole bundle; empty for a damaged one."""
    try:
        return load_bundle(folder).record.record_sha256
    except BundleError:
        return ""


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """One process at a time changes the bundles in a folder; a failure of its disk has one line."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield
        finally:
            os.close(descriptor)
    except BlockingIOError as error:
        raise AeganError(f"{show_path(folder)}: another aegan-monitor bundle works there; wait for its end") from error
    except OSError as error:
        raise AeganError(
            f"{show_path(error.filename or folder)}: {error.strerror or error}; nothing has changed: mend that and try again"
        ) from error
