"""`aegan-monitor cases`: the episodes in which a machine sounds wrong."""

import json
import shutil
import textwrap
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from aegan_monitor.messages.case import Case
from aegan_monitor.tools.terminal.broker import Broker
from aegan_monitor.tools.terminal.plant import Machine
from aegan_monitor.tools.terminal.status import read_plant
from aegan_monitor.tools.terminal.words import describe_alarm

N_ID = 8  # characters of an id in the list


@dataclass(frozen=True, slots=True)
class CaseRow:
    """A case of one machine; `state` is in words."""

    node: str
    machine: str
    label: str
    state: str
    case: Case


def show_cases(broker: Broker, wanted: str | None, report: Callable[[str], object], *, as_json: bool) -> int:
    """Report all cases, or the one whose id begins with `wanted`.

    Raises:
        PublishError: The broker cannot be reached, nothing is published, or there is no such case.
    """
    now = datetime.now(UTC).astimezone()
    found = find_cases(read_plant(broker).machines, now)
    if wanted is not None and not (chosen := [row for row in found if row.case.id.startswith(wanted)]):
        raise broker.fail(f"no open case {wanted!r}; list them with: aegan-monitor cases")
    rows = found if wanted is None else chosen
    if as_json:
        lines: Iterator[str] = (json.dumps(describe(row), ensure_ascii=False) for row in rows)
    else:
        width = shutil.get_terminal_size().columns
        lines = make_list(rows, now, width) if wanted is None else make_page(rows, now, width)
    for line in lines:
        report(line)
    return 0


def find_cases(machines: Sequence[Machine], now: datetime) -> list[CaseRow]:
    """The open cases, from the alarm states; the newest first."""
    rows = [
        CaseRow(machine.node, machine.name, machine.label, describe_alarm(machine, now), machine.alarm.case)
        for machine in machines
        if machine.alarm and machine.alarm.case
    ]
    return sorted(rows, key=lambda row: row.case.began_at, reverse=True)


def describe(row: CaseRow) -> dict[str, object]:
    """A case as JSON."""
    return {"node": row.node, "machine": row.machine, "state": row.state, "case": row.case.model_dump(mode="json")}


def make_list(rows: Sequence[CaseRow], now: datetime, width: int) -> Iterator[str]:
    """A line a case, and its cause below."""
    if not rows:
        yield "no open case"
    label_width = max((len(row.label) for row in rows), default=0)
    state_width = max((len(row.state) for row in rows), default=0)
    for row in rows:
        began = row.case.began_at.astimezone(now.tzinfo)
        yield f"{row.case.id[:N_ID]}  {began:%Y-%m-%d %H:%M}  {row.label:<{label_width}}  {row.state:<{state_width}}  {row.case.severity}"
        yield from _wrap(row.case.cause, width, " " * (N_ID + 2))


def make_page(rows: Sequence[CaseRow], now: datetime, width: int) -> Iterator[str]:
    """All that is known of each, one fact a line; machines with a common cause share a case."""
    for index, row in enumerate(rows):
        if index:
            yield ""
        case = row.case
        again = f"{case.recurrences} time{'s' * (case.recurrences != 1)}" if case.recurrences else "no"
        facts = {
            "case": case.id,
            "machine": row.label,
            "alarm": row.state,
            "began": f"{case.began_at.astimezone(now.tzinfo):%Y-%m-%d %H:%M:%S %Z}",
            "severity": f"{case.severity}{', with other machines: a common cause' * case.common}",
            "evidence": "" if case.evidence is None else f"{100 * case.evidence:.0f} %",
            "came back": again,
            "verdict": (case.verdict or "none yet").replace("_", " "),
            "cause": case.cause,
        }
        for name, value in facts.items():
            if value:
                first, *rest = _wrap(value, width, " " * 11)
                yield f"{name:<11}{first.strip()}"
                yield from rest


def _wrap(text: str, width: int, indent: str) -> list[str]:
    return textwrap.wrap(text, width, initial_indent=indent, subsequent_indent=indent, break_on_hyphens=False)
