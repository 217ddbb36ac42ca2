"""The outbox's file: what was written is there after any end, and what is wrong with it is told."""

import contextlib
import os
import resource
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from aegan_monitor.messages.topics import Message
from aegan_monitor.outbox.retained_topics import TopicChanges
from aegan_monitor.outbox.store import DamagedJournalError, HeldJournalError, Journal, JournalError, StoredEvent, find_path

NOW = datetime(2026, 1, 31, 8, 15, tzinfo=UTC)
TOPIC = "aegan/hall/pump/event"


def stored(number: int, text: str = "e", topic: str = TOPIC) -> StoredEvent:
    """An event."""
    return StoredEvent(number, 1_770_000_000.0 + number, Message(topic, f"{text}{number}".encode(), 1, False, "event"))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """In a folder that is not there yet."""
    return tmp_path / "state" / "outbox.sqlite"


@pytest.fixture
def journal(path: Path) -> Iterator[Journal]:
    """A new one, open."""
    made = Journal(path)
    assert made.open() == ([], {})
    yield made
    made.close()


def test_what_was_written_is_there(journal: Journal, path: Path) -> None:
    """Rows in order, without those that were removed, and the last event of each topic even after its row has gone."""
    journal.write([stored(2), stored(1)], [], {TOPIC: b"e2"})
    journal.write([stored(3)], [1, 2, 99], {TOPIC: b"e3"})
    journal.write([], [3], {})
    journal.write([stored(4, topic="other")], [], {"other": b"e4"})
    journal.close()
    assert Journal(path).open() == ([stored(4, topic="other")], {TOPIC: b"e3", "other": b"e4"})


def test_it_can_be_written_anew(journal: Journal) -> None:
    """All rows are replaced, last events are only added to."""
    journal.write([stored(1)], [], {TOPIC: b"e1"})
    journal.write([stored(2)], [], {"other": b"e2"}, anew=True)
    assert journal.open() == ([stored(2)], {TOPIC: b"e1", "other": b"e2"})


def test_retained_topics_are_remembered(journal: Journal, path: Path) -> None:
    """Those that were added and not removed; anew means these and no other."""
    journal.write([], [], {}, TopicChanges(frozenset("ab")))
    journal.write([], [], {}, TopicChanges(frozenset("bc"), frozenset("a")))
    journal.close()
    again = Journal(path)
    again.open()
    assert again.retained == {"b", "c"}
    again.write([], [], {}, TopicChanges(frozenset("d")), anew=True)
    again.open()
    assert again.retained == {"d"}
    again.close()


def test_a_file_of_before_opens(journal: Journal, path: Path) -> None:
    """One that was made when there were no retained topics in it: what it holds stays."""
    journal.write([stored(1)], [], {TOPIC: b"e1"})
    journal.close()
    connection = sqlite3.connect(path)
    connection.execute("DROP TABLE retained")
    connection.close()
    again = Journal(path)
    assert again.open() == ([stored(1)], {TOPIC: b"e1"})
    again.write([], [], {}, TopicChanges(frozenset("a")))
    again.open()
    assert again.retained == {"a"}
    again.close()


def test_nobody_else_gets_the_file(journal: Journal, path: Path) -> None:
    """A second daemon of that node would send everything a second time."""
    other = Journal(path)
    with pytest.raises(HeldJournalError) as caught:
        other.open()
    own = "or give each monitor a node or outbox.path of its own"
    assert str(caught.value) == f"{path}: another process has this file (a second monitor, a backup, sqlite3); end it, {own}"
    journal.write([stored(1)], [], {})


def test_who_looks_into_the_file_only_delays_a_start(journal: Journal, path: Path) -> None:
    """As a second daemon it looks like one: it is told so, and over when it is over."""
    journal.write([stored(1)], [], {})
    journal.close()
    with contextlib.closing(sqlite3.connect(path)) as reader:
        assert reader.execute("SELECT count(*) FROM rows").fetchone() == (1,)
        with pytest.raises(HeldJournalError):
            Journal(path).open()
    assert journal.open()[0] == [stored(1)]


@pytest.mark.process
def test_what_was_written_outlives_a_kill(path: Path) -> None:
    """A process that is killed in the middle of writing leaves every transaction that it has told of."""
    program = (
        "import sys\nfrom pathlib import Path\nfrom aegan_monitor.outbox.store import Journal, StoredEvent\n"
        "from aegan_monitor.messages.topics import Message\n"
        "journal = Journal(Path(sys.argv[1]))\njournal.open()\n"
        "for n in range(1, 100000):\n"
        "    payload = b'e%d' % n\n"
        f"    journal.write([StoredEvent(n, 0.0, Message({TOPIC!r}, payload, 1, False, 'event'))], [], {{{TOPIC!r}: payload}})\n"
        "    print(n, flush=True)\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen([sys.executable, "-c", program, str(path)], stdout=subprocess.PIPE, text=True, env=environment) as child:
        assert child.stdout is not None
        for line in child.stdout:
            if int(line) == 50:
                break
        child.send_signal(signal.SIGKILL)
        told = int((child.stdout.read().split() or ["50"])[-1])
    rows, last = Journal(path).open()
    assert [row.number for row in rows] == list(range(1, len(rows) + 1))
    assert told <= len(rows) <= told + 1
    assert last == {TOPIC: f"e{len(rows)}".encode()}


@pytest.mark.parametrize("content", [b"not a database at all" * 100, b"SQLite format 3\0" + b"\xff" * 5000], ids=["text", "broken"])
def test_a_file_that_is_none_of_ours_is_told_and_set_aside(path: Path, content: bytes) -> None:
    """Nothing is deleted, and a new file takes its place."""
    path.parent.mkdir()
    path.write_bytes(content)
    journal = Journal(path)
    with pytest.raises(DamagedJournalError, match=f"{path}: damaged (.*)"):
        journal.open()
    aside = journal.set_aside(NOW)
    assert (aside.name, aside.read_bytes()) == ("outbox.sqlite.damaged-20260131T081500Z", content)
    assert journal.open() == ([], {})
    journal.close()


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE rows SET topic = CAST(topic AS BLOB)",
        "UPDATE rows SET payload = CAST(payload AS TEXT)",
        "UPDATE last_events SET topic = CAST(topic AS BLOB)",
        "INSERT INTO retained VALUES (CAST('t' AS BLOB))",
    ],
)
def test_a_value_of_another_type_is_damage(journal: Journal, path: Path, change: str) -> None:
    """One bit makes a text a blob of the same length, and SQLite's own check finds nothing wrong with that."""
    journal.write([stored(1)], [], {"t": b"p"})
    journal.close()
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(change)
    with pytest.raises(DamagedJournalError) as caught:
        Journal(path).open()
    assert str(caught.value) == f"{path}: damaged (1 value(s) of another type)"


