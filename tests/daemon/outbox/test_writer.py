"""The scribe: the journal is as the outbox is, and whatever happens to the disk, events go out."""

import contextlib
import logging
import sqlite3
import threading
from pathlib import Path

import pytest

from aegan_monitor.clock import CLOCK_SET_FROM_S
from aegan_monitor.errors import EXIT_FAILED
from aegan_monitor.messages.topics import Message
from aegan_monitor.outbox.outbox import Outbox
from aegan_monitor.outbox.store import DamagedJournalError, HeldJournalError, Journal, StoredEvent
from aegan_monitor.outbox.writer import PATIENCE_S, RETRY_S, Scribe
from broker import STEP_DEADLINE_S, wait_until
from stopwatch import Stopwatch

TOPIC = "aegan/hall/pump/event"
LARGE = "x" * 60_000
STATE = Message("aegan/hall/pump/alarm", b"state", 1, True, "alarm")


def make_event(text: str) -> Message:
    """An event whose payload is its name."""
    return Message(TOPIC, text.encode(), 1, False, "event")


class HangingJournal(Journal):
    """A disk whose writes do not return before they may."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.hangs, self.may_return = threading.Event(), threading.Event()

    def write(self, *arguments: object, **more: object) -> None:
        """As ever, but late."""
        self.hangs.set()
        self.may_return.wait(60.0)
        super().write(*arguments, **more)  # type: ignore[arg-type]


class Clock:
    """A clock that the test sets."""

    now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


def put(outbox: Outbox, scribe: Scribe, *texts: str) -> None:
    """Put events, and wait until they may go out."""
    for text in texts:
        outbox.put(make_event(text))
    scribe.settle(STEP_DEADLINE_S)
    assert outbox.is_written


def deliver(outbox: Outbox) -> list[str]:
    """Send and acknowledge until nothing may go out."""
    found = []
    while (row := outbox.next()) is not None:
        outbox.sent(row)
        outbox.acknowledged(row.number)
        found.append(row.message.payload.decode())
    return found


def read(path: Path) -> list[str]:
    """The events in a file that nobody has open."""
    journal = Journal(path)
    rows, _ = journal.open()
    journal.close()
    return [row.message.payload.decode() for row in rows]


def test_events_come_back_after_a_restart(tmp_path: Path) -> None:
    """In order, with the last one of the topic; those that were delivered and kept long enough do not."""
    path = tmp_path / "o.sqlite"
    woken = threading.Event()
    outbox = Outbox(durable=True, keep_s=0.0)
    scribe = Scribe(outbox, Journal(path), woken.set)
    scribe.start()
    put(outbox, scribe, "e0", "e1", "e2")
    assert woken.is_set()
    row = outbox.next()
    assert row is not None
    outbox.sent(row)
    outbox.acknowledged(row.number)
    scribe.stop()
    again = Outbox(durable=True)
    scribe = Scribe(again, Journal(path))
    scribe.start()
    assert ([message.payload for message in again.pending()], again.last_events.payloads()) == ([b"e1", b"e2"], {TOPIC: b"e2"})
    assert again.next() is not None  # they are written
    put(again, scribe, "e3")
    scribe.stop()
    assert read(path) == ["e1", "e2", "e3"]


def test_a_full_disk_holds_nothing_up_and_is_over_when_it_is_over(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Events go out from memory, `problem` says why, one line tells of it; then the file has all that is left."""
    path = tmp_path / "o.sqlite"
    caplog.set_level(logging.INFO, "aegan_monitor.outbox.writer")
    journal = Journal(path, max_pages=20)
    outbox = Outbox(durable=True, keep_s=0.0)
    scribe = Scribe(outbox, journal, retry_s=0.05)
    scribe.start()
    put(outbox, scribe, "e0")
    assert scribe.problem == ""
    put(outbox, scribe, LARGE)
    put(outbox, scribe, "e2")
    assert scribe.problem == f"{path}: database or disk is full"
    for _ in range(2):
        row = outbox.next()
        assert row is not None
        outbox.sent(row)
        outbox.acknowledged(row.number)  # the large one as well, from memory
    outbox.next()
    wait_until(lambda: scribe.problem == "", "the file can be written again")
    put(outbox, scribe, "e3")
    scribe.stop()
    assert read(path) == ["e2", "e3"]
    told = f"{path}: database or disk is full: events are kept in memory alone; trying again every 0.05 s"
    assert caplog.messages == [told, f"{path}: can be written again; it has 1 event(s)"]


