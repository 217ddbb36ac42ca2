"""Stores of older versions, named by commit: their events are delivered and their last events become alarm records."""

import contextlib
import json
import shutil
import sqlite3
from pathlib import Path

import pytest

from aegan_monitor.alarm.stored import convert_last_event, read_record
from aegan_monitor.outbox.outbox import Outbox
from aegan_monitor.outbox.store import VERSION, DamagedStoreError, Store
from aegan_monitor.outbox.writer import Writer

STORES = Path(__file__).with_name("stores")
KINDS = {"c16798d": 6, "12381e3": 8, "26be2cf": 8}  # events that wait; the first version knew neither acknowledged nor shelved


@pytest.fixture(params=KINDS)
def old(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, Path]:
    """A commit, and a copy of the store that its code wrote."""
    path = tmp_path / "outbox.sqlite"
    shutil.copy(STORES / f"{request.param}.sqlite", path)
    return request.param, path


def test_events_of_an_older_version_are_delivered(old: tuple[str, Path]) -> None:
    """All events of an older store are delivered in order, and the file then has the present version."""
    commit, path = old
    outbox = Outbox(max_age_s=1e12)
    writer = Writer(outbox, Store(path))
    writer.start()
    delivered = []
    while (row := outbox.next()) is not None:
        outbox.sent(row)
        outbox.acknowledged(row.number)
        event = json.loads(row.message.payload)
        delivered.append((row.message.topic.split("/")[2], event["sequence"]))
    writer.stop()
    assert writer.problem == ""
    assert len(delivered) == KINDS[commit]
    assert all(
        sequences == list(range(1, len(sequences) + 1))
        for sequences in ([n for m, n in delivered if m == name] for name in ["pump", "fan", "saw"])
    )
    with contextlib.closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (VERSION,)


def test_last_events_of_an_older_version_become_records(old: tuple[str, Path]) -> None:
    """Active, acknowledged and shelved alarms of an older store continue with the same id and number."""
    commit, path = old
    store = Store(path)
    records = {name: read_record(record) for name, record in store.open().alarms.items()}
    assert store.open().alarms.keys() == records.keys() == {"pump", "fan", "saw"}
    store.close()
    pump, fan, saw = records["pump"], records["fan"], records["saw"]
    knows_commands = commit != "c16798d"
    assert (pump.process, pump.active, pump.acknowledged) == ("alarm", True, knows_commands)
    assert (pump.sequence, pump.event_ids) == ((4, ("pump-4",)) if knows_commands else (3, ("pump-3",)))
    assert (fan.process, fan.active, fan.shelved, fan.sequence, fan.event_id) == ("normal", False, False, 2, "fan-2")
    assert (saw.shelved, saw.active, saw.sequence) == ((True, False, 2) if knows_commands else (False, True, 1))
    if knows_commands:
        assert (saw.shelf_left_s, str(saw.shelved_until)) == (604_800.0, "2026-11-27 06:01:00+00:00")


def test_an_old_file_with_a_value_of_another_type_is_damaged(old: tuple[str, Path]) -> None:
    """A value of a wrong type in an older store counts as damage, as in a present one."""
    _, path = old
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE last_events SET payload = CAST(payload AS TEXT)")
    with pytest.raises(DamagedStoreError, match="damaged"):
        Store(path).open()


def test_a_last_event_that_cannot_be_read_is_none() -> None:
    """A machine whose last event cannot be read starts without an alarm."""
    assert convert_last_event(b"{}") == read_record(b"[]") == read_record(None)
