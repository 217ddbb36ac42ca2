"""Finds the daemon that runs on this computer with a configuration: it holds the lock of the outbox."""

import fcntl
import os
import signal
import struct
from pathlib import Path
from typing import NamedTuple

FLOCK = "hhqqi4x"  # struct flock of fcntl(2): type, whence, start, length, process
SQLITE_LOCKS = (0x40000000, 512)  # place and length of the bytes that SQLite locks


class RunningDaemon(NamedTuple):
    """Its process, and the folder that systemd has made for it, if it has."""

    pid: int
    runtime_directory: str | None


def find_daemon(outbox: Path) -> RunningDaemon | None:
    """The daemon that has this outbox open; None if no process has, or none that reloads on SIGHUP (a backup, sqlite3).

    Raises:
        OSError: The file or the process may not be examined.
    """
    try:
        descriptor = os.open(outbox, os.O_RDONLY)
    except FileNotFoundError:
        return None
    try:
        wanted = struct.pack(FLOCK, fcntl.F_WRLCK, os.SEEK_SET, *SQLITE_LOCKS, 0)
        kind, *_, pid = struct.unpack(FLOCK, fcntl.fcntl(descriptor, fcntl.F_GETLK, wanted))
    finally:
        os.close(descriptor)
    if kind == fcntl.F_UNLCK or pid <= 0 or not _catches(pid, signal.SIGHUP):
        return None
    found = Path("/proc", str(pid), "environ").read_bytes().split(b"\0")
    given = [value for name, _, value in (entry.partition(b"=") for entry in found) if name == b"RUNTIME_DIRECTORY"]
    return RunningDaemon(pid, os.fsdecode(given[0]) if given else None)


def _catches(pid: int, number: int) -> bool:
    """Whether the process has a handler for the signal, which would end it otherwise."""
    lines = Path("/proc", str(pid), "status").read_text(encoding="utf-8").splitlines()
    (caught,) = (line.split()[1] for line in lines if line.startswith("SigCgt:"))
    return bool(int(caught, 16) >> (number - 1) & 1)
