"""The outbox's file: events, records of alarms and retained topics in SQLite."""

import contextlib
import sqlite3
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

from aegan_monitor.alarm.stored import convert_last_event, dump_record
from aegan_monitor.errors import PublishError
from aegan_monitor.files import make_folder, set_aside
from aegan_monitor.messages.topics import QOS_AND_RETAINED, Message
from aegan_monitor.outbox.entry import Entry
from aegan_monitor.outbox.event_queue import Changes
from aegan_monitor.outbox.sqlite_errors import Kinds, translated

VERSION = 2  # of the tables
BUSY_S = 3.0  # how long another process may hold the file: one that is just ending
WAL_LIMIT_BYTES = 1_000_000  # what the log may leave behind on the disk after a burst

# FULL: a commit is on the disk when it returns. A row that goes may come back after a power cut; an event may not get lost.
TABLES = """
CREATE TABLE IF NOT EXISTS rows (row INTEGER PRIMARY KEY, put_at REAL NOT NULL, topic TEXT NOT NULL, payload BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS retained (topic TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS alarms (machine TEXT PRIMARY KEY, record BLOB NOT NULL) WITHOUT ROWID;
"""
# One flipped bit makes a text a blob of the same length, or a number of another: `quick_check` finds nothing wrong with that.
ODD_VALUES = """
SELECT count(*) FROM (
  SELECT 1 FROM rows WHERE (typeof(put_at), typeof(topic), typeof(payload)) != ('real', 'text', 'blob')
  UNION ALL SELECT 1 FROM alarms WHERE (typeof(machine), typeof(record)) != ('text', 'blob')
  UNION ALL SELECT 1 FROM retained WHERE typeof(topic) != 'text')
"""


class StoreError(PublishError):
    """The file cannot be opened or written now: the disk is full, read-only or gone, or the file is of a newer version."""


class HeldStoreError(StoreError):
    """Another process has the file: a second daemon, a backup, or sqlite3 in a terminal."""


class DamagedStoreError(PublishError):
    """The content of the file is damaged."""


_ERRORS = Kinds(
    StoreError,
    HeldStoreError,
    DamagedStoreError,
    "another process has this file (a second monitor, a backup, sqlite3); end it, or give each monitor a node or outbox.path of its own",
)


def find_path(configured: Path | None, node: str, environment: Mapping[str, str]) -> Path:
    """Path of the file: as configured, in systemd's StateDirectory, or where XDG keeps the state of programs."""
    if configured is not None:
        return configured
    if given := environment.get("STATE_DIRECTORY"):
        return Path(given.split(":", 1)[0]) / f"outbox-{node}.sqlite"
    try:
        home = Path(environment.get("HOME") or "~").expanduser()
    except RuntimeError:  # neither HOME nor an entry in passwd, as in some containers: as HOME=/, which Docker sets then
        home = Path("/")
    state = environment.get("XDG_STATE_HOME") or home / ".local" / "state"
    return Path(state) / "aegan-monitor" / f"outbox-{node}.sqlite"


