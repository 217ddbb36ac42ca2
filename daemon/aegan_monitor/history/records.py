"""From payloads to statements that change events and cases in the history."""

from collections.abc import Iterator
from datetime import datetime

from aegan_monitor.history.store import Statement
from aegan_monitor.messages.case import Case, Verdict
from aegan_monitor.messages.command_payloads import Command, Result
from aegan_monitor.messages.explanation import Explanation
from aegan_monitor.messages.model import Payload
from aegan_monitor.messages.note import Note
from aegan_monitor.messages.payloads import Alarm, Event, Sensor

# By the words of a command, an alarm ends with these also where no `Alarm` follows.
_ENDS = frozenset({"closed", "superseded", "removed"})
_SEEN = frozenset({"acknowledged", "closed"})  # a person did it

_ADD_EVENT = "INSERT INTO events (time, machine, source, kind, text, by, case_id) VALUES (?, ?, ?, ?, ?, ?, ?)"
_ADD_CASE = """
INSERT INTO cases (id, machine, began_at, severity, cause, evidence, n_recurrences, common, verdict) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT DO UPDATE SET severity = excluded.severity, cause = excluded.cause, evidence = excluded.evidence,
n_recurrences = excluded.n_recurrences, verdict = coalesce(excluded.verdict, verdict)
"""
_EXPLAIN = "UPDATE cases SET explanation = ? WHERE id = ? AND machine = ?"
_OPEN = "UPDATE cases SET ended_at = NULL WHERE id = ? AND machine = ? AND ended_at IS NOT NULL"
_END = "UPDATE cases SET ended_at = max(?, began_at) WHERE machine = ? AND ended_at IS NULL"
_RESTORE_CASE = """
INSERT INTO cases (id, machine, began_at, ended_at, severity, cause, explanation, evidence, n_recurrences, common, verdict, seen)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING
"""
_SEE = "UPDATE cases SET seen = 1 WHERE id = ? AND machine = ?"


class Records:
    """Payloads of all machines, in the order in which they are published; one thread at a time."""

    def __init__(self) -> None:
        self._commands: dict[str, Command] = {}  # whose results follow
        self._alarms: dict[str, Alarm] = {}  # the newest of each machine

    def make_statements(self, machine: str | None, payload: Payload) -> list[Statement]:
        """What a payload changes; nothing for a score or a health message."""
        match payload:
            case Event() if machine:
                if payload.kind in _ENDS:
                    self._alarms.pop(machine, None)
                return list(_take_event(machine, payload))
            case Alarm() if machine:
                self._alarms[machine] = payload
                return list(_take_alarm(machine, payload))
            case Sensor() if machine:
                return [_event(payload.since, machine, "sensor", payload.state, payload.detail)]
            case Command() if machine:
                self._commands[machine] = payload
            case Result() if machine:
                return [_take_result(machine, payload, self._commands.pop(machine, None))]
            case Note():
                return [_event(payload.time, None, "daemon", payload.kind, payload.text)]
        return []

    def open_cases(self) -> list[Statement]:
        """What a file lacks that was made after alarms were raised: the cases that go on."""
        return [each for machine, alarm in self._alarms.items() if alarm.case for each in _take_alarm(machine, alarm)]


def restore_case(
    machine: str, case: Case, cause: str, explanation: Explanation | None, ended_at: datetime, verdict: Verdict | None
) -> Statement:
    """Add a case of an earlier history, if the present one lacks it; a person who gave a verdict has seen it."""
    words = explanation.model_dump_json() if explanation else None
    fields = (case.severity, cause, words, case.evidence, case.recurrences, case.common, verdict, verdict is not None)
    return _RESTORE_CASE, (case.id, machine, case.began_at.timestamp(), ended_at.timestamp(), *fields)


def _event(time: datetime, machine: str | None, source: str, kind: str, text: str, by: str = "", case_id: str | None = None) -> Statement:
    return _ADD_EVENT, (time.timestamp(), machine, source, kind, text, by, case_id)


def _take_event(machine: str, event: Event) -> Iterator[Statement]:
    case = event.case
    yield _event(event.time, machine, "alarm", event.kind, event.cause, case_id=case.id if case else None)
    if case:
        yield _add_case(machine, case)
        if event.explanation:
            yield _EXPLAIN, (event.explanation.model_dump_json(), case.id, machine)
        if event.kind in _SEEN:
            yield _SEE, (case.id, machine)
    if event.kind in _ENDS:
        yield _END, (event.time.timestamp(), machine)


def _take_alarm(machine: str, alarm: Alarm) -> Iterator[Statement]:
    if alarm.case:
        yield _add_case(machine, alarm.case)
        yield _OPEN, (alarm.case.id, machine)
    else:
        yield _END, (alarm.since.timestamp(), machine)


def _add_case(machine: str, case: Case) -> Statement:
    began_s = case.began_at.timestamp()
    fields = (case.severity, case.cause, case.evidence, case.recurrences, case.common, case.verdict)
    return _ADD_CASE, (case.id, machine, began_s, *fields)


def _take_result(machine: str, result: Result, command: Command | None) -> Statement:
    """The answer to a command, with what was commanded and by whom; None for a command that could not be read."""
    given = (
        command.model_dump(include={"verdict", "duration_s", "value", "reason"}, exclude_none=True, exclude_defaults=True)
        if command
        else {}
    )
    words = ", ".join(f"{name} {value}" for name, value in given.items())
    answer = "accepted" if result.accepted else f"refused: {result.reason}"
    text = f"{answer} ({words})" if words else answer
    return _event(result.time, machine, "command", result.command or "unreadable", text, command.by if command else "")
