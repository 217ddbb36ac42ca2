"""The writer and damaged files."""

from pathlib import Path

import pytest

from aegan_monitor.clock import CLOCK_SET_FROM_S
from aegan_monitor.outbox.event_queue import Changes
from aegan_monitor.outbox.outbox import Outbox
from aegan_monitor.outbox.store import DamagedStoreError, Store
from aegan_monitor.outbox.writer import RETRY_S, Writer
from broker import wait_until
from outbox_messages import Clock, deliver
from writing import make_event, put, read


def test_a_damaged_file_is_set_aside_at_start(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A damaged file is renamed at the start, its new name is logged, and a new file is used."""
    path = tmp_path / "o.sqlite"
    path.write_bytes(b"not a database at all" * 100)
    outbox = Outbox()
    writer = Writer(outbox, Store(path), wall_clock=lambda: CLOCK_SET_FROM_S)
    writer.start()
    put(outbox, writer, "e0")
    writer.stop()
    assert read(path) == ["e0"]
    assert (tmp_path / "o.sqlite.damaged-20250101T000000Z").read_bytes().startswith(b"not a database")
    reported = "it is kept as o.sqlite.damaged-20250101T000000Z, its events are not sent, and event numbers start again"
    assert caplog.messages == [f"{path}: damaged (file is not a database); {reported}"]


def test_a_damaged_file_that_cannot_be_set_aside_ends_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """If a damaged file cannot be renamed, events are sent from memory until the file has gone."""
    path = tmp_path / f"{'o' * 235}.sqlite"  # a longer name is none
    path.write_bytes(b"not a database at all" * 100)
    outbox = Outbox()
    writer = Writer(outbox, Store(path), retry_s=0.05)
    writer.start()
    reported = f"{path}: damaged (file is not a database), and cannot be set aside (File name too long)"
    assert writer.problem == reported
    put(outbox, writer, "e0")
    assert deliver(outbox) == ["e0"]
    assert (writer.problem, path.read_bytes()[:14]) == (reported, b"not a database")
    path.unlink()
    wait_until(lambda: writer.problem == "", "a new file")
    writer.stop()
    assert read(path) == ["e0"]
    assert caplog.messages[0] == f"{reported}: events are kept in memory alone; trying again every 0.05 s"


def test_damage_that_a_write_finds_is_over_when_another_file_has_all(tmp_path: Path) -> None:
    """Damage found by a write moves the file aside at the next attempt; the event is sent from memory."""

    class WornStore(Store):
        """A store whose first write and next opening find damage."""

        n_left = 2

        def open(self) -> Changes:
            """Open, or find damage after the failed write."""
            if self.n_left == 1:
                self.n_left = 0
                raise DamagedStoreError(f"{self.path}: damaged (flash)")
            return super().open()

        def write(self, *arguments: object, **more: object) -> None:
            """Write, or find damage the first time."""
            if self.n_left == 2:
                self.n_left = 1
                raise DamagedStoreError(f"{self.path}: damaged (flash)")
            super().write(*arguments, **more)  # type: ignore[arg-type]

    path, clock, outbox = tmp_path / "o.sqlite", Clock(), Outbox()
    writer = Writer(outbox, WornStore(path), clock=clock)
    writer.start()
    put(outbox, writer, "e0")
    assert writer.problem == f"{path}: damaged (flash)"
    clock.now_s += RETRY_S
    wait_until(lambda: writer.problem == "", "a new file")
    writer.stop()
    assert read(path) == ["e0"]
    assert len(list(tmp_path.glob("o.sqlite.damaged-*"))) >= 1


def test_a_disk_that_spoils_whatever_is_written_ends_nothing(tmp_path: Path) -> None:
    """If each new file is damaged too, attempts are spaced and events are sent from memory."""

    class SpoilingStore(Store):
        """A store that finds damage at every opening."""

        n_opened = 0

        def open(self) -> Changes:
            self.n_opened += 1
            raise DamagedStoreError(f"{self.path}: damaged (flash)")

    store, clock = SpoilingStore(tmp_path / "o.sqlite"), Clock()
    outbox = Outbox()
    writer = Writer(outbox, store, clock=clock)
    writer.start()
    assert writer.problem == f"{store.path}: damaged (flash)"
    clock.now_s += RETRY_S
    for _ in range(3):
        outbox.put(make_event("e"))
        wait_until(lambda: not outbox.changes(), "a turn")
        assert deliver(outbox) == ["e"]
    assert store.n_opened == 4  # two at the start, and two once
    writer.stop()
