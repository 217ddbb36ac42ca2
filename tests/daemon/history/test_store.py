"""The history's file: versions, and what a kill leaves."""

import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from aegan_monitor.history import reader as reading
from aegan_monitor.history.buckets import Decision, make_buckets
from aegan_monitor.history.database import LEVELS, MIGRATIONS, HistoryError, open_to_write
from aegan_monitor.history.reader import HistoryReader
from aegan_monitor.history.store import HistoryStore, find_path
from chaos import scaled
from histories import BEGAN

BATCH = {"pump": make_buckets([Decision(BEGAN.timestamp(), 1.0, 0.5, -30.0)])}
FUTURE = len(MIGRATIONS) + 1

N_WRITTEN = 25  # batches, and as many events, in a transaction
WRITES_UNTIL_IT_IS_KILLED = """
import os, random, signal, sys, time
from pathlib import Path
from aegan_monitor.history.buckets import Decision, make_buckets
from aegan_monitor.history.store import HistoryStore

ADD = "INSERT INTO events (time, machine, source, kind, text, by) VALUES (?, NULL, 'daemon', 'start', '', '')"
path, n_kills, n_written = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
random_number = random.Random(7)
for _ in range(n_kills):
    reads, writes = os.pipe()
    child = os.fork()
    if child == 0:
        store = HistoryStore(path, 100)
        batch = {name: make_buckets([Decision(1.8e9 + 20.0 * k, 1.0, 0.5, -30.0) for k in range(50)]) for name in ("pump", "fan")}
        while True:
            store.write([batch] * n_written, [(ADD, (1.8e9,))] * n_written)
            os.write(writes, b"x")
    os.close(writes)
    reported = os.read(reads, 1)
    time.sleep(random_number.uniform(0.0, 0.03))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    while more := os.read(reads, 1000):
        reported += more
    os.close(reads)
    print(len(reported), flush=True)
    sys.stdin.readline()
"""


def read_counts(path: Path) -> tuple[int, int, int]:
    """Events, and decisions of both machines; everything is there, whatever the level."""
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    reader = HistoryReader(path)
    with reader._open() as connection:
        pump, fan = (int(reading._read_buckets(connection, name, 0, 2**40, 1)[0]["n"].sum()) for name in ("pump", "fan"))
    return len(reader.read_events(limit=100_000)), pump, fan


@pytest.mark.process
def test_a_kill_leaves_whole_transactions(tmp_path: Path) -> None:
    """Whenever the writer is killed, also while it joins seconds to minutes: what it reported is there, and nothing half-written."""
    n_kills, path, before = scaled(100), tmp_path / "h.sqlite", 0
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", WRITES_UNTIL_IT_IS_KILLED, str(path), str(n_kills), str(N_WRITTEN)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        for _ in range(n_kills):
            reported = before + N_WRITTEN * int(child.stdout.readline())
            n_events, *decisions = read_counts(path)
            assert n_events in {reported, reported + N_WRITTEN}
            assert decisions == [50 * n_events] * 2
            before = n_events
            child.stdin.write("on\n")
            child.stdin.flush()
    assert child.returncode == 0
    assert before > 3 * LEVELS[0].n_joined


def test_a_file_of_a_newer_version_is_left_as_it_is(tmp_path: Path) -> None:
    """Neither written nor read, with a message that says what to do."""
    path = tmp_path / "h.sqlite"
    store = HistoryStore(path, 10)
    store.write([BATCH], [])
    store.close()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA user_version = {FUTURE}")
    before = path.read_bytes()
    expected = f"expected a history of version {len(MIGRATIONS)}, found {FUTURE}; it is left as it is: .*history.path"
    with pytest.raises(HistoryError, match=expected):
        HistoryStore(path, 10).write([BATCH], [])
    with pytest.raises(HistoryError, match=expected):
        HistoryReader(path).read_events()
    assert path.read_bytes() == before


def test_an_older_version_is_converted_in_one_transaction(tmp_path: Path) -> None:
    """What it holds stays. A conversion that fails leaves the version before."""
    path = tmp_path / "h.sqlite"
    store = HistoryStore(path, 10)
    store.write([BATCH], [])
    store.close()
    with pytest.raises(sqlite3.OperationalError):
        open_to_write(path, migrations=(*MIGRATIONS, "CREATE TABLE half (one); CREATE TABLE half (one);"))
    assert len(HistoryReader(path).read_series("pump", BEGAN, BEGAN + timedelta(minutes=1)).times) == 1
    newer = HistoryStore(path, 10, migrations=(*MIGRATIONS, "CREATE TABLE more (one);"))
    newer.write([BATCH], [("INSERT INTO more VALUES (1)", ())])
    newer.close()
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (FUTURE,)
        assert connection.execute("SELECT count(*) FROM seconds").fetchone() == (2,)


def test_the_file_of_an_older_version_waits_for_the_monitor(tmp_path: Path) -> None:
    """A reader changes no tables."""
    path = tmp_path / "h.sqlite"
    sqlite3.connect(path).close()
    path.write_bytes(b"")
    with pytest.raises(HistoryError, match="there is no history of this version yet; the monitor makes or converts it"):
        HistoryReader(path).read_events()


def test_there_is_no_history_before_the_first_start(tmp_path: Path) -> None:
    """The reader says so, and makes no file."""
    with pytest.raises(HistoryError, match="there is no history of this version yet"):
        HistoryReader(tmp_path / "h.sqlite").read_cases()
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_chunk_is_an_error_of_the_reader(tmp_path: Path) -> None:
    """Never a wrong number."""
    path = tmp_path / "h.sqlite"
    store = HistoryStore(path, 10)
    store.write([BATCH], [("UPDATE seconds SET buckets = x'00'", ())])
    store.close()
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("UPDATE seconds SET buckets = x'0011'")
    with pytest.raises(HistoryError, match="damaged"):
        HistoryReader(path).read_series("pump", BEGAN, BEGAN + timedelta(minutes=1))


def test_the_file_is_beside_the_outbox(tmp_path: Path) -> None:
    """Or where the configuration says."""
    assert find_path(None, None, "hall", {"STATE_DIRECTORY": "/var/lib/a"}) == Path("/var/lib/a/history-hall.sqlite")
    assert find_path(None, tmp_path / "o.sqlite", "hall", {}) == tmp_path / "history-hall.sqlite"
    assert find_path(tmp_path / "x.sqlite", None, "hall", {}) == tmp_path / "x.sqlite"
