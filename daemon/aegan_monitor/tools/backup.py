"""`aegan-monitor backup`: configuration, bundles, outbox, history and evidence in one tar file, by their absolute paths."""

import contextlib
import os
import shutil
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from aegan_monitor.config.model import MonitorConfig, load_config
from aegan_monitor.errors import EXIT_FAILED, AeganError
from aegan_monitor.evidence.folder import find_path as find_evidence_path
from aegan_monitor.files import show_path, sync_folder
from aegan_monitor.history.database import HistoryError, copy_database
from aegan_monitor.history.store import find_path as find_history_path
from aegan_monitor.outbox.store import find_path as find_outbox_path
from aegan_monitor.tools.daemon_state import find_state

QUIET_S = 0.1  # longer than a step of the clock that stamps files
N_ATTEMPTS = 20
LOG_HEADER_BYTES = 32  # with numbers that change when the log begins again


class _Files(NamedTuple):
    """What a backup has beside the configuration: two databases, and folders of files."""

    outbox: Path
    history: Path
    folders: tuple[Path, ...]


def back_up(
    config_path: Path,
    out: Path,
    show: Callable[[str], object],
    warn: Callable[[AeganError], object],
    environment: Mapping[str, str],
) -> int:
    """Write the tar file, whole or not at all; returns the exit code, which is 1 if a part is missing.

    Raises:
        ConfigError: The configuration is wrong.
        AeganError: `out` exists.
        OSError: `out` cannot be written.
    """
    config = load_config(config_path)
    files = _find_files(config, find_state(config, environment))
    if out.exists():
        raise AeganError(f"{show_path(out)}: already exists and is kept; choose another name, or remove it")
    descriptor, name = tempfile.mkstemp(prefix=f".{out.name}.", suffix=".tmp", dir=out.parent)  # for the owner alone
    temporary, failed = Path(name), False
    try:
        with os.fdopen(descriptor, "wb") as file, tarfile.open(fileobj=file, mode="w", dereference=True) as tar:
            _add(tar, config_path)
            for problem in _find_missing(config, files):
                warn(problem)
                failed = True
            for folder in files.folders:
                show(f"{show_path(folder)}: {_add_folder(tar, folder)} file(s)")
            for path, copy in ((files.outbox, copy_held), (files.history, copy_database)):
                try:
                    show(_add_database(tar, path, copy, out.parent))
                except HistoryError as error:
                    warn(error)
                    failed = True
            tar.close()
            file.flush()
            os.fsync(descriptor)
        temporary.rename(out)
    finally:
        temporary.unlink(missing_ok=True)
    sync_folder(out.parent)
    show(f"{show_path(out)}: {out.stat().st_size / 1e6:.1f} MB, without passwords and certificates; on another device set another node")
    return EXIT_FAILED if failed else 0


def _find_files(config: MonitorConfig, environment: Mapping[str, str]) -> _Files:
    outbox = find_outbox_path(config.outbox.path, config.node, environment)
    history = find_history_path(config.history.path, config.outbox.path, config.node, environment)
    bundles = dict.fromkeys(machine.bundle for machine in config.machines)
    evidence = find_evidence_path(config.evidence.path, config.outbox.path, config.node, environment)
    return _Files(outbox, history, (*bundles, *([evidence] if evidence.is_dir() else [])))


def _find_missing(config: MonitorConfig, files: _Files) -> Iterator[AeganError]:
    """A line for each part without which a device cannot be restored."""
    for bundle in dict.fromkeys(machine.bundle for machine in config.machines):
        if not bundle.is_dir():
            yield AeganError(f"{show_path(bundle)}: no such bundle folder, so it is not in the backup; correct the path, or mount its disk")
    if not files.outbox.exists():
        yield AeganError(
            f"{show_path(files.outbox)}: no such outbox, so no state of an alarm is in the backup; that of a service is read as root (sudo)"
        )


def copy_held(path: Path, target: Path, copy_file: Callable[[Path, Path], object] = shutil.copyfile) -> None:
    """Copy the outbox's file, which the monitor has for itself, to one file.

    File and log are copied as they are. Together they are one state of the database, unless the log was brought into the file
    meanwhile: then both are copied again. A transaction that is half in the copied log does not count.

    Raises:
        HistoryError: The file is damaged, or is written without a pause.
        OSError: It cannot be read, or the copy cannot be written.
    """
    raw = target.with_name("raw")
    for _ in range(N_ATTEMPTS):
        before = _look(path)
        copy_file(path, raw)
        Path(f"{raw}-wal").unlink(missing_ok=True)
        with contextlib.suppress(FileNotFoundError):  # there is no log when the monitor has stopped
            copy_file(Path(f"{path}-wal"), Path(f"{raw}-wal"))
        if _look(path) == before and abs(time.time() - before.changed_s) > QUIET_S:
            copy_database(raw, target)
            return
        time.sleep(QUIET_S)
    raise HistoryError(f"{path}: cannot be copied, because it is written without a pause; try again")


class _Look(NamedTuple):
    """What changes when a log is brought into its file, or begins again."""

    changed_s: float
    size: int
    log_header: bytes


def _look(path: Path) -> _Look:
    found, header = path.stat(), b""
    with contextlib.suppress(FileNotFoundError), Path(f"{path}-wal").open("rb") as log:
        header = log.read(LOG_HEADER_BYTES)
    return _Look(found.st_mtime, found.st_size, header)


def _add_database(tar: tarfile.TarFile, path: Path, make_copy: Callable[[Path, Path], None], scratch: Path) -> str:
    """Add a copy of a database; returns a line for people."""
    if not path.exists():
        return f"{show_path(path)}: does not exist"
    with tempfile.TemporaryDirectory(prefix=".backup-", dir=scratch) as folder:
        copy = Path(folder) / path.name
        make_copy(path, copy)
        details, original = tar.gettarinfo(copy, _name(path)), path.stat()
        details.uid, details.gid, details.mode = original.st_uid, original.st_gid, original.st_mode & 0o777
        with copy.open("rb") as file:
            tar.addfile(details, file)
    return f"{show_path(path)}: {details.size / 1e6:.1f} MB"


def _add_folder(tar: tarfile.TarFile, folder: Path) -> int:
    """Add the files in a folder, and below; returns how many. One that is deleted meanwhile is left out."""
    n_files = 0
    for path in _list_files(folder):
        try:
            _add(tar, path)
            n_files += 1
        except FileNotFoundError:
            continue
    return n_files


def _list_files(folder: Path) -> Iterator[Path]:
    """Its files, without those that are just written. Folders are not in the backup: tar makes them, and keeps those that are links."""
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not any(part.endswith(".tmp") for part in path.relative_to(folder).parts):
            yield path


def _add(tar: tarfile.TarFile, path: Path) -> None:
    tar.add(path, _name(path), recursive=False)


def _name(path: Path) -> str:
    """The absolute path without its first `/`, as tar wants it; links stay, because the configuration names them."""
    return os.path.abspath(path).lstrip("/")  # noqa: PTH100 - `resolve` follows links, `absolute` keeps `..`, which tar refuses
