"""The report of a fleet: `fleet.json` for programs, `fleet.html` for people."""

import html
import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from aegan_monitor.decision.proof import show_hours, show_rate
from aegan_monitor.messages.model import format_time
from aegan_train.fleet.plant import Plant
from aegan_train.fleet.schedule import Progress
from aegan_train.fleet.tasks import Task
from aegan_train.run_folder import write_atomically

JSON, PAGE = "fleet.json", "fleet.html"
COLUMNS = (
    "machine",
    "kind",
    "state",
    "normal sound",
    "false alarms a week, proved",
    "AUC",
    "alarms in the backtest",
    "processor time",
    "box",
    "bundle",
    "problem",
)
STYLE = "body{font:14px sans-serif}td,th{padding:.2em .6em;text-align:left;border-bottom:1px solid #ccc}.failed{background:#fdd}"


def make_report(plant: Plant, progress: Progress, wall_s: float, at: datetime, boxes: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """What is known of each machine, and of each task that was done in this call or before.

    `boxes` are, by the digest of a bundle, the boxes that run it and what the machine is called there.
    """
    of_machine: dict[str, list[Task]] = {}
    for task in progress.tasks.values():
        of_machine.setdefault(task.machine if task.step != "network" else f"network of {task.machine}", []).append(task)
    kinds = {machine.name: machine.kind for machine in plant.machines}
    machines: dict[str, dict[str, Any]] = {}
    for name in dict.fromkeys(entry.name for entry in plant.file.machines):
        machines[name] = describe_machine(name, kinds.get(name), of_machine.get(name, []), progress, boxes)
        if problem := plant.problems.get(name):
            machines[name].update(state="failed", problem=problem)
    tasks = [
        {"name": name, **(read_record(task) or {"problem": progress.failed.get(name, "not done yet")})}
        for name, task in progress.tasks.items()
    ]
    counts = {state: sum(machine["state"] == state for machine in machines.values()) for state in ("complete", "failed", "unfinished")}
    return {"ended_at": format_time(at), "wall_s": round(wall_s, 1), "counts": counts, "machines": list(machines.values()), "tasks": tasks}


def describe_machine(
    name: str, kind: str | None, tasks: Sequence[Task], progress: Progress, boxes: Mapping[str, Sequence[str]]
) -> dict[str, Any]:
    """The state of a machine, and what its steps have found."""
    records = {task.step: record for task in tasks if (record := read_record(task))}
    figures = {key: value for record in records.values() for key, value in record["figures"].items()}
    problems = [progress.failed[task.name] for task in tasks if task.name in progress.failed]
    state = "failed" if problems else "complete" if tasks and len(records) == len(tasks) else "unfinished"
    folders = {task.step: str(task.result.parent) for task in tasks if task.step in records and task.step in ("train", "export")}
    return {
        "name": name,
        "kind": kind,
        "state": state,
        "problem": problems[0] if problems else "",
        "run": folders.get("train"),
        "bundle": folders.get("export"),
        "boxes": list(boxes.get(str(figures.get("bundle_digest")), [])),
        "seconds": sum(record["seconds"] for record in records.values()),
        "cpu_s": sum(record["cpu_s"] for record in records.values()),
        **figures,
    }


def read_record(task: Task) -> dict[str, Any] | None:
    """The record of a task that was done; None where there is none."""
    try:
        found: dict[str, Any] = json.loads(task.done.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found


def write_report(out: Path, report: Mapping[str, Any]) -> None:
    """Write both files.

    Raises:
        WriteError: One cannot be written.
    """
    write_atomically(out / JSON, lambda path: path.write_text(json.dumps(report, indent=1, allow_nan=False) + "\n", encoding="utf-8"))
    write_atomically(out / PAGE, lambda path: path.write_text(make_page(report), encoding="utf-8"))


def make_page(report: Mapping[str, Any]) -> str:
    """The page: a row a machine, those with a problem first."""
    machines = sorted(report["machines"], key=lambda machine: (not machine["problem"], machine["name"]))
    counts = ", ".join(f"{n} {state}" for state, n in report["counts"].items() if n)
    head = "".join(f"<th>{html.escape(name)}</th>" for name in COLUMNS)
    rows = "\n".join(f'<tr class="{machine["state"]}">{"".join(map(make_cell, list_cells(machine)))}</tr>' for machine in machines)
    title = f"{len(machines)} machines: {html.escape(counts)}"
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title><style>{STYLE}</style></head>\n'
        f"<body><h1>{title}</h1><p>{html.escape(report['ended_at'])}</p>\n<table><thead><tr>{head}</tr></thead>\n<tbody>{rows}</tbody></table></body></html>\n"
    )


def list_cells(machine: Mapping[str, Any]) -> list[str]:
    """The text of each column."""
    hours, proved = machine.get("hours"), machine.get("proved_per_week")
    return [
        machine["name"],
        machine["kind"] or "",
        machine["state"],
        "" if hours is None else show_hours(hours),
        "" if proved is None else f"at most {show_rate(proved)}",
        str(machine.get("auc", "")),
        f"{machine['alarms']}, false {machine['false_alarms']}, {machine['backtest_h']} h" if "alarms" in machine else "",
        f"{machine['cpu_s']:.0f} s" if machine["cpu_s"] else "",
        ", ".join(machine["boxes"]),
        str(machine.get("bundle_digest", ""))[:12],
        machine["problem"],
    ]


def make_cell(text: str) -> str:
    """A cell with this text."""
    return f"<td>{html.escape(text)}</td>"
