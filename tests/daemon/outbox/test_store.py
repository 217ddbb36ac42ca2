"""The store: committed data survives any end of the process, and damage is reported."""

import contextlib
import os
import resource
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from aegan_monitor.messages.topics import Message
from aegan_monitor.outbox.entry import Entry
from aegan_monitor.outbox.event_queue import Changes
from aegan_monitor.outbox.store import DamagedStoreError, HeldStoreError, Store, StoreError

NOW = datetime(2026, 1, 31, 8, 15, tzinfo=UTC)
TOPIC = "aegan/hall/pump/event"


def stored(number: int, text: str = "e", topic: str = TOPIC) -> Entry:
    """An event."""
    return Entry(number, Message(topic, f"{text}{number}".encode(), 1, False, "event"), 1_770_000_000.0 + number)


NOTHING = Changes([], [], {}, frozenset())


def write(
    store: Store,
    added: list[Entry],
    removed: Iterable[int] = (),
    alarms: dict[str, bytes] | None = None,
    topics: frozenset[str] | None = None,
    *,
    replaces: bool = False,
) -> None:
    """One transaction."""
    store.write(Changes(added, list(removed), alarms or {}, topics), replaces=replaces)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A path in a folder that does not exist yet."""
    return tmp_path / "state" / "outbox.sqlite"


@pytest.fixture
def store(path: Path) -> Iterator[Store]:
    """A new open store."""
    made = Store(path)
    assert made.open() == NOTHING
    yield made
    made.close()


def test_what_was_written_is_there(store: Store, path: Path) -> None:
    """Reading gives the rows in order without the removed ones, and the record of each alarm."""
    write(store, [stored(2), stored(1)], alarms={"pump": b"r2"})
    write(store, [stored(3)], [1, 2, 99], {"pump": b"r3"})
    write(store, [], [3], {"fan": b"r0"})
    write(store, [stored(4, topic="other")])
    store.close()
    assert Store(path).open() == Changes([stored(4, topic="other")], [], {"pump": b"r3", "fan": b"r0"}, frozenset())


def test_it_can_be_written_anew(store: Store) -> None:
    """All events and topics are replaced, records are only added to."""
    write(store, [stored(1)], [], {"pump": b"r1"}, frozenset("a"))
    write(store, [stored(2)], [], {"fan": b"r2"}, frozenset("b"), replaces=True)
    assert store.open() == Changes([stored(2)], [], {"pump": b"r1", "fan": b"r2"}, frozenset("b"))


def test_retained_topics_are_remembered(store: Store) -> None:
    """The last ones that were written."""
    write(store, [], topics=frozenset("ab"))
    write(store, [], topics=frozenset("bc"))
    assert store.open().topics == frozenset("bc")


def test_nobody_else_gets_the_file(store: Store, path: Path) -> None:
    """A second daemon of the same node cannot open the store."""
    other = Store(path)
    with pytest.raises(HeldStoreError) as caught:
        other.open()
    own = "or give each monitor a node or outbox.path of its own"
    assert str(caught.value) == f"{path}: another process has this file (a second monitor, a backup, sqlite3); end it, {own}"
    write(store, [stored(1)])


def test_who_looks_into_the_file_only_delays_a_start(store: Store, path: Path) -> None:
    """Another reader of the file blocks a start with a clear error, until it closes the file."""
    write(store, [stored(1)])
    store.close()
    with contextlib.closing(sqlite3.connect(path)) as reader:
        assert reader.execute("SELECT count(*) FROM rows").fetchone() == (1,)
        with pytest.raises(HeldStoreError):
            Store(path).open()
    assert store.open().added == [stored(1)]


@pytest.mark.process
def test_what_was_written_outlives_a_kill(path: Path) -> None:
    """A process that is killed in the middle of writing leaves every transaction that it has reported."""
    program = (
        "import sys\nfrom pathlib import Path\nfrom aegan_monitor.outbox.event_queue import Changes\n"
        "from aegan_monitor.outbox.store import Store\nfrom aegan_monitor.outbox.entry import Entry\n"
        "from aegan_monitor.messages.topics import Message\n"
        "store = Store(Path(sys.argv[1]))\nstore.open()\n"
        "for n in range(1, 100000):\n"
        "    payload = b'e%d' % n\n"
        f"    event = Entry(n, Message({TOPIC!r}, payload, 1, False, 'event'), 0.0)\n"
        "    store.write(Changes([event], alarms={'pump': payload}))\n"
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
    found = Store(path).open()
    assert [event.number for event in found.added] == list(range(1, len(found.added) + 1))
    assert told <= len(found.added) <= told + 1
    assert found.alarms == {"pump": f"e{len(found.added)}".encode()}


@pytest.mark.parametrize("content", [b"not a database at all" * 100, b"SQLite format 3\0" + b"\xff" * 5000], ids=["text", "broken"])
def test_a_file_that_is_none_of_ours_is_reported_and_set_aside(path: Path, content: bytes) -> None:
    """A file of another kind is renamed with a message, and a new store takes its place."""
    path.parent.mkdir()
    path.write_bytes(content)
    store = Store(path)
    with pytest.raises(DamagedStoreError, match=f"{path}: damaged (.*)"):
        store.open()
    aside = store.set_aside(NOW)
    assert (aside.name, aside.read_bytes()) == ("outbox.sqlite.damaged-20260131T081500Z", content)
    assert store.open() == NOTHING
    store.close()


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE rows SET topic = CAST(topic AS BLOB)",
        "UPDATE rows SET payload = CAST(payload AS TEXT)",
        "UPDATE alarms SET machine = CAST(machine AS BLOB)",
        "INSERT INTO retained VALUES (CAST('t' AS BLOB))",
    ],
)
def test_a_value_of_another_type_is_damage(store: Store, path: Path, change: str) -> None:
    """A value of a wrong type counts as damage, which the integrity check of SQLite does not find."""
    write(store, [stored(1)], [], {"t": b"p"})
    store.close()
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(change)
    with pytest.raises(DamagedStoreError) as caught:
        Store(path).open()
    assert str(caught.value) == f"{path}: damaged (1 value(s) of another type)"


def test_a_page_that_was_changed_is_found(store: Store, path: Path) -> None:
    """A changed page is found, not only a changed header."""
    write(store, [stored(number, "x" * 500) for number in range(100)])
    store.close()
    content = bytearray(path.read_bytes())
    content[8192:-4096] = b"\xa5" * (len(content) - 12288)
    path.write_bytes(content)
    with pytest.raises(DamagedStoreError, match="damaged"):
        Store(path).open()


def test_a_file_of_a_newer_version_is_left_as_it_is(store: Store, path: Path) -> None:
    """A store of a newer version stays unchanged, with a message that says what to do."""
    write(store, [stored(1)])
    store.close()
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 9")
    before = path.read_bytes()
    with pytest.raises(StoreError, match="expected an outbox of version 2, found 9; it is left as it is: .*outbox.path"):
        Store(path).open()
    assert [(each.name, each.read_bytes()) for each in path.parent.iterdir()] == [(path.name, before)]


def test_a_version_that_never_was_is_damage(store: Store, path: Path) -> None:
    """A negative version counts as damage."""
    store.close()
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = -9")
    with pytest.raises(DamagedStoreError, match="damaged"):
        Store(path).open()


def test_only_the_last_damaged_files_are_kept(path: Path) -> None:
    """Only the newest damaged files are kept, so that they cannot fill the disk."""
    store = Store(path)
    path.parent.mkdir()
    for day in range(1, 6):
        path.write_bytes(b"x")
        Path(f"{path}-wal").write_bytes(b"y")
        store.set_aside(NOW.replace(day=day))
    kept = sorted(found.name for found in path.parent.iterdir())
    assert kept == [f"outbox.sqlite.damaged-2026010{day}T081500Z{ending}" for day in (3, 4, 5) for ending in ("", "-wal")]


def test_a_full_disk_changes_nothing(path: Path) -> None:
    """A full disk is reported, keeps the old data, and writing works again when there is room."""
    store = Store(path, max_pages=8)
    store.open()
    write(store, [stored(1)], [], {"pump": b"e1"})
    with pytest.raises(StoreError) as caught:
        write(store, [stored(2, "x" * 100_000)], [1], {"pump": b"e2"})
    assert str(caught.value) == f"{path}: database or disk is full"
    write(store, [stored(3)], [], {"pump": b"e3"})
    assert store.open() == Changes([stored(1), stored(3)], [], {"pump": b"e3"}, frozenset())
    store.close()


def test_a_limit_of_the_system_is_a_full_disk_too(store: Store, path: Path) -> None:
    """A file size limit during a write is handled like a full disk."""
    write(store, [stored(1)])
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, before[1]))
    try:
        with pytest.raises(StoreError, match=f"{path}: (disk I/O error|database or disk is full)"):
            write(store, [stored(2, "x" * 100_000)])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert store.open().added == [stored(1)]
