"""The history as a part of the daemon: what is published is found again, and no trouble with the disk loses it."""

import math
import resource
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from aegan_monitor.history.history import MAX_BATCHES, RETRY_S, SERIES_S, History
from aegan_monitor.history.reader import HistoryReader
from aegan_monitor.history.records import restore_case
from aegan_monitor.history.store import HistoryStore
from aegan_monitor.messages.case import Case
from example_messages import make_alarm, make_event, make_health, make_sensor
from histories import BEGAN, make_score


class Disk:
    """A history whose clock the test sets, and its reader."""

    def __init__(self, path: Path) -> None:
        self.path, self.now_s = path, 0.0
        self.history = History(HistoryStore(path, 10, busy_s=0.01), lambda: self.now_s, lambda: BEGAN)
        self.reader = HistoryReader(path)

    def minute(self, n_scores: int = 3) -> None:
        """A minute of scores of two machines, and what the thread does at its end."""
        for n in range(n_scores):
            for machine in ("pump", "fan"):
                self.history.take_message(machine, make_score(self.now_s + n, math.sin(self.now_s + n)))  # which compresses badly
        self.now_s += SERIES_S
        self.history.turn()

    def n_seconds(self, machine: str = "pump") -> int:
        """Points that the reader finds."""
        return len(self.reader.read_series(machine, BEGAN, BEGAN + timedelta(hours=2), 20_000).times)

    def kinds(self) -> list[str]:
        """Kinds of all events, oldest first."""
        return [event.kind for event in reversed(self.reader.read_events())]


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    """A history in a folder that does not exist yet; its thread does not run."""
    made = Disk(tmp_path / "state" / "history.sqlite")
    yield made
    made.history._store.close()


def test_series_are_written_once_a_minute_and_events_at_once(disk: Disk) -> None:
    """Scores wait for the minute. A sensor fault does not, and takes none of them along."""
    disk.history.take_message("pump", make_score(0.0))
    disk.history.take_message("pump", make_sensor("missing"))
    disk.now_s += SERIES_S - 1
    disk.history.turn()
    assert (disk.n_seconds(), disk.kinds()) == (0, ["missing"])
    disk.now_s += 1
    disk.history.turn()
    assert disk.n_seconds() == 1
    disk.history.take_message("pump", make_score(5.0))
    disk.now_s += 1
    disk.history.turn()
    assert disk.n_seconds() == 1


def test_nothing_to_write_writes_nothing(disk: Disk) -> None:
    """A health message and an hour without sound leave no file."""
    disk.history.take_message(None, make_health())
    disk.now_s += 3600
    disk.history.turn()
    assert not disk.path.exists()


def test_start_and_stop_are_events_and_the_last_minute_is_kept(tmp_path: Path) -> None:
    """With the real thread, which ends with everything on the disk, in one file."""
    history = History(HistoryStore(tmp_path / "h.sqlite", 10))
    history.start()
    history.take_message("pump", make_score(0.0))
    history.stop()
    reader = HistoryReader(tmp_path / "h.sqlite")
    assert [event.kind for event in reader.read_events()] == ["stop", "start"]
    assert len(reader.read_series("pump", BEGAN, BEGAN + timedelta(minutes=1)).times) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["h.sqlite"]
    assert not history._thread.is_alive()


def test_a_folder_that_cannot_be_made_loses_nothing(disk: Disk, caplog: pytest.LogCaptureFixture) -> None:
    """The reason is said once; what waited is written when the folder can be made."""
    disk.path.parent.write_text("a file in its place")
    for _ in range(3):
        disk.history.take_message("pump", make_sensor("missing"))
        disk.minute()
    assert disk.history.problem == f"{disk.path}: File exists"
    disk.path.parent.unlink()
    disk.now_s += RETRY_S - 1
    disk.history.turn()
    assert disk.history.problem  # it waits before it tries again
    disk.now_s += 1
    disk.history.turn()
    assert (disk.history.problem, disk.n_seconds(), disk.n_seconds("fan"), disk.kinds()) == ("", 9, 9, ["missing"] * 3)
    assert [record.message for record in caplog.records] == [
        f"{disk.path}: File exists: the history is kept in memory alone; monitoring goes on",
        f"{disk.path}: can be written again",
    ]


def test_a_full_disk_loses_nothing(disk: Disk) -> None:
    """A limit of the file's size stands for it: what was there can be read, what came is written later."""
    disk.minute()
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, before[1]))
    try:
        for _ in range(50):
            disk.minute(60)
        assert disk.history.problem
        n_before = disk.n_seconds()
        assert 3 <= n_before < 50 * 60
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    disk.minute(1)
    assert (disk.history.problem, disk.n_seconds(), disk.n_seconds("fan")) == ("", 3 + 50 * 60 + 1, 3 + 50 * 60 + 1)


