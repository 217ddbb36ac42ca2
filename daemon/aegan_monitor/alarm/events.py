"""Payloads of one machine's alarm, made from its record and from transitions."""

import uuid
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from aegan_monitor.alarm.cases import raise_case
from aegan_monitor.alarm.lifecycle import IN_ALARM, MAX_EVENT_IDS, AlarmRecord, Transition, find_isa_state, take
from aegan_monitor.clock import elapsed_s
from aegan_monitor.messages import payloads
from aegan_monitor.messages.command_payloads import Command


def make_id() -> str:
    """The id of an event."""
    return str(uuid.uuid4())


def make_event(
    transition: Transition,
    cause: str,
    time: datetime,
    *,
    new_id: Callable[[], str] = make_id,
    score_id: str = "",
    sample: int = 0,
    active_s: float | None = None,
    gross: bool = False,
    evidence: float | None = None,
    common_case: str | None = None,
    proved_per_week: float | None = None,
) -> tuple[payloads.Event, AlarmRecord]:
    """The event of a transition, and the record with its number and id.

    `sample` is 0 where none was heard. `active_s` is how long the alarm was active, if it was raised in this run; None takes the two
    times of the wall clock. `gross`, `evidence` and `common_case` are for `raised` alone: see `raise_case`.
    """
    before, after, kind = transition
    if kind is None:
        raise ValueError(f"expected a transition with an event, found {before.process} to {after.process}")
    event_id = new_id()
    ends = before.active and before.process in IN_ALARM and after.process not in IN_ALARM
    if ends and active_s is None and before.raised_at is not None:
        active_s = elapsed_s(before.raised_at.timestamp(), time.timestamp())
    if kind == "raised":
        case = raise_case(before, event_id, time, cause, gross=gross, evidence=evidence, common_case=common_case)
        after = replace(after, case=case, case_over=False, quiet_samples=0)
    elif ends and after.case is not None:
        after = replace(after, case=after.case.model_copy(update={"duration_s": round(after.case.duration_s + (active_s or 0.0), 3)}))
    event = payloads.Event(
        id=event_id,
        sequence=after.sequence + 1,
        kind=kind,
        active=after.active,
        time=time,
        sample=sample,
        cause=cause,
        score_id=score_id,
        score=after.score,
        threshold=after.threshold,
        proved_per_week=None if proved_per_week is None else float(f"{proved_per_week:.3g}"),
        duration_s=active_s if ends else None,
        case=after.case if before.announced or after.announced else None,
    )
    ids = after.event_ids
    if after.announced:
        ids = (*ids, event_id) if len(ids) < MAX_EVENT_IDS else (ids[0], *ids[2:], event_id)
    return event, replace(after, sequence=event.sequence, event_id=event_id, event_ids=ids)


def make_state(record: AlarmRecord, *, confirmed: bool) -> payloads.Alarm:
    """The retained state; `confirmed` says that a decision of this run has measured it."""
    return payloads.Alarm(
        state=record.process,
        isa_state=find_isa_state(record),
        active=record.active,
        since=record.since,
        score=record.score,
        threshold=record.threshold,
        event_id=record.event_id,
        alarm_id=record.event_ids[0] if record.event_ids else None,
        acknowledged=record.acknowledged,
        shelved_until=record.shelved_until,
        out_of_service=record.out_of_service,
        case=record.case if record.announced else None,
        confirmed=confirmed,
        measured_at=record.measured_at,
    )


def remove(record: AlarmRecord, time: datetime, new_id: Callable[[], str] = make_id) -> tuple[AlarmRecord, list[payloads.Event]]:
    """End the alarm, shelf and time out of service of a machine that has left the configuration; if it returns, its numbers continue."""
    transition = take(record, "remove", time)
    if transition is None or transition.event is None:
        return (transition.after if transition else record), []
    event, after = make_event(transition, "the machine has left the configuration", time, new_id=new_id)
    return after, [event]


def describe_command(command: Command) -> str:
    """By whom and why, in one line of printable characters."""
    text = f"by {command.by or 'command'}" + (f": {command.reason}" if command.reason else "")
    return "".join(letter if letter.isprintable() else " " for letter in text)
