"""The alarm's record as JSON, and the record that follows from the last event in a store of version 1."""

import re
from dataclasses import replace
from datetime import timedelta

from pydantic import AwareDatetime, BaseModel, NonNegativeInt, TypeAdapter, ValidationError

from aegan_monitor.alarm.lifecycle import EPOCH, AlarmRecord
from aegan_monitor.messages.case import Case

_RECORD = TypeAdapter(AlarmRecord)
_SHELVED_FOR = re.compile(r"^for ([0-9.]+(?:e\+?[0-9]+)?) s by ")


def dump_record(record: AlarmRecord) -> bytes:
    """The record as JSON."""
    return _RECORD.dump_json(record)


def read_record(stored: bytes | None) -> AlarmRecord:
    """The record in JSON; a new one where there is none or it cannot be read.

    A record of version 0.2 or older has no case: its alarm opens one, which the id of the alarm names.
    """
    try:
        record = AlarmRecord() if stored is None else _RECORD.validate_json(stored)
    except ValidationError:
        return AlarmRecord()
    if not record.announced or record.case is not None or not record.event_ids:
        return record
    return replace(record, case=Case(id=record.event_ids[0], began_at=record.raised_at or record.since))


def significant(record: AlarmRecord) -> AlarmRecord:
    """The record without what each decision and each second changes: a record that differs in the rest is stored at once."""
    case = record.case and record.case.model_copy(update={"evidence": None})
    measured_at = record.measured_at and EPOCH
    return replace(
        record, score=0.0, threshold=0.0, measured_at=measured_at, shelf_left_s=0.0, case=case, quiet_samples=0, memory=(), normal_s=0.0
    )


class _LastEvent(BaseModel):
    """What a store of version 1 says of a machine's last event."""

    id: str
    sequence: NonNegativeInt
    kind: str
    time: AwareDatetime
    cause: str = ""
    score: float = 0.0
    threshold: float = 0.0
    active: bool | None = None  # the oldest events lack it


def convert_last_event(payload: bytes) -> AlarmRecord:
    """The record that follows from a last event: what was active or shelved still is.

    Version 1 has no state of the process. An active alarm is taken to be in the state alarm; under a shelf, the process to be normal.
    """
    try:
        last = _LastEvent.model_validate_json(payload)
    except ValidationError:
        return AlarmRecord()
    record = AlarmRecord(
        sequence=last.sequence, event_id=last.id, since=last.time, measured_at=last.time, score=last.score, threshold=last.threshold
    )
    if last.kind == "shelved" and (found := _SHELVED_FOR.match(last.cause)):
        left_s = float(found[1])
        return replace(record, shelved=True, shelf_left_s=left_s, shelved_until=last.time + timedelta(seconds=left_s))
    if last.kind == "raised" if last.active is None else last.active:
        acknowledged = last.kind == "acknowledged"
        return replace(record, process="alarm", announced=True, acknowledged=acknowledged, raised_at=last.time, event_ids=(last.id,))
    return record
