"""Stored records of other versions."""

from datetime import UTC, datetime

from aegan_monitor.alarm.lifecycle import AlarmRecord
from aegan_monitor.alarm.stored import dump_record, read_record
from aegan_monitor.messages.case import Case
from story import NOW, Story

OPEN = AlarmRecord(process="alarm", announced=True, case=Case(id="a", began_at=NOW, evidence=3.0))
OLD = (
    b'{"process":"alarm","announced":true,"acknowledged":true,"shelved":false,"since":"2026-01-31T08:15:00Z","delay_samples":0,'
    b'"raised_at":"2026-01-31T08:15:00Z","event_ids":["old","older"],"shelved_until":null,"shelf_left_s":0.0,"sequence":7,'
    b'"event_id":"older","score":2.5,"threshold":2.0,"measured_at":"2026-01-31T08:16:00Z","basis":"basis"}'
)


def test_a_record_of_version_0_2_reads_and_its_alarm_has_a_case() -> None:
    """The alarm goes on with its id, number and acknowledgement, as a case that its `raised` event names."""
    record = read_record(OLD)
    assert (record.process, record.acknowledged, record.sequence, record.case_over) == ("alarm", True, 7, False)
    assert record.case == Case(id="old", began_at=datetime(2026, 1, 31, 8, 15, tzinfo=UTC))
    story = Story(record)
    story.decide(False)
    assert [(event.kind, event.case and event.case.id) for event in story.events()] == [("cleared", "old")]


def test_a_record_of_a_later_version_reads() -> None:
    """Fields that are not known are left out, in the case too, so that a version can be taken back."""
    stored = dump_record(OPEN).replace(b'"id":"a"', b'"id":"a","colour":"red"').replace(b'"basis"', b'"later":1,"basis"')
    assert read_record(stored) == OPEN