def test_a_page_that_was_changed_is_found(journal: Journal, path: Path) -> None:
    """Not only the header is looked at."""
    journal.write([stored(number, "x" * 500) for number in range(100)], [], {})
    journal.close()
    content = bytearray(path.read_bytes())
    content[8192:-4096] = b"\xa5" * (len(content) - 12288)
    path.write_bytes(content)
    with pytest.raises(DamagedJournalError, match="damaged"):
        Journal(path).open()


@pytest.mark.parametrize(("version", "label"), [(9, "version-9"), (-9, "damaged")])
def test_a_file_of_another_version_is_told(journal: Journal, path: Path, version: int, label: str) -> None:
    """A newer one is whole; no version was ever negative."""
    journal.close()
    connection = sqlite3.connect(path)
    connection.execute(f"PRAGMA user_version = {version}")
    connection.close()
    with pytest.raises(DamagedJournalError) as caught:
        Journal(path).open()
    assert (str(caught.value), caught.value.label) == (f"{path}: expected an outbox of version 1, found {version}", label)


def test_only_the_last_damaged_files_are_kept(path: Path) -> None:
    """A bad disk does not fill up with them; those of newer versions stay."""
    journal = Journal(path)
    path.parent.mkdir()
    for day in range(1, 6):
        path.write_bytes(b"x")
        journal.set_aside(NOW.replace(day=day), "version-9")
    for day in range(1, 6):
        path.write_bytes(b"x")
        Path(f"{path}-wal").write_bytes(b"y")
        journal.set_aside(NOW.replace(day=day))
    kept = sorted(found.name for found in path.parent.iterdir())
    damaged = [f"outbox.sqlite.damaged-2026010{day}T081500Z{ending}" for day in (3, 4, 5) for ending in ("", "-wal")]
    assert kept == [*damaged, *(f"outbox.sqlite.version-9-2026010{day}T081500Z" for day in range(1, 6))]


def test_a_full_disk_changes_nothing(path: Path) -> None:
    """It is told; what was there stays, and can be written again when there is room."""
    journal = Journal(path, max_pages=8)
    journal.open()
    journal.write([stored(1)], [], {TOPIC: b"e1"})
    with pytest.raises(JournalError) as caught:
        journal.write([stored(2, "x" * 100_000)], [1], {TOPIC: b"e2"})
    assert str(caught.value) == f"{path}: database or disk is full"
    journal.write([stored(3)], [], {TOPIC: b"e3"})
    assert journal.open() == ([stored(1), stored(3)], {TOPIC: b"e3"})
    journal.close()


def test_a_limit_of_the_system_is_a_full_disk_too(journal: Journal, path: Path) -> None:
    """The kernel says so in the middle of a write."""
    journal.write([stored(1)], [], {})
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, before[1]))
    try:
        with pytest.raises(JournalError, match=f"{path}: (disk I/O error|database or disk is full)"):
            journal.write([stored(2, "x" * 100_000)], [], {})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert journal.open()[0] == [stored(1)]


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    """As is one that is a file."""
    (tmp_path / "state").write_text("")
    with pytest.raises(JournalError) as caught:
        Journal(tmp_path / "state" / "outbox.sqlite").open()
    assert str(caught.value) == f"{tmp_path}/state/outbox.sqlite: File exists"


@pytest.mark.parametrize(
    ("configured", "environment", "expected"),
    [
        ("/o.sqlite", {"STATE_DIRECTORY": "/s"}, "/o.sqlite"),
        (None, {"STATE_DIRECTORY": "/s:/t", "XDG_STATE_HOME": "/x"}, "/s/outbox-hall.sqlite"),
        (None, {"XDG_STATE_HOME": "/x", "HOME": "/h"}, "/x/aegan-monitor/outbox-hall.sqlite"),
        (None, {"HOME": "/h"}, "/h/.local/state/aegan-monitor/outbox-hall.sqlite"),
    ],
)
def test_where_the_file_lies(configured: str | None, environment: dict[str, str], expected: str) -> None:
    """As configured, else systemd's folder, else the user's."""
    assert find_path(Path(configured) if configured else None, "hall", environment) == Path(expected)
