"""`aegan-monitor cases`: the episodes in which a machine sounds wrong."""

import json
import shutil
import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from aegan_monitor.errors import AeganError, PublishError
from aegan_monitor.history.rows import HistoryCase, HistoryEvent
from aegan_monitor.messages.payloads import Alarm
from aegan_monitor.tools.terminal.broker import Broker
from aegan_monitor.tools.terminal.past import Past, read_past
from aegan_monitor.tools.terminal.plant import Machine, format_day_time
from aegan_monitor.tools.terminal.status import read_plant
from aegan_monitor.tools.terminal.words import describe_alarm

N_ID = 8  # characters of an id in the list
NAME_WIDTH = 11  # of a fact


@dataclass(frozen=True, slots=True)
class CaseRow:
    """A case of one machine; `state` is in words."""

    node: str
    label: str
    state: str
    case: HistoryCase
    events: Sequence[HistoryEvent] = ()


def show_cases(
    broker: Broker,
    wanted: str | None,
    limit: int,
    report: Callable[[str], object],
    warn: Callable[[AeganError], object],
    *,
    as_json: bool,
) -> int:
    """Report the newest `limit` cases, or the one whose id begins with `wanted`.

    Without the broker those of the history are shown, and without a history the open ones.

    Raises:
        PublishError: The broker cannot be reached and there is no history, nothing is published, or there is no such case.
    """
    now = datetime.now(UTC).astimezone()
    past = read_past(broker, limit if wanted is None else None, warn)
    try:
        machines: Sequence[Machine] = read_plant(broker).machines
    except PublishError as error:
        if not past.cases:
            raise
        warn(error)
        machines = []
    rows = find_cases(machines, past, now)
    if wanted is not None:
        rows = [row for row in rows if row.case.id.startswith(wanted)]
        if not rows:
            raise broker.fail(f"no case {wanted!r}{'' if past.cases else ' among the open ones'}; list them with: aegan-monitor cases")
    width = shutil.get_terminal_size().columns
    if as_json:
        lines: Iterator[str] = (json.dumps(describe(row), ensure_ascii=False) for row in rows[: None if wanted else limit])
    else:
        lines = make_list(rows[:limit], now, width) if wanted is None else make_page(rows, now, width)
    for line in lines:
        report(line)
    return 0


def find_cases(machines: Sequence[Machine], past: Past, now: datetime) -> list[CaseRow]:
    """The open cases, from the alarm states, and those of the history; the newest first."""
    found: Mapping[tuple[str, str], HistoryCase] = {(case.machine, case.id): case for case in past.cases}
    open_cases = {(machine.name, machine.alarm.case.id) for machine in machines if machine.alarm and machine.alarm.case}
    rows = []
    for machine in machines:
        if machine.alarm and (case := _read_case(machine.name, machine.alarm)):
            known = found.get((machine.name, case.id))
            case = case if known is None else known.model_copy(update={"verdict": case.verdict or known.verdict, "ended_at": None})
            rows.append(CaseRow(machine.node, machine.label, describe_alarm(machine, now), case, past.find_events(case)))
    for case in past.cases:
        if (case.machine, case.id) not in open_cases:
            state = f"ended {format_day_time(case.ended_at, now)}" if case.ended_at else "open"
            rows.append(CaseRow(past.node, case.machine, state, case, past.find_events(case)))
    return sorted(rows, key=lambda row: row.case.began_at, reverse=True)


def describe(row: CaseRow) -> dict[str, object]:
    """A case as JSON."""
    return {"node": row.node, "state": row.state, "case": row.case.model_dump(mode="json")}


def make_list(rows: Sequence[CaseRow], now: datetime, width: int) -> Iterator[str]:
    """A line a case, and its cause below."""
    if not rows:
        yield "no case"
    label_width = max((len(row.label) for row in rows), default=0)
    state_width = max((len(row.state) for row in rows), default=0)
    for row in rows:
        began = row.case.began_at.astimezone(now.tzinfo)
        found = (row.case.verdict or row.case.severity).replace("_", " ")
        yield f"{row.case.id[:N_ID]}  {began:%Y-%m-%d %H:%M}  {row.label:<{label_width}}  {row.state:<{state_width}}  {found}"
        yield from _wrap(row.case.cause, width, " " * (N_ID + 2))


def make_page(rows: Sequence[CaseRow], now: datetime, width: int) -> Iterator[str]:
    """All that is known of each, one fact a line; machines with a common cause share a case."""
    for index, row in enumerate(rows):
        if index:
            yield ""
        case = row.case
        by = f", by {case.marked_by}" if case.marked_by else ""
        facts = {
            "case": case.id,
            "machine": row.label,
            "alarm": row.state,
            "began": _format(case.began_at, now),
            "ended": _format(case.ended_at, now) if case.ended_at else "",
            "severity": f"{case.severity}{', with other machines: a common cause' * case.common}",
            "evidence": "" if case.evidence is None else f"{100 * case.evidence:.0f} %",
            "came back": f"{case.n_recurrences} time{'s' * (case.n_recurrences != 1)}" if case.n_recurrences else "no",
            "verdict": (case.verdict or "none yet").replace("_", " ") + by,
            "comment": case.comment,
            "cause": case.cause,
        }
        for name, value in facts.items():
            if value:
                first, *rest = _wrap(value, width, " " * NAME_WIDTH)
                yield f"{name:<{NAME_WIDTH}}{first.strip()}"
                yield from rest
        for event in row.events:
            text = "" if event.text == case.cause else f": {event.text}"
            yield from _wrap(f"{_format(event.time, now)}  {event.kind.replace('_', ' ')}{text}", width, "  ")


def _read_case(machine: str, alarm: Alarm) -> HistoryCase | None:
    """The open case of an alarm in the form of the history."""
    if (case := alarm.case) is None:
        return None
    return HistoryCase(
        **case.model_dump(include={"id", "began_at", "severity", "cause", "evidence", "common", "verdict"}),
        machine=machine,
        ended_at=None,
        explanation=None,
        n_recurrences=case.recurrences,
        comment="",
        marked_by="",
        seen=alarm.acknowledged,
    )


def _format(moment: datetime, now: datetime) -> str:
    return f"{moment.astimezone(now.tzinfo):%Y-%m-%d %H:%M:%S}"


def _wrap(text: str, width: int, indent: str) -> list[str]:
    return textwrap.wrap(text, width, initial_indent=indent, subsequent_indent=indent, break_on_hyphens=False)
