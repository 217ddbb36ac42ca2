"""The history's SQLite file: its tables, its versions, connections to it, and what its errors mean."""

import contextlib
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from aegan_monitor.errors import AeganError
from aegan_monitor.files import make_folder
from aegan_monitor.history.buckets import DamagedBucketsError
from aegan_monitor.outbox.sqlite_errors import Kinds, translated

BUSY_S = 3.0  # how long another process may write
WAL_LIMIT_BYTES = 1_000_000  # what the log may leave behind on the disk after a burst
PAGE_BYTES = 2048  # half of what is usual: a minute fills some pages, and begins each of the others again


class Level(NamedTuple):
    """A table of chunks: buckets of one width. A chunk has all of one machine that one write brought."""

    table: str
    step_s: int
    n_joined: int  # writes that are joined to one of the next level
    n_kept: int  # newest writes that are kept; a multiple of `n_joined`


MINUTE_S, HOUR_S = 60, 3600
LEVELS = (
    Level("seconds", 1, 60, 24 * 60),  # a write a minute: a day
    Level("minutes", MINUTE_S, 24, 31 * 24),  # a write an hour: a month
    Level("hours", HOUR_S, 0, 0),  # a write a day: as long as the configuration says
)


def joined_until(coarser: Level) -> str:
    """The query for the last write of the finer level that is joined in this one; 0 if none is."""
    return f"SELECT coalesce((SELECT source FROM {coarser.table} ORDER BY number DESC LIMIT 1), 0)"  # noqa: S608 - our own tables


# The number of a chunk is that of its write, which `WRITE_BITS` shift, and its place in the write. So the order is that of the writes, not
# of the clock: after the clock was set back, nothing takes the place of anything. And a table that grows at its end alone is written
# least to the disk. `source`: the last write of the finer level that is joined in it.
WRITE_BITS = 20
_CHUNKS = """
CREATE TABLE {} (
    number INTEGER PRIMARY KEY, machine TEXT NOT NULL, begin INTEGER NOT NULL, end INTEGER NOT NULL, source INTEGER NOT NULL,
    buckets BLOB NOT NULL
);
"""
_OTHERS = """
CREATE TABLE events (
    number INTEGER PRIMARY KEY, time REAL NOT NULL, machine TEXT, source TEXT NOT NULL, kind TEXT NOT NULL, text TEXT NOT NULL,
    by TEXT NOT NULL, case_id TEXT
);
CREATE INDEX events_by_time ON events (time);
CREATE TABLE cases (
    number INTEGER PRIMARY KEY, id TEXT NOT NULL, machine TEXT NOT NULL, began_at REAL NOT NULL, ended_at REAL, severity TEXT NOT NULL,
    cause TEXT NOT NULL, explanation TEXT, evidence REAL, n_recurrences INTEGER NOT NULL, common INTEGER NOT NULL, verdict TEXT,
    comment TEXT NOT NULL DEFAULT '', marked_by TEXT NOT NULL DEFAULT '', seen INTEGER NOT NULL DEFAULT 0, UNIQUE (id, machine)
);
CREATE INDEX cases_by_time ON cases (began_at);
"""
MIGRATIONS = ("".join(_CHUNKS.format(level.table) for level in LEVELS) + _OTHERS,)
"""The statements that lead from each version to the next; a file's version is how many were made."""


class HistoryError(AeganError):
    """The history cannot be read or written now."""


class DamagedHistoryError(HistoryError):
    """The content of the file is damaged."""


ERRORS = Kinds(
    HistoryError,
    HistoryError,
    DamagedHistoryError,
    "another process writes to it (sqlite3 in a terminal?); end it",
    damage=(DamagedBucketsError,),
    mistakes=(sqlite3.IntegrityError, sqlite3.ProgrammingError, sqlite3.DataError),  # the file is as it should be
)


def open_to_write(path: Path, busy_s: float = BUSY_S, migrations: Sequence[str] = MIGRATIONS) -> sqlite3.Connection:
    """The file, made if it is missing, checked, and brought to the newest version; may raise what `translated` makes `ERRORS` of.

    Raises:
        HistoryError: It is of a newer version, and is left as it is.
        DamagedHistoryError: It is not ours, or damaged.
    """
    make_folder(path.parent, path.parent)
    connection = sqlite3.connect(path, timeout=busy_s, isolation_level=None, check_same_thread=False)
    try:
        (found,) = connection.execute("PRAGMA quick_check(1)").fetchone()
        if found != "ok":
            raise DamagedHistoryError(f"{path}: damaged ({' '.join(str(found).split())})")
        version = _require_version(connection, path, len(migrations))
        connection.execute(f"PRAGMA page_size = {PAGE_BYTES}")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(f"PRAGMA journal_size_limit = {WAL_LIMIT_BYTES}")
        connection.execute("PRAGMA secure_delete = OFF")  # on by default in some builds: each page that is freed is written once more
        connection.execute("PRAGMA cache_size = -512")  # KiB
        for number, statements in enumerate(migrations[version:], version + 1):
            connection.executescript(f"BEGIN IMMEDIATE; {statements} PRAGMA user_version = {number}; COMMIT;")
    except BaseException:
        connection.close()
        raise
    return connection


def open_to_read(path: Path, *, marks: bool = False) -> sqlite3.Connection:
    """The file, for one query, or with `marks` for one change; otherwise as `open_to_write`.

    Raises:
        HistoryError: It does not exist yet, or is of another version.
    """
    lacking = f"{path}: there is no history of this version yet; the monitor makes or converts it when it runs"
    if not path.exists():
        raise HistoryError(lacking)
    # Not `mode=ro`: without the monitor, who reads last has to remove the log.
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True, timeout=BUSY_S, isolation_level=None)
    try:
        connection.execute(f"PRAGMA query_only = {not marks}")
        if _require_version(connection, path, len(MIGRATIONS)) < len(MIGRATIONS):
            raise HistoryError(lacking)
    except BaseException:
        connection.close()
        raise
    return connection


def copy_database(path: Path, target: Path) -> None:
    """Copy an SQLite file, with what is still in its log, to one file; the monitor may write meanwhile.

    Raises:
        HistoryError: It cannot be read, or is damaged; or the copy cannot be written.
    """
    with (
        translated(path, ERRORS),
        contextlib.closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True, timeout=BUSY_S)) as source,
    ):
        source.execute("SELECT count(*) FROM sqlite_master")  # `backup` would wait for a held file without end
        with contextlib.closing(sqlite3.connect(target)) as copy:
            source.backup(copy)
            copy.execute("PRAGMA journal_mode = DELETE")  # no log beside it
            (found,) = copy.execute("PRAGMA quick_check(1)").fetchone()
            if found != "ok":
                raise DamagedHistoryError(f"{path}: damaged ({' '.join(str(found).split())})")


def _require_version(connection: sqlite3.Connection, path: Path, newest: int) -> int:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version > newest:
        raise HistoryError(
            f"{path}: expected a history of version {newest}, found {version}; it is left as it is: "
            "install the newer aegan-monitor again, or name another file in history.path"
        )
    if version < 0:
        raise DamagedHistoryError(f"{path}: damaged (version {version})")
    return int(version)
