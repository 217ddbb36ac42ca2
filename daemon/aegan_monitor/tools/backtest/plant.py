"""Backtests every machine of a configuration, side by side, and the hall that they stand in. What was done is not done again."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from argparse import Namespace
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aegan_monitor import __version__
from aegan_monitor.alarm.judge import Judge
from aegan_monitor.audio.recording import Recording
from aegan_monitor.config.model import MachineConfig, MonitorConfig, load_config
from aegan_monitor.decision.budget_policy import BudgetPolicy
from aegan_monitor.detection.bundle import load_bundle
from aegan_monitor.errors import EXIT_FAILED, AeganError, CaptureError, UsageError
from aegan_monitor.files import show_path, write_whole
from aegan_monitor.service.build import share
from aegan_monitor.service.runtime import choose_score
from aegan_monitor.tools.backtest.backtest import find_recordings
from aegan_monitor.tools.backtest.hall import choose_budget, join_alarms
from aegan_monitor.tools.report_files import make_folder

LABELS = "labels.csv"  # in the folder of a machine
RESULT, WARNINGS = "backtest.json", "warnings.txt"
DIGITS = 12
PROGRAM = "aegan-monitor: "
Report = Callable[[str], object]


@dataclass(frozen=True, slots=True)
class Part:
    """One machine.

    Attributes:
        folder: Its result, named by what it depends on.
        command: What makes it, but for the folder that it writes into.
    """

    machine: str
    recordings: list[Path]
    folder: Path
    command: list[str]


def backtest_plant(arguments: Namespace, report: Report, warn: Callable[[AeganError], object]) -> int:
    """`aegan-monitor backtest --plant`; the exit code, 1 where a machine or a file was left out.

    Raises:
        UsageError: Options do not go together.
        AeganError: The configuration is wrong, or the results cannot be written.
    """
    if arguments.machine or arguments.labels or not arguments.out or len(arguments.recordings) != 1:
        raise UsageError(
            "backtest --plant: takes one folder with a folder of recordings for each machine, and --out; known faults stand in "
            f"{LABELS} in that of the machine"
        )
    config, out = load_config(arguments.config), arguments.out
    make_folder(out, "--out")
    n_problems, parts = 0, list[Part]()
    for machine in config.machines:
        try:
            parts.append(make_part(machine, config, arguments))
        except AeganError as error:
            n_problems += 1
            warn(AeganError(f"{machine.name}: {error}"))
    found: dict[str, dict[str, Any]] = {}
    for part, problem in run_all(parts, arguments.jobs or len(os.sched_getaffinity(0))):
        if problem:
            n_problems += 1
            warn(AeganError(f"{part.machine}: {problem}"))
            continue
        warnings = (part.folder / WARNINGS).read_text(encoding="utf-8").splitlines()
        n_problems += bool(warnings)
        for line in warnings:
            warn(AeganError(f"{part.machine}: {line.removeprefix(PROGRAM)}"))
        found[part.machine] = json.loads((part.folder / RESULT).read_text(encoding="utf-8"))
        report(f"{part.machine}: {'; '.join(found[part.machine]['lines'][:1] + find_lines(found[part.machine]))}")
    if found:
        for line in sum_up(config, parts, found, arguments.budget, out):
            report(line)
    return EXIT_FAILED if n_problems else 0


def find_lines(facts: dict[str, Any]) -> list[str]:
    """The lines of a machine's result about alarms."""
    return [line for line in facts["lines"] if line.startswith(("labelled faults:", "alarms:", "false alarms a week:"))]


