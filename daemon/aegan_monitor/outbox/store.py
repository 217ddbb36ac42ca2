"""The outbox's file: events, their last numbers and the retained topics in SQLite. The only place that knows SQLite."""

import contextlib
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from aegan_monitor.errors import PublishError
from aegan_monitor.files import make_folder
from aegan_monitor.messages.topics import QOS_AND_RETAINED, Message
from aegan_monitor.outbox.retained_topics import NO_CHANGES, TopicChanges

VERSION = 1  # of the tables
BUSY_S = 3.0  # how long another process may hold the file: one that is just ending
DAMAGED = "damaged"  # marks files that were set aside
N_SET_ASIDE = 3  # so many damaged ones are kept, and all of newer versions: those are whole
_NOT_WRITTEN = (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY)
WAL_LIMIT_BYTES = 1_000_000  # what the log may leave behind on the disk after a burst

# FULL: a commit is on the disk when it returns. A row that goes may come back after a power cut; a row that comes may not go.
TABLES = """
CREATE TABLE rows (row INTEGER PRIMARY KEY, put_at REAL NOT NULL, topic TEXT NOT NULL, payload BLOB NOT NULL);
CREATE TABLE last_events (topic TEXT PRIMARY KEY, payload BLOB NOT NULL) WITHOUT ROWID;
"""
# One flipped bit makes a text a blob of the same length, or a number of another: `quick_check` finds nothing wrong with that.
ODD_VALUES = """
SELECT count(*) FROM (
  SELECT 1 FROM rows WHERE (typeof(put_at), typeof(topic), typeof(payload)) != ('real', 'text', 'blob')
  UNION ALL SELECT 1 FROM last_events WHERE (typeof(topic), typeof(payload)) != ('text', 'blob')
  UNION ALL SELECT 1 FROM retained WHERE typeof(topic) != 'text')
"""
# Files of before lack it, and who does not know it leaves it alone: no other version for it.
MORE_TABLES = "CREATE TABLE IF NOT EXISTS retained (topic TEXT PRIMARY KEY) WITHOUT ROWID"


class JournalError(PublishError):
    """The file cannot be written now: the disk is full, read-only, or gone."""


class HeldJournalError(JournalError):
    """Another process has the file: a second daemon, or somebody who only looks; nothing tells which, and the one may go away."""


class DamagedJournalError(PublishError):
    """The file is not what was written, or of a newer version; `label` is for its name when it is set aside."""

    def __init__(self, message: str, label: str = DAMAGED) -> None:
        super().__init__(message)
        self.label = label


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """An event in the file; `put_at` in seconds since 1970, as the wall clock had it."""

    number: int
    put_at: float
    message: Message


def find_path(configured: Path | None, node: str, environment: Mapping[str, str]) -> Path:
    """Where the file lies: as configured, in systemd's StateDirectory, or where XDG keeps the state of programs."""
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


