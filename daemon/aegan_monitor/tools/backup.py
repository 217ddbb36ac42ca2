"""`aegan-monitor backup`: configuration, bundles, outbox, history and evidence in one tar file, by their absolute paths."""

import os
import tarfile
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from aegan_monitor.config.model import MonitorConfig, load_config
from aegan_monitor.errors import EXIT_FAILED, AeganError
from aegan_monitor.files import show_path, sync_folder
from aegan_monitor.history.database import BUSY_S, HeldFileError, HistoryError, copy_database
from aegan_monitor.history.store import find_path as find_history_path
from aegan_monitor.outbox.store import find_path as find_outbox_path

SERVICES = Path("/var/lib")  # where systemd keeps the states of services
HELD_S = 0.2  # the monitor does not let go of its outbox: to wait longer is in vain


class _Files(NamedTuple):
    """What a backup has: the databases, which are copied first, and files as they are."""

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
    """Write the tar file, whole or not at all; returns the exit code, which is 1 if the history could not be read.

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
            for folder in files.folders:
                show(f"{show_path(folder)}: {_add_folder(tar, folder)} file(s)")
            try:
                show(_add_database(tar, files.outbox, out.parent, HELD_S))
            except HeldFileError:
                show(f"{show_path(files.outbox)}: left out, because the monitor has it: undelivered events, states of alarms and shelves")
            try:
                show(_add_database(tar, files.history, out.parent, BUSY_S))
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


def find_state(config: MonitorConfig, environment: Mapping[str, str], services: Path = SERVICES) -> Mapping[str, str]:
    """The environment of the daemon whose state this is: one that this user has started, or else a service."""
    own = find_outbox_path(config.outbox.path, config.node, environment)
    of_services = [] if own.exists() else sorted(services.glob(f"aegan-monitor*/{own.name}"))
    return {**environment, "STATE_DIRECTORY": str(of_services[0].parent)} if of_services else environment


def _find_files(config: MonitorConfig, environment: Mapping[str, str]) -> _Files:
    outbox = find_outbox_path(config.outbox.path, config.node, environment)
    history = find_history_path(config.history.path, config.outbox.path, config.node, environment)
    bundles = dict.fromkeys(machine.bundle for machine in config.machines)
    evidence = outbox.with_name(f"evidence-{config.node}")
    return _Files(outbox, history, tuple(folder for folder in (*bundles, evidence) if folder.is_dir()))


def _add_database(tar: tarfile.TarFile, path: Path, scratch: Path, busy_s: float) -> str:
    """Add a copy of a database; returns a line for people."""
    if not path.exists():
        return f"{show_path(path)}: does not exist"
    with tempfile.TemporaryDirectory(prefix=".backup-", dir=scratch) as folder:
        copy = Path(folder) / path.name
        copy_database(path, copy, busy_s)
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