def make_part(machine: MachineConfig, config: MonitorConfig, arguments: Namespace) -> Part:
    """What a machine's result depends on: version, bundle, alarm, budgets, and name, size and time of change of each recording.

    Raises:
        AeganError: It has no recordings, or its bundle is damaged.
    """
    place = arguments.recordings[0] / machine.name
    if not place.is_dir():
        raise AeganError(f"{show_path(place)}: no such folder; put its recordings there")
    recordings = find_recordings([place])
    labels = [place / LABELS] if (place / LABELS).is_file() else []
    listed = [(str(path.relative_to(place)), path.stat().st_size, path.stat().st_mtime_ns) for path in [*recordings, *labels]]
    settings = machine.model_dump(mode="json", exclude={"bundle", "capture"})
    bundle, own = load_bundle(machine.bundle), share(config)[machine.name]
    judge = Judge(bundle.record, choose_score(machine, bundle), machine.alarm, own, bundle.reference)
    budgets = arguments.budget if isinstance(judge.policy, BudgetPolicy) else []  # thresholds know none
    values = [__version__, bundle.record.record_sha256, settings, own.per_week, budgets, arguments.channel, listed]
    digest = hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:DIGITS]
    command = [sys.executable, "-m", "aegan_monitor.tools.backtest.follower", "backtest", "--config", str(arguments.config)]
    command += ["--machine", machine.name, *(["--labels", str(labels[0])] if labels else [])]
    command += [word for budget in budgets for word in ("--budget", f"{budget:g}")]
    command += [] if arguments.channel is None else ["--channel", str(arguments.channel)]
    return Part(machine.name, recordings, arguments.out / f"{machine.name}-{digest}", [*command, str(place), "--out"])


def run_all(parts: Sequence[Part], n_jobs: int) -> Iterator[tuple[Part, str]]:
    """Each machine in their order, with the reason why it has no result; empty where it has one."""
    running: list[subprocess.Popen[str]] = []
    with ThreadPoolExecutor(n_jobs) as pool:
        try:
            yield from zip(parts, pool.map(lambda part: run_part(part, running), parts), strict=True)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            for process in running:
                process.kill()
            raise


def run_part(part: Part, running: list["subprocess.Popen[str]"]) -> str:
    """Make the result of a machine, unless it is there; the reason why there is none."""
    if part.folder.is_dir():
        return ""
    partial = part.folder.with_name(f".{part.folder.name}")
    shutil.rmtree(partial, ignore_errors=True)
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
    with subprocess.Popen([*part.command, str(partial)], text=True, env=environment, start_new_session=True, **pipes) as process:  # type: ignore[call-overload]
        running.append(process)
        lines = [line for line in process.stderr.read().splitlines() if line.startswith(PROGRAM)]
    running.remove(process)
    if not (partial / RESULT).is_file():
        return " ".join(line.removeprefix(PROGRAM) for line in lines) or f"its process ended with {process.returncode}"
    try:
        write_whole(partial / WARNINGS, "".join(f"{line}\n" for line in lines).encode())
        partial.rename(part.folder)
    except OSError as error:
        return f"{show_path(part.folder)}: cannot be written: {error.strerror}"
    return ""


def sum_up(
    config: MonitorConfig, parts: Sequence[Part], found: dict[str, dict[str, Any]], budgets: Sequence[float], out: Path
) -> Iterator[str]:
    """The lines about the hall; writes `plant.json`.

    Raises:
        AeganError: It cannot be written.
    """
    starts_s = {str(path): find_start_s(path) for part in parts if part.machine in found for path in part.recordings}
    hall = join_alarms(found, starts_s, config.common_cause_s)
    facts: dict[str, object] = {"machines": found, "hall": hall.make_facts()}
    yield f"hall of {len(found)} machines, {hall.weeks * 168:.1f} h a machine: {hall.describe()}"
    others = []
    for place, budget in enumerate(dict.fromkeys(budgets)):
        chosen = choose_budget(found, place)
        other = join_alarms(chosen, starts_s, config.common_cause_s)
        others.append({"budget_per_week": budget, **other.make_facts()})
        yield f"with {budget:g} accepted a week of each machine: {other.describe()}"
    path = out / "plant.json"
    try:
        write_whole(path, (json.dumps({**facts, "other_budgets": others}, indent=1, allow_nan=False) + "\n").encode())
    except OSError as error:
        raise AeganError(f"{show_path(path)}: cannot be written: {error.strerror}; free some space there") from error
    yield f"{show_path(path)}: written; {len(found)} folders beside it have the result of each machine"


def find_start_s(path: Path) -> float:
    """When a recording began, by the time of change of its file, which counts as its end."""
    try:
        with Recording(path, channel=0, any_rate=True) as recording:
            length_s = (recording.n_samples or 0) / recording.sample_rate_hz
    except CaptureError:  # damaged: no alarm is in it
        length_s = 0.0
    return path.stat().st_mtime - length_s