class Journal:
    """One file; one thread at a time.

    Attributes:
        retained: Topics on which a broker may keep something, as `open` found them.
    """

    def __init__(self, path: Path, max_pages: int | None = None) -> None:
        """Store; `max_pages` bounds the file, in pages of 4096 bytes."""
        self.path = path
        self.retained: frozenset[str] = frozenset()
        self._max_pages = max_pages
        self._connection: sqlite3.Connection | None = None

    def open(self) -> tuple[list[StoredEvent], dict[str, bytes]]:
        """The events in the file, oldest first, and the last event of each topic; makes the file where there is none.

        Raises:
            HeldJournalError: Another process has it.
            JournalError: It cannot be opened or made now.
            DamagedJournalError: It is not ours, or damaged; `set_aside` makes room for another.
        """
        self.close()
        with self._closed_on_failure(), self._translated():
            make_folder(self.path.parent, self.path.parent)
            self._connection = sqlite3.connect(self.path, timeout=BUSY_S, isolation_level=None, check_same_thread=False)
            self._prepare(self._connection)
            rows = self._connection.execute("SELECT row, put_at, topic, payload FROM rows ORDER BY row").fetchall()
            last = dict(self._connection.execute("SELECT topic, payload FROM last_events").fetchall())
            self.retained = frozenset(topic for (topic,) in self._connection.execute("SELECT topic FROM retained"))
        qos, retained = QOS_AND_RETAINED["event"]
        return [StoredEvent(row, put_at, Message(topic, payload, qos, retained, "event")) for row, put_at, topic, payload in rows], last

    def look(self) -> tuple[list[StoredEvent], dict[str, bytes]]:
        """As `open`, of a file that can be read and not written: it is opened in a copy.

        Raises:
            JournalError: There is none, or it cannot be read.
            DamagedJournalError: As `open`.
        """
        with self._translated(), tempfile.TemporaryDirectory() as folder:
            copy = Journal(Path(folder) / self.path.name)
            shutil.copyfile(self.path, copy.path)
            if (log := Path(f"{self.path}-wal")).is_file():
                shutil.copyfile(log, f"{copy.path}-wal")
            try:
                found = copy.open()
            finally:
                copy.close()
        self.retained = copy.retained
        return found

    def write(
        self,
        added: Iterable[StoredEvent],
        removed: Iterable[int],
        last: Mapping[str, bytes],
        topics: TopicChanges = NO_CHANGES,
        *,
        anew: bool = False,
    ) -> None:
        """Add and remove, all or nothing; on the disk when it returns if anything is added. `anew` forgets all else first.

        Raises:
            JournalError: It cannot be written now; the file is as it was.
            DamagedJournalError: It is damaged.
        """
        if self._connection is None:
            raise JournalError(f"{self.path}: not open")
        added = list(added)
        with self._translated():
            self._connection.execute(f"PRAGMA synchronous = {'FULL' if added or last or topics.added else 'NORMAL'}")
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                if anew:
                    self._connection.execute("DELETE FROM rows")
                    self._connection.execute("DELETE FROM retained")
                self._connection.executemany("DELETE FROM rows WHERE row = ?", [(number,) for number in removed])
                self._connection.executemany(
                    "INSERT OR REPLACE INTO rows VALUES (?, ?, ?, ?)",
                    [(row.number, row.put_at, row.message.topic, row.message.payload) for row in added],
                )
                self._connection.executemany("INSERT OR REPLACE INTO last_events VALUES (?, ?)", list(last.items()))
                self._connection.executemany("DELETE FROM retained WHERE topic = ?", [(topic,) for topic in topics.removed])
                self._connection.executemany("INSERT OR IGNORE INTO retained VALUES (?)", [(topic,) for topic in topics.added])
                self._connection.execute("COMMIT")
            except sqlite3.Error:
                if self._connection.in_transaction:  # SQLite itself has undone what a full disk broke
                    self._connection.execute("ROLLBACK")
                raise

    def set_aside(self, now: datetime, label: str = DAMAGED) -> Path:
        """Rename the file, with its log, so that a new one can be made; returns where it is now. `label` says what is wrong with it.

        Raises:
            OSError: It cannot be renamed.
        """
        self.close()
        stamp = now.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
        aside = self.path.with_name(f"{self.path.name}.{label}-{stamp}")
        for ending in ("", "-wal", "-shm", "-journal"):
            with contextlib.suppress(FileNotFoundError):
                Path(f"{self.path}{ending}").rename(f"{aside}{ending}")
        older = sorted(path for path in self.path.parent.glob(f"{self.path.name}.{DAMAGED}-*Z"))[:-N_SET_ASIDE]
        for path in [other for old in older for other in old.parent.glob(f"{old.name}*")]:
            path.unlink(missing_ok=True)
        return aside

    def close(self) -> None:
        """Let go of the file."""
        if self._connection is not None:
            with contextlib.suppress(sqlite3.Error):
                self._connection.close()
            self._connection = None

    def _prepare(self, connection: sqlite3.Connection) -> None:
        connection.execute("PRAGMA locking_mode = EXCLUSIVE")  # one daemon a file, and no shared memory
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(f"PRAGMA journal_size_limit = {WAL_LIMIT_BYTES}")
        if self._max_pages is not None:
            connection.execute(f"PRAGMA max_page_count = {self._max_pages}")
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version not in (0, VERSION):
            label = f"version-{version}" if version > VERSION else DAMAGED
            raise DamagedJournalError(f"{self.path}: expected an outbox of version {VERSION}, found {version}", label)
        if version == 0:
            connection.executescript(f"BEGIN IMMEDIATE;{TABLES}PRAGMA user_version = {VERSION};COMMIT;")
        connection.execute(MORE_TABLES)
        (found,) = connection.execute("PRAGMA quick_check(1)").fetchone()
        if found != "ok":
            raise DamagedJournalError(f"{self.path}: damaged ({' '.join(str(found).split())})")
        (n_odd,) = connection.execute(ODD_VALUES).fetchone()
        if n_odd:
            raise DamagedJournalError(f"{self.path}: damaged ({n_odd} value(s) of another type)")

    @contextlib.contextmanager
    def _closed_on_failure(self) -> Iterator[None]:
        """A file that could not be opened is in nobody's way."""
        try:
            yield
        except PublishError:
            self.close()
            raise

    @contextlib.contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise JournalError(f"{self.path}: {error.strerror or error}") from error
        except sqlite3.OperationalError as error:
            code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
            if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
                raise HeldJournalError(
                    f"{self.path}: another process has this file (a second monitor, a backup, sqlite3); end it, "
                    "or give each monitor a node or outbox.path of its own"
                ) from error
            if code == sqlite3.SQLITE_ERROR:  # a table is missing: not our file
                raise DamagedJournalError(f"{self.path}: damaged ({error})") from error
            raise JournalError(f"{self.path}: {error}{self._tell_folder(code)}") from error
        except (sqlite3.DatabaseError, UnicodeDecodeError) as error:  # sqlite3 cannot even decode what is wrong
            raise DamagedJournalError(f"{self.path}: damaged ({error})") from error

    def _tell_folder(self, code: int) -> str:
        folder = self.path.parent
        lacking = code in _NOT_WRITTEN and not os.access(folder, os.W_OK)
        return f" ({folder} may not be written)" if lacking else ""