class Store:
    """One file; one thread at a time."""

    def __init__(self, path: Path, max_pages: int | None = None) -> None:
        """Store; `max_pages` bounds the file, in pages of 4096 bytes."""
        self.path = path
        self._max_pages = max_pages
        self._connection: sqlite3.Connection | None = None

    def open(self) -> Changes:
        """What the file holds, with events put in seconds since 1970, oldest first. A missing file is made; an older version is migrated.

        Raises:
            HeldStoreError: Another process has it.
            StoreError: It cannot be opened or made now, or is of a newer version, and is left as it is.
            DamagedStoreError: It is not ours, or damaged; `set_aside` makes room for another.
        """
        self.close()
        try:
            with translated(self.path, _ERRORS):
                make_folder(self.path.parent, self.path.parent)
                self._connection = sqlite3.connect(self.path, timeout=BUSY_S, isolation_level=None, check_same_thread=False)
                self._prepare(self._connection)
                return self._read(self._connection)
        except PublishError:
            self.close()
            raise

    def write(self, changes: Changes, *, replaces: bool = False) -> None:
        """Apply changes, all or nothing; on the disk when it returns if there are events or topics. `replaces` deletes all events first.

        A record without an event survives a kill at once, a power cut only after the next checkpoint.

        Raises:
            StoreError: It cannot be written now; the file is as it was.
            DamagedStoreError: It is damaged.
        """
        if self._connection is None:
            raise StoreError(f"{self.path}: not open")
        with translated(self.path, _ERRORS):
            self._connection.execute(f"PRAGMA synchronous = {'FULL' if changes.added or changes.topics is not None else 'NORMAL'}")
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                if replaces:
                    self._connection.execute("DELETE FROM rows")
                many = self._connection.executemany
                many("DELETE FROM rows WHERE row = ?", [(number,) for number in changes.removed])
                many(
                    "INSERT OR REPLACE INTO rows VALUES (?, ?, ?, ?)",
                    [(row.number, row.put_s, row.message.topic, row.message.payload) for row in changes.added],
                )
                many("INSERT OR REPLACE INTO alarms VALUES (?, ?)", list(changes.alarms.items()))
                if changes.topics is not None:
                    self._connection.execute("DELETE FROM retained")
                    many("INSERT INTO retained VALUES (?)", [(topic,) for topic in changes.topics])
                self._connection.execute("COMMIT")
            except sqlite3.Error:
                if self._connection.in_transaction:  # SQLite itself has undone what a full disk broke
                    self._connection.execute("ROLLBACK")
                raise

    def set_aside(self, now: datetime) -> Path:
        """Rename the damaged file, with its log, so that a new one can be made; returns where it is now.

        Raises:
            OSError: It cannot be renamed.
        """
        self.close()
        return set_aside(self.path, now)

    def close(self) -> None:
        """Close the file."""
        if self._connection is not None:
            with contextlib.suppress(sqlite3.Error):
                self._connection.close()
            self._connection = None

    def _prepare(self, connection: sqlite3.Connection) -> None:
        connection.execute("PRAGMA locking_mode = EXCLUSIVE")  # one daemon a file, and no shared memory
        (found,) = connection.execute("PRAGMA quick_check(1)").fetchone()
        if found != "ok":
            raise DamagedStoreError(f"{self.path}: damaged ({' '.join(str(found).split())})")
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version > VERSION:
            raise StoreError(
                f"{self.path}: expected an outbox of version {VERSION}, found {version}; it is left as it is: "
                "install the newer aegan-monitor again, or name another file in outbox.path"
            )
        if version < 0:
            raise DamagedStoreError(f"{self.path}: damaged (version {version})")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(f"PRAGMA journal_size_limit = {WAL_LIMIT_BYTES}")
        if self._max_pages is not None:
            connection.execute(f"PRAGMA max_page_count = {self._max_pages}")
        if version < VERSION:
            self._migrate(connection, version)
        (n_odd,) = connection.execute(ODD_VALUES).fetchone()
        if n_odd:
            raise DamagedStoreError(f"{self.path}: damaged ({n_odd} value(s) of another type)")

    def _read(self, connection: sqlite3.Connection) -> Changes:
        qos, retained = QOS_AND_RETAINED["event"]
        rows = connection.execute("SELECT row, put_at, topic, payload FROM rows ORDER BY row")
        events = [Entry(row, Message(topic, payload, qos, retained, "event"), put_at) for row, put_at, topic, payload in rows]
        alarms = dict(connection.execute("SELECT machine, record FROM alarms").fetchall())
        topics = frozenset(topic for (topic,) in connection.execute("SELECT topic FROM retained"))
        return Changes(events, [], alarms, topics)

    def _migrate(self, connection: sqlite3.Connection, version: int) -> None:
        """Bring a new file, or one of version 1, to the tables of today, in one transaction.

        Version 1 has the last event of each topic in `last_events`, and none or all of its files a table `retained`.
        """
        connection.execute("BEGIN IMMEDIATE")
        for table in filter(str.strip, TABLES.split(";")):
            connection.execute(table)
        if version == 1:
            last = connection.execute("SELECT topic, payload FROM last_events").fetchall()
            if any((type(topic), type(payload)) != (str, bytes) for topic, payload in last):
                raise DamagedStoreError(f"{self.path}: damaged (value(s) of another type)")
            records = [(topic.split("/")[-2], convert_last_event(payload)) for topic, payload in last if topic.count("/") >= 2]
            newest = dict(sorted(records, key=lambda each: each[1].sequence))
            connection.executemany("INSERT INTO alarms VALUES (?, ?)", [(name, dump_record(record)) for name, record in newest.items()])
            connection.execute("DROP TABLE last_events")
        connection.execute(f"PRAGMA user_version = {VERSION}")
        connection.execute("COMMIT")
