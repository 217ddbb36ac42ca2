"""The writer: it keeps the store equal to the outbox, and disk errors never stop events."""

import contextlib
import logging
import sqlite3
import threading
from pathlib import Path

import pytest

from aegan_monitor.clock import CLOCK_SET_FROM_S
from aegan_monitor.errors import EXIT_FAILED
from aegan_monitor.outbox.outbox import Outbox
from aegan_monitor.outbox.store import HeldStoreError, Store
from aegan_monitor.outbox.writer import RETRY_S, Writer
from broker import wait_until
from outbox_messages import Clock, deliver, pending
from writing import LARGE, put, read


def test_events_come_back_after_a_restart(tmp_path: Path) -> None:
    """Undelivered events return in order with the alarm record; delivered ones past their time do not."""
    path = tmp_path / "o.sqlite"
    woken = threading.Event()
    outbox = Outbox(keep_s=0.0)
    writer = Writer(outbox, Store(path), woken.set)
    writer.start()
    put(outbox, writer, "e0", "e1", "e2")
    assert woken.is_set()
    row = outbox.next()
    assert row is not None
    outbox.sent(row)
    outbox.acknowledged(row.number)
    writer.stop()
    again = Outbox()
    writer = Writer(again, Store(path))
    writer.start()
    assert ([message.payload for message in pending(again)], again.alarms) == ([b"e1", b"e2"], {"pump": b"e2"})
    assert again.next() is not None  # they are written
    put(again, writer, "e3")
    writer.stop()
    assert read(path) == ["e1", "e2", "e3"]


def test_a_full_disk_holds_nothing_up_and_is_over_when_it_is_over(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """With a full disk events are sent from memory and `problem` says why; later the file holds what is left."""
    path = tmp_path / "o.sqlite"
    caplog.set_level(logging.INFO, "aegan_monitor.outbox.writer")
    store = Store(path, max_pages=20)
    outbox = Outbox(keep_s=0.0)
    writer = Writer(outbox, store, retry_s=0.05)
    writer.start()
    put(outbox, writer, "e0")
    assert writer.problem == ""
    put(outbox, writer, LARGE)
    put(outbox, writer, "e2")
    assert writer.problem == f"{path}: database or disk is full"
    for _ in range(2):
        row = outbox.next()
        assert row is not None
        outbox.sent(row)
        outbox.acknowledged(row.number)  # the large one as well, from memory
    outbox.next()
    wait_until(lambda: writer.problem == "", "the file can be written again")
    put(outbox, writer, "e3")
    writer.stop()
    assert read(path) == ["e2", "e3"]
    reported = f"{path}: database or disk is full: events are kept in memory alone; trying again every 0.05 s"
    assert caplog.messages == [reported, f"{path}: can be written again; it has 1 event(s)"]


def test_a_folder_that_comes_late_has_its_events_sent_first(tmp_path: Path) -> None:
    """Events in a folder that is mounted after the start are sent first and not overwritten."""
    path = tmp_path / "disk" / "o.sqlite"
    outbox = Outbox()
    writer = Writer(outbox, Store(path))
    writer.start()
    put(outbox, writer, "old")
    writer.stop()
    (tmp_path / "disk").rename(tmp_path / "elsewhere")
    (tmp_path / "disk").write_text("")  # in the way
    outbox = Outbox()
    writer = Writer(outbox, Store(path), retry_s=0.05)
    writer.start()
    assert writer.problem == f"{path}: File exists"
    put(outbox, writer, "new")
    (tmp_path / "disk").unlink()
    (tmp_path / "elsewhere").rename(tmp_path / "disk")
    wait_until(lambda: writer.problem == "", "the file")
    assert [message.payload for message in pending(outbox)] == [b"old", b"new"]
    writer.stop()
    assert read(path) == ["old", "new"]


def test_a_file_of_a_newer_version_is_left_as_it_is(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """With a newer store events are sent from memory, one line says why, and the file stays unchanged."""
    path = tmp_path / "o.sqlite"
    store = Store(path)
    store.open()
    store.close()
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 9")
    before = path.read_bytes()
    outbox = Outbox()
    writer = Writer(outbox, Store(path), retry_s=0.01)
    writer.start()
    put(outbox, writer, "e0")
    put(outbox, writer, "e1")
    assert deliver(outbox) == ["e0", "e1"]
    writer.stop()
    assert path.read_bytes() == before
    [line] = caplog.messages
    assert line.startswith(f"{path}: expected an outbox of version 2, found 9; it is left as it is")
    assert writer.problem in line


def test_a_file_that_another_has_ends_the_start(tmp_path: Path) -> None:
    """A store in use by another process ends the start with an exit code on which the unit retries."""
    path = tmp_path / "o.sqlite"
    other = Store(path)
    other.open()
    with pytest.raises(HeldStoreError, match="another process has this file") as caught:
        Writer(Outbox(), Store(path)).start()
    assert caught.value.exit_code == EXIT_FAILED
    other.close()


def test_an_error_of_our_own_does_not_hold_up_an_event(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """An unexpected error is logged once, and the writer continues as with a failing disk."""

    class FaultyStore(Store):
        """A store that fails at first."""

        n_writes = 0

        def write(self, *arguments: object, **more: object) -> None:
            """Write, or fail at first."""
            self.n_writes += 1
            if self.n_writes <= 3:
                raise RuntimeError("gremlins")
            super().write(*arguments, **more)  # type: ignore[arg-type]

    path, clock = tmp_path / "o.sqlite", Clock()
    outbox = Outbox()
    writer = Writer(outbox, FaultyStore(path), clock=clock)
    writer.start()
    put(outbox, writer, "e0")
    put(outbox, writer, "e1")
    reported = f"{path}: please report this (RuntimeError: gremlins)"
    assert writer.problem == reported

    def has_passed() -> bool:
        """After some attempts."""
        clock.now_s += RETRY_S
        writer.notify()
        return writer.problem == ""

    wait_until(has_passed, "it has passed")
    writer.stop()
    assert caplog.messages[0] == f"{reported}: events are kept in memory alone; trying again every {RETRY_S:g} s"
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
    """The age of events counts over a restart only if the clock is plausible, so a wrong clock drops none."""
    path = tmp_path / "o.sqlite"
    for clock in (put_at, now_at):
        outbox = Outbox(max_age_s=100.0, clock=lambda: 0.0)
        writer = Writer(outbox, Store(path), clock=lambda: 0.0, wall_clock=lambda clock=clock: clock)  # type: ignore[misc]
        writer.start()
        if clock == put_at:
            put(outbox, writer, "e0")
        writer.stop()
    assert bool(pending(outbox)) == kept
