"""Writes the history: chunks of series, events and cases; joins old chunks to coarser ones, and removes the oldest."""

import contextlib
import os
import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from aegan_monitor.history.buckets import Buckets, join_buckets, pack, unpack
from aegan_monitor.history.database import BUSY_S, ERRORS, LEVELS, MIGRATIONS, WRITE_BITS, Level, joined_until, open_to_write
from aegan_monitor.outbox.sqlite_errors import translated
from aegan_monitor.outbox.store import find_path as find_outbox_path

MAX_EVENTS = 25_000  # of each source: one that talks without end must not drive out the others
MAX_CASES = 10_000
LIMIT_EVERY = 1000  # statements
Batch = Mapping[str, Buckets]
"""Buckets of one second by machine: all decisions since the write before."""
Statement = tuple[str, tuple[Any, ...]]


def find_path(configured: Path | None, outbox: Path | None, node: str, environment: Mapping[str, str] = os.environ) -> Path:
    """Path of the file: as configured, or beside the outbox's file, whose configured path is `outbox`."""
    return configured or find_outbox_path(outbox, node, environment).with_name(f"history-{node}.sqlite")


class HistoryStore:
    """One file; one thread at a time."""

    def __init__(
        self,
        path: Path,
        keep_days: int,
        *,
        max_events: int = MAX_EVENTS,
        busy_s: float = BUSY_S,
        migrations: Sequence[str] = MIGRATIONS,
    ) -> None:
        """Store.

        Args:
            path: The file.
            keep_days: Of the level of hours, in days for which the monitor ran.
            max_events: Of each source.
            busy_s: How long another process may write before that is an error.
            migrations: From each version of the tables to the next.
        """
        self.path = path
        self._keep_days, self._max_events, self._busy_s, self._migrations = keep_days, max_events, busy_s, migrations
        self._connection: sqlite3.Connection | None = None
        self._n_unlimited = 0  # statements since the number of rows was limited

    def write(self, batches: Iterable[Batch], statements: Iterable[Statement], if_new: Callable[[], Iterable[Statement]] = tuple) -> None:
        """One transaction with batches of series, and statements that change events and cases; all or nothing.

        The first write opens the file: a missing one is made, an older version is converted. One that is deleted meanwhile is made
        again. `if_new` gives the statements with which an empty file begins.

        Raises:
            HistoryError: It cannot be written now, or is of a newer version; the file is as it was.
            DamagedHistoryError: It is not ours, or damaged.
        """
        try:
            with translated(self.path, ERRORS):
                self._write(list(batches), list(statements), if_new)
        except BaseException:
            self.close()  # which undoes what was begun
            raise

    def close(self) -> None:
        """Close the file."""
        if self._connection is not None:
            with contextlib.suppress(sqlite3.Error):
                self._connection.close()
            self._connection = None

    def _write(self, batches: Sequence[Batch], statements: Sequence[Statement], if_new: Callable[[], Iterable[Statement]]) -> None:
        if not self.path.exists():
            self.close()
        if self._connection is None:
            self._connection = open_to_write(self.path, self._busy_s, self._migrations)
            self._n_unlimited = LIMIT_EVERY
            (is_used,) = self._connection.execute("SELECT EXISTS (SELECT 1 FROM events) OR EXISTS (SELECT 1 FROM cases)").fetchone()
            statements = [*statements] if is_used else [*if_new(), *statements]
        connection = self._connection
        # A power cut may take the series of the last minute, but no event.
        connection.execute(f"PRAGMA synchronous = {'FULL' if statements else 'NORMAL'}")
        connection.execute("BEGIN IMMEDIATE")
        for statement in statements:
            connection.execute(*statement)
        self._n_unlimited += len(statements)
        if self._n_unlimited >= LIMIT_EVERY:
            _limit_rows(connection, self._max_events)
            self._n_unlimited = 0
        for batch in batches:
            _add(connection, LEVELS[0], batch, 0)
            self._tidy(connection)
        connection.execute("COMMIT")

    def _tidy(self, connection: sqlite3.Connection) -> None:
        """Join to coarser levels what is due, and then remove what is too old."""
        for finer, coarser in pairwise(LEVELS):
            if not _join(connection, finer, coarser):
                return
            _keep(connection, finer, finer.n_kept)
        _keep(connection, LEVELS[-1], self._keep_days)


def _add(connection: sqlite3.Connection, level: Level, batch: Batch, source: int) -> None:
    first = _last_write(connection, level) + 1 << WRITE_BITS
    connection.executemany(
        f"INSERT INTO {level.table} VALUES (?, ?, ?, ?, ?, ?)",  # noqa: S608 - our own tables
        [
            (number, machine, int(buckets["time"][0]), int(buckets["time"][-1]) + level.step_s, source, pack(buckets))
            for number, (machine, buckets) in enumerate(batch.items(), first)
        ],
    )


def _join(connection: sqlite3.Connection, finer: Level, coarser: Level) -> bool:
    """Join the chunks of enough writes to one chunk a machine of the coarser level; returns whether there were enough."""
    (joined,), last = connection.execute(joined_until(coarser)).fetchone(), _last_write(connection, finer)
    if last - joined < finer.n_joined:
        return False
    packed: dict[str, list[bytes]] = {}
    query = f"SELECT machine, buckets FROM {finer.table} WHERE number >= ?"  # noqa: S608 - our own tables
    for machine, buckets in connection.execute(query, (joined + 1 << WRITE_BITS,)):
        packed.setdefault(machine, []).append(buckets)
    _add(connection, coarser, {machine: join_buckets(unpack(each), coarser.step_s) for machine, each in packed.items()}, last)
    return True


def _keep(connection: sqlite3.Connection, level: Level, n_writes: int) -> None:
    """Remove all but the newest writes. Those that were joined go together: a coarser chunk has the place of its whole source, or none."""
    first = _last_write(connection, level) - n_writes + 1
    connection.execute(f"DELETE FROM {level.table} WHERE number < ?", (first << WRITE_BITS,))  # noqa: S608 - our own tables


def _last_write(connection: sqlite3.Connection, level: Level) -> int:
    (number,) = connection.execute(f"SELECT coalesce(max(number), 0) FROM {level.table}").fetchone()  # noqa: S608 - our own tables
    return int(number) >> WRITE_BITS


def _limit_rows(connection: sqlite3.Connection, max_events: int) -> None:
    """Remove the oldest events of each source, and the oldest cases, beyond their number."""
    for (source,) in connection.execute("SELECT DISTINCT source FROM events").fetchall():
        connection.execute(
            "DELETE FROM events WHERE source = ? AND number <= "
            "(SELECT number FROM events WHERE source = ? ORDER BY number DESC LIMIT 1 OFFSET ?)",
            (source, source, max_events),
        )
    connection.execute("DELETE FROM cases WHERE number <= (SELECT max(number) FROM cases) - ?", (MAX_CASES,))
