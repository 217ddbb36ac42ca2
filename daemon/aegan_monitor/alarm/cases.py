"""The case of a machine: one episode in which it sounds wrong. Pure.

An alarm opens a case. An alarm that comes back before the machine was normal for long enough belongs to the same case. A machine has
one case at most: the record has room for one.
"""

from dataclasses import replace
from datetime import datetime
from typing import get_args

from aegan_monitor.alarm.lifecycle import AlarmRecord
from aegan_monitor.messages.case import Case, Severity

SEVERITIES: tuple[Severity, ...] = get_args(Severity)  # the lowest first


def raise_case(
    record: AlarmRecord,
    event_id: str,
    time: datetime,
    cause: str,
    *,
    gross: bool = False,
    evidence: float | None = None,
    common_case: str | None = None,
) -> Case:
    """The case of an alarm that is raised by the event `event_id`: the record's if that is not over, else another one.

    Args:
        record: Before the event.
        time: When the alarm is raised.
        cause: That of the event.
        gross: The fault is over all that normal sound has brought.
        evidence: That of the decision.
        common_case: The case of another machine that has just raised its alarm; None if there is none.
    """
    severity: Severity = "low" if common_case else "high" if gross else "medium"
    raised = Case(
        id=common_case or event_id,
        severity=severity,
        evidence=evidence,
        began_at=record.began_at or time,
        cause=cause,
        common=common_case is not None,
    )
    last = record.case
    if last is None or record.case_over:
        return raised
    return raised.model_copy(
        update={
            "id": last.id,
            "severity": _worse(last.severity, severity),
            "evidence": _stronger(last.evidence, evidence),
            "began_at": last.began_at,
            "recurrences": last.recurrences + 1,
            "duration_s": last.duration_s,
            "verdict": last.verdict,
        }
    )


def worsen(record: AlarmRecord, *, gross: bool, evidence: float | None) -> AlarmRecord:
    """The record after a decision: the case of an announced alarm keeps the highest severity and the strongest evidence."""
    case = record.case
    if case is None or not record.announced:
        return record
    severity = _worse(case.severity, "high" if gross and not case.common else case.severity)
    found = case.model_copy(update={"severity": severity, "evidence": _stronger(case.evidence, evidence)})
    return record if found == case else replace(record, case=found)


def is_worse(before: AlarmRecord, after: AlarmRecord) -> bool:
    """Whether the severity of the case has changed."""
    return before.case is not None and after.case is not None and before.case.severity != after.case.severity


def count_quiet(record: AlarmRecord, heard_samples: int, recurrence_samples: int) -> AlarmRecord:
    """The record after `heard_samples` of heard sound; the case is over once the machine was normal for `recurrence_samples`.

    A case whose alarm has not ended (it is latched) is not over.
    """
    if record.case is None or record.case_over or record.process != "normal":
        return record
    quiet_samples = record.quiet_samples + heard_samples
    return replace(record, quiet_samples=quiet_samples, case_over=not record.announced and quiet_samples >= recurrence_samples)


def _worse(one: Severity, other: Severity) -> Severity:
    return max(one, other, key=SEVERITIES.index)


def _stronger(one: float | None, other: float | None) -> float | None:
    found = [each for each in (one, other) if each is not None]
    return max(found) if found else None
