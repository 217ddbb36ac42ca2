"""The scribe: the journal is as the outbox is, and whatever happens to the disk, events go out."""

import logging
import threading
from pathlib import Path

import pytest

from aegan_monitor.errors import ConfigError
from aegan_monitor.journal import Journal
from aegan_monitor.messages import Message
from aegan_monitor.outbox import Outbox
from aegan_monitor.scribe import Scribe
from aegan_monitor.wall_clock import CLOCK_SET_FROM_S
from broker import wait_until

TOPIC = "aegan/hall/pump/event"
LARGE = "x" * 60_000


def make_event(text: str) -> Message:
    """An event whose payload is its name."""
    return Message(TOPIC, text.encode(), 1, False, "event")


def put(outbox: Outbox, scribe: Scribe, *texts: str) -> None:
    """Put events, and wait until they may go out."""
    for text in texts:
        outbox.put(make_event(text))
    scribe.settle(10.0)
    assert outbox.is_written


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
    assert ([message.payload for message in again.pending()], again.last_event(TOPIC)) == ([b"e1", b"e2"], b"e2")
    assert again.next() is not None  # they are written
    put(again, scribe, "e3")
    scribe.stop()
    assert read(path) == ["e1", "e2", "e3"]


def test_a_full_disk_holds_nothing_up_and_is_over_when_it_is_over(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Events go out from memory, `problem` says why, one line tells of it; then the file has all that is left."""
    path = tmp_path / "o.sqlite"
    caplog.set_level(logging.INFO, "aegan_monitor.scribe")
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


def test_a_file_that_another_has_ends_the_start(tmp_path: Path) -> None:
    """Two daemons of one node are a mistake that waiting does not mend."""
    path = tmp_path / "o.sqlite"
    other = Journal(path)
    other.open()
    with pytest.raises(ConfigError, match="another process has this file"):
        Scribe(Outbox(durable=True), Journal(path)).start()
    other.close()


def test_an_error_of_our_own_does_not_hold_up_an_event(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The thread tells of what should not happen, and goes on."""

    class FaultyJournal(Journal):
        """Fails once."""

        failed = False

        def write(self, *arguments: object, **more: object) -> None:
            """As ever, but for the first time."""
            if not self.failed:
                self.failed = True
                raise RuntimeError("gremlins")
            super().write(*arguments, **more)  # type: ignore[arg-type]

    path = tmp_path / "o.sqlite"
    outbox = Outbox(durable=True)
    scribe = Scribe(outbox, FaultyJournal(path), retry_s=0.05)
    scribe.start()
    put(outbox, scribe, "e0")
    put(outbox, scribe, "e1")
    assert "please report this; events go out from memory" in caplog.text
    scribe.stop()
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