def test_a_disk_that_hangs_holds_nothing_up_for_long(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Its write is waited for, but not for ever; then events and new topics go out from memory, and `problem` says why until it returns."""
    path = tmp_path / "o.sqlite"
    journal, clock, woken = HangingJournal(path), Clock(), threading.Event()
    outbox = Outbox(durable=True)
    scribe = Scribe(outbox, journal, woken.set, clock=clock)
    scribe.start()
    outbox.belong([STATE.topic])
    outbox.put(make_event("e0"))
    scribe.notify()
    assert journal.hangs.wait(STEP_DEADLINE_S)
    clock.now_s += PATIENCE_S
    outbox.put(STATE)
    scribe.notify()
    assert (outbox.next(), scribe.problem, woken.is_set()) == (None, "", False)
    clock.now_s += 0.1
    outbox.put(make_event("e1"))
    scribe.notify()
    told = f"{path}: the disk has given no answer for over 5 s"
    assert (deliver(outbox), scribe.problem, woken.is_set()) == (["e0", "state", "e1"], told, True)
    journal.may_return.set()
    wait_until(lambda: scribe.problem == "", "the end of the write")
    put(outbox, scribe, "e2")
    scribe.stop()
    assert read(path) == ["e0", "e1", "e2"]
    assert caplog.messages == [f"{told}: events are kept in memory alone", f"{path}: the disk has answered after all"]


class LateJournal(Journal):
    """A disk that hangs as the file is opened for the first time; then another process has it, if `is_held`."""

    def __init__(self, path: Path, *, is_held: bool = False) -> None:
        super().__init__(path)
        self.is_held, self.hangs, self.may_return = is_held, threading.Event(), threading.Event()

    def open(self) -> tuple[list[StoredEvent], dict[str, bytes]]:
        """As ever, but late."""
        self.hangs.set()
        self.may_return.wait(60.0)
        if self.is_held:
            self.is_held = False
            raise HeldJournalError(f"{self.path}: another process has this file")
        return super().open()


@pytest.mark.parametrize("is_held", [False, True])
def test_a_disk_that_hangs_at_the_start_ends_and_delays_nothing(tmp_path: Path, is_held: bool) -> None:
    """What is put meanwhile goes out from memory; what the file holds comes late, as with a folder that comes late."""
    path = tmp_path / "o.sqlite"
    outbox = Outbox(durable=True)
    scribe = Scribe(outbox, Journal(path))
    scribe.start()
    put(outbox, scribe, "old")
    scribe.stop()
    journal, clock = LateJournal(path, is_held=is_held), Clock()
    outbox = Outbox(durable=True)
    scribe = Scribe(outbox, journal, clock=clock)
    scribe.start(0.05)
    assert journal.hangs.wait(STEP_DEADLINE_S)
    outbox.put(make_event("new"))
    assert outbox.next() is None
    clock.now_s += PATIENCE_S + 0.1
    scribe.notify()
    assert (deliver(outbox), scribe.problem) == (["new"], f"{path}: the disk has given no answer for over 5 s")
    journal.may_return.set()
    wait_until(lambda: "no answer" not in scribe.problem, "an answer")
    assert scribe.problem == (f"{path}: another process has this file" if is_held else "")
    clock.now_s += RETRY_S
    wait_until(lambda: outbox.last_events.untaken == [TOPIC], "what the file holds")
    put(outbox, scribe, "newer")
    scribe.stop()
    assert [message.payload for message in outbox.pending()] == [b"old", b"newer"]
    assert read(path) == ["old", "new", "newer"]


def test_once_a_disk_answers_again_events_wait_for_it_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A number that a subscriber has seen is never given twice."""
    journal, clock = HangingJournal(tmp_path / "o.sqlite"), Clock()
    outbox = Outbox(durable=True)
    scribe = Scribe(outbox, journal, clock=clock)
    scribe.start()
    for turn in (1, 2):
        journal.may_return.clear()
        outbox.put(make_event(f"e{turn}"))
        assert outbox.next() is None
        scribe.notify()
        assert journal.hangs.wait(STEP_DEADLINE_S)
        clock.now_s += PATIENCE_S + 0.1
        scribe.notify()
        assert deliver(outbox) == [f"e{turn}"]
        journal.may_return.set()
        wait_until(lambda turn=turn: caplog.text.count("the disk has answered after all") == turn, "the end of the write")  # type: ignore[misc]
        journal.hangs.clear()
    scribe.stop()


def test_an_end_does_not_wait_for_a_disk_that_hangs(tmp_path: Path) -> None:
    """What is not written by then goes out: with the daemon it would be lost."""
    journal = HangingJournal(tmp_path / "o.sqlite")
    outbox = Outbox(durable=True)
    scribe = Scribe(outbox, journal)
    scribe.start()
    outbox.put(make_event("e0"))
    scribe.notify()
    assert journal.hangs.wait(STEP_DEADLINE_S)
    with Stopwatch() as watch:
        scribe.settle(0.1)
        assert deliver(outbox) == ["e0"]
        scribe.stop(0.1)
        assert watch.read_s() < PATIENCE_S
    journal.may_return.set()


def test_a_damaged_file_is_set_aside_at_start(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The daemon goes on with a new one, and says where the old one is."""
    path = tmp_path / "o.sqlite"
    path.write_bytes(b"not a database at all" * 100)
    outbox = Outbox(durable=True)
    scribe = Scribe(outbox, Journal(path), wall_clock=lambda: CLOCK_SET_FROM_S)
    scribe.start()
    put(outbox, scribe, "e0")
    scribe.stop()
    assert read(path) == ["e0"]
    assert (tmp_path / "o.sqlite.damaged-20250101T000000Z").read_bytes().startswith(b"not a database")
    told = "it is kept as o.sqlite.damaged-20250101T000000Z, and numbers of events begin anew unless they are in memory"
    assert caplog.messages == [f"{path}: damaged (file is not a database); {told}"]


def test_a_file_of_a_newer_version_is_kept_for_that(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """After a downgrade the daemon goes on with a file of its own; what waits in the other is there when it is put back."""
    path = tmp_path / "o.sqlite"
    outbox = Outbox(durable=True)
    scribe = Scribe(outbox, Journal(path))
    scribe.start()
    put(outbox, scribe, "e0")
    scribe.stop()
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 2")
    outbox = Outbox(durable=True)
    scribe = Scribe(outbox, Journal(path), wall_clock=lambda: CLOCK_SET_FROM_S)
    scribe.start()
    put(outbox, scribe, "e1")
    scribe.stop()
    aside = tmp_path / "o.sqlite.version-2-20250101T000000Z"
    told = f"it is kept as {aside.name}, and numbers of events begin anew unless they are in memory"
    assert caplog.messages == [f"{path}: expected an outbox of version 1, found 2; {told}"]
    assert read(path) == ["e1"]
    with contextlib.closing(sqlite3.connect(aside)) as connection:
        connection.execute("PRAGMA user_version = 1")
    assert read(aside) == ["e0"]


def test_a_damaged_file_that_cannot_be_set_aside_ends_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """As with a disk that cannot be written: events go out from memory, `problem` says why, and all is well once the file has gone."""
    path = tmp_path / f"{'o' * 235}.sqlite"  # a longer name is none
    path.write_bytes(b"not a database at all" * 100)
    outbox = Outbox(durable=True)
    scribe = Scribe(outbox, Journal(path), retry_s=0.05)
    scribe.start()
    told = f"{path}: damaged (file is not a database), and cannot be set aside (File name too long)"
    assert scribe.problem == told
    put(outbox, scribe, "e0")
    assert deliver(outbox) == ["e0"]
    assert (scribe.problem, path.read_bytes()[:14]) == (told, b"not a database")
    path.unlink()
    wait_until(lambda: scribe.problem == "", "a new file")
    scribe.stop()
    assert read(path) == ["e0"]
    assert caplog.messages[0] == f"{told}: events are kept in memory alone; trying again every 0.05 s"


def test_damage_that_a_write_finds_is_told_until_another_file_has_all(tmp_path: Path) -> None:
    """The event goes out from memory; the damaged file is set aside at once."""

    class WornJournal(Journal):
        """Its first write finds the file damaged."""

        is_worn = True

        def write(self, *arguments: object, **more: object) -> None:
            """As ever, but for the first time."""
            if self.is_worn:
                self.is_worn = False
                raise DamagedJournalError(f"{self.path}: damaged (flash)")
            super().write(*arguments, **more)  # type: ignore[arg-type]

    path, clock, outbox = tmp_path / "o.sqlite", Clock(), Outbox(durable=True)
    scribe = Scribe(outbox, WornJournal(path), clock=clock)
    scribe.start()
    put(outbox, scribe, "e0")
    assert (scribe.problem, path.exists()) == (f"{path}: damaged (flash)", False)
    clock.now_s += RETRY_S
    wait_until(lambda: scribe.problem == "", "a new file")
    scribe.stop()
    assert read(path) == ["e0"]


def test_a_disk_that_spoils_whatever_is_written_ends_nothing(tmp_path: Path) -> None:
    """The file that takes a damaged one's place is damaged, too: that is not tried at every turn."""

    class SpoilingJournal(Journal):
        """Whatever it opens is damaged."""

        n_opened = 0

        def open(self) -> tuple[list[StoredEvent], dict[str, bytes]]:
            self.n_opened += 1
            raise DamagedJournalError(f"{self.path}: damaged (flash)")

    journal, clock = SpoilingJournal(tmp_path / "o.sqlite"), Clock()
    outbox = Outbox(durable=True)
    scribe = Scribe(outbox, journal, clock=clock)
    scribe.start()
    assert scribe.problem == f"{journal.path}: damaged (flash)"
    clock.now_s += RETRY_S
    for _ in range(3):
        outbox.put(make_event("e"))
        wait_until(lambda: not outbox.changes(), "a turn")
        assert deliver(outbox) == ["e"]
    assert journal.n_opened == 4  # two at the start, and two once
    scribe.stop()


def test_a_folder_that_comes_late_has_its_events_sent_first(tmp_path: Path) -> None:
    """A disk that is mounted after the start: what it holds is not overwritten."""
    path = tmp_path / "disk" / "o.sqlite"
    outbox = Outbox(durable=True)
    scribe = Scribe(outbox, Journal(path))
    scribe.start()
    put(outbox, scribe, "old")
    scribe.stop()
    (tmp_path / "disk").rename(tmp_path / "elsewhere")
    (tmp_path / "disk").write_text("")  # in the way
    outbox = Outbox(durable=True)
    scribe = Scribe(outbox, Journal(path), retry_s=0.05)
    scribe.start()
    assert scribe.problem == f"{path}: File exists"
    put(outbox, scribe, "new")
    (tmp_path / "disk").unlink()
    (tmp_path / "elsewhere").rename(tmp_path / "disk")
    wait_until(lambda: scribe.problem == "", "the file")
    assert [message.payload for message in outbox.pending()] == [b"old", b"new"]
    scribe.stop()
    assert read(path) == ["old", "new"]


def test_a_file_that_can_only_be_read_is_read(tmp_path: Path) -> None:
    """As on a card that has become read-only: numbers go on, what waits goes out, and nothing is lost when it can be written again."""
    path, in_the_way = tmp_path / "o.sqlite", tmp_path / "o.sqlite-wal"
    outbox = Outbox(durable=True)
    scribe = Scribe(outbox, Journal(path))
    scribe.start()
    put(outbox, scribe, "old")
    scribe.stop()
    in_the_way.mkdir()
    outbox = Outbox(durable=True)
    scribe = Scribe(outbox, Journal(path), retry_s=0.05)
    scribe.start()
    assert scribe.problem == f"{path}: unable to open database file"
    assert outbox.last_events.payloads() == {TOPIC: b"old"}
    put(outbox, scribe, "new")
    assert deliver(outbox) == ["old", "new"]
    in_the_way.rmdir()
    wait_until(lambda: scribe.problem == "", "the file")
    scribe.stop()
    assert read(path) == ["old", "new"]


def test_a_file_that_another_has_ends_the_start(tmp_path: Path) -> None:
    """Two daemons of one node would send everything twice; and since it may be somebody who looks, the unit is to try again."""
    path = tmp_path / "o.sqlite"
    other = Journal(path)
    other.open()
    with pytest.raises(HeldJournalError, match="another process has this file") as caught:
        Scribe(Outbox(durable=True), Journal(path)).start(STEP_DEADLINE_S)
    assert caught.value.exit_code == EXIT_FAILED
    other.close()


def test_an_error_of_our_own_does_not_hold_up_an_event(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The thread tells of what should not happen, once, and goes on as with a disk that fails."""

    class FaultyJournal(Journal):
        """Fails at first."""

        n_writes = 0

        def write(self, *arguments: object, **more: object) -> None:
            """As ever, but for the first times."""
            self.n_writes += 1
            if self.n_writes <= 3:
                raise RuntimeError("gremlins")
            super().write(*arguments, **more)  # type: ignore[arg-type]

    path, clock = tmp_path / "o.sqlite", Clock()
    outbox = Outbox(durable=True)
    scribe = Scribe(outbox, FaultyJournal(path), clock=clock)
    scribe.start()
    put(outbox, scribe, "e0")
    put(outbox, scribe, "e1")
    told = f"{path}: please report this (RuntimeError: gremlins)"
    assert scribe.problem == told

    def has_passed() -> bool:
        """After some attempts."""
        clock.now_s += RETRY_S
        scribe.notify()
        return scribe.problem == ""

    wait_until(has_passed, "it has passed")
    scribe.stop()
    assert caplog.messages[0] == f"{told}: events are kept in memory alone; trying again every {RETRY_S:g} s"
    assert caplog.text.count("Traceback") == 1
    assert read(path) == ["e0", "e1"]


@pytest.mark.parametrize(
    ("put_at", "now_at", "kept"),
    [
        (CLOCK_SET_FROM_S + 1, CLOCK_SET_FROM_S + 90, True),
        (CLOCK_SET_FROM_S + 1, CLOCK_SET_FROM_S + 200, False),
        (5.0, CLOCK_SET_FROM_S + 1e8, True),  # put by a board whose clock was not set yet
        (CLOCK_SET_FROM_S + 1e8, CLOCK_SET_FROM_S + 1, True),  # the clock went back
    ],
)
def test_age_counts_over_a_restart_where_the_clock_can_be_trusted(tmp_path: Path, put_at: float, now_at: float, kept: bool) -> None:
    """A clock that was wrong must not throw events away."""
    path = tmp_path / "o.sqlite"
    for clock in (put_at, now_at):
        outbox = Outbox(durable=True, max_age_s=100.0, clock=lambda: 0.0)
        scribe = Scribe(outbox, Journal(path), clock=lambda: 0.0, wall_clock=lambda clock=clock: clock)  # type: ignore[misc]
        scribe.start()
        if clock == put_at:
            put(outbox, scribe, "e0")
        scribe.stop()
    assert bool(outbox.pending()) == kept