def test_memory_is_bounded_while_the_disk_is_away(disk: Disk) -> None:
    """After six hours the oldest minute goes, and nothing else."""
    disk.path.parent.write_text("")
    for _ in range(MAX_BATCHES + 10):
        disk.minute(1)
    disk.path.parent.unlink()
    disk.minute(0)
    found = disk.reader.read_series("pump", BEGAN, BEGAN + timedelta(days=1), 100_000)
    assert len(found.times) == MAX_BATCHES
    assert found.times[0] == BEGAN.timestamp() + 10 * SERIES_S


@pytest.mark.parametrize("content", [b"not a database at all" * 100, b"SQLite format 3\0" + b"\xff" * 5000], ids=["text", "broken"])
def test_a_damaged_file_is_set_aside(disk: Disk, content: bytes, caplog: pytest.LogCaptureFixture) -> None:
    """A new one takes its place at once, with what has just come."""
    disk.path.parent.mkdir()
    disk.path.write_bytes(content)
    disk.minute()
    assert (disk.history.problem, disk.n_seconds()) == ("", 3)
    aside = disk.path.with_name(f"{disk.path.name}.damaged-20260131T080000Z")
    assert aside.read_bytes() == content
    assert f"it is kept as {aside.name}, and the history starts again" in caplog.text


def spoil(path: Path) -> None:
    """Take a table away while the file is open."""
    with closing(sqlite3.connect(path)) as other:
        other.execute("DROP TABLE events")


@pytest.mark.parametrize("lose", [Path.unlink, spoil])
def test_a_lost_file_begins_again_with_its_cases(disk: Disk, lose: Callable[[Path], None], caplog: pytest.LogCaptureFixture) -> None:
    """That of the active alarm, and those that are known from elsewhere; not the one of a machine that was removed."""
    known = Case(id="known", began_at=BEGAN, severity="high")
    found = [restore_case("pump", known, "louder", None, BEGAN + timedelta(seconds=60), "true_fault")]
    history = History(HistoryStore(disk.path, 10), lambda: disk.now_s, lambda: BEGAN, lambda: found)
    for machine, case_id in (("pump", "open"), ("fan", "removed")):
        case = Case(id=case_id, began_at=BEGAN + timedelta(hours=1))
        history.take_message(machine, make_alarm(active=True).model_copy(update={"case": case}))
    history.take_message("fan", make_event(1).model_copy(update={"kind": "removed"}))
    history.turn()
    lose(disk.path)
    history.take_message("pump", make_sensor("missing"))
    history.turn()
    assert (history.problem, disk.kinds()) == ("", ["missing"])
    newest, oldest = disk.reader.read_cases()
    assert (newest.id, newest.ended_at) == ("open", None)
    assert (oldest.id, oldest.severity, oldest.cause, oldest.verdict, oldest.seen) == ("known", "high", "louder", "true_fault", True)
    assert oldest.ended_at == BEGAN + timedelta(seconds=60)
    assert f"{disk.path}: begins again, with 1 case(s) from the folder of evidence" in caplog.text
    history._store.close()


def test_a_page_that_is_damaged_while_it_runs_is_found(disk: Disk) -> None:
    """The table of seconds is gone: the file is set aside, and the minute is in the next."""
    disk.minute()
    with closing(sqlite3.connect(disk.path)) as other:
        other.execute("DROP TABLE seconds")
    disk.minute()
    assert (disk.history.problem, disk.n_seconds()) == ("", 3)
    assert len(list(disk.path.parent.glob("*.damaged-*Z"))) == 1


def test_who_holds_the_file_only_delays(disk: Disk) -> None:
    """A terminal with an open transaction: the minute is written when it has ended."""
    disk.minute()
    with closing(sqlite3.connect(disk.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        disk.minute()
        assert disk.history.problem == f"{disk.path}: another process writes to it (sqlite3 in a terminal?); end it"
        assert disk.n_seconds() == 3
    disk.now_s += RETRY_S
    disk.minute()
    assert (disk.history.problem, disk.n_seconds()) == ("", 9)


def test_a_mistake_of_our_own_costs_what_it_met_alone(disk: Disk, caplog: pytest.LogCaptureFixture) -> None:
    """A statement that SQLite refuses: the file stays, the log has the traceback, and the next minute is written."""
    disk.minute()
    disk.history._statements.append(("INSERT INTO events (kind) VALUES (NULL)", ()))
    disk.history.turn()
    assert "please report this (IntegrityError" in disk.history.problem
    assert any(record.exc_info for record in caplog.records)
    disk.now_s += RETRY_S
    disk.minute()
    assert (disk.history.problem, disk.n_seconds()) == ("", 6)
    assert [path.name for path in disk.path.parent.glob("*damaged*")] == []
