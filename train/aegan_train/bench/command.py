"""Runs rows of the bench with several seeds, and reports them."""

import sys
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from aegan_monitor.errors import EXIT_FAILED, AeganError, UsageError
from aegan_monitor.program import EXIT_INTERRUPTED
from aegan_train.bench.figures import SeedFigures, find_figures
from aegan_train.bench.keys import make_key
from aegan_train.bench.measure import Measured, find_path, read_measured
from aegan_train.bench.plot import PICTURE, write_picture
from aegan_train.bench.processes import Task, measure_all
from aegan_train.bench.report import REPORT, describe_rows, write_report
from aegan_train.bench.rows import PLACES, RECORDED, ROWS
from aegan_train.bench.units import Bench, find_lacking, find_units
from aegan_train.run_folder import lock_run


@dataclass(slots=True)
class Outcome:
    """The result of each training, the reasons for what was not run, and the exit code."""

    found: dict[Task, Measured] = field(default_factory=dict)
    not_run: dict[str, str] = field(default_factory=dict)
    code: int = 0


def run_bench(names: Sequence[str], n_seeds: int, bench: Bench, n_jobs: int = 1) -> int:
    """Train and report these rows (all when empty), `n_jobs` trainings at a time; returns the exit code.

    A row whose parts are missing, or whose training fails, is listed as not run, and the others go on. Ctrl-C ends with a report of
    what was done; the next call goes on from there.

    Raises:
        UsageError: There is no such row.
        AeganError: The results cannot be written.
    """
    if unknown := [name for name in names if name not in ROWS]:
        raise UsageError(f"--rows: {unknown[0]}: no such row; the rows are {', '.join(ROWS)}")
    outcome = Outcome()
    with lock_run(bench.out):
        try:
            with tempfile.TemporaryDirectory(dir=bench.out, prefix=".") as scratch:
                tasks = find_tasks(names or ROWS, n_seeds, bench, outcome)
                measure_tasks(tasks, bench, n_jobs, Path(scratch), outcome)
        except KeyboardInterrupt:
            print("stopped; finished trainings are kept, and the same command goes on", file=sys.stderr)
            outcome.code = EXIT_INTERRUPTED
        rows = find_rows(names or ROWS, n_seeds, bench, outcome)
        if rows:
            write_report(rows, outcome.not_run, bench.out)
            write_picture(rows, bench.out)
    for name, reason in outcome.not_run.items():
        print(f"not run: {name}: {reason}")
    if not rows:
        return outcome.code or EXIT_FAILED
    for line in describe_rows(rows):
        print(line)
    print(f"{bench.out}: {REPORT}, {PICTURE}, and runs/ with all scores of each test clip")
    return outcome.code


def find_tasks(names: Iterable[str], n_seeds: int, bench: Bench, outcome: Outcome) -> list[Task]:
    """The trainings of all rows whose parts are here, each once; rows share data sets."""
    tasks = []
    for name in names:
        units = find_units(name, bench.recordings)
        if lacking := [each for unit in units for each in find_lacking(unit, bench)]:
            outcome.not_run[name] = "; ".join(lacking)
        else:
            tasks += [Task(unit, seed) for seed in range(n_seeds) for unit in units]
    return list(dict.fromkeys(tasks))


def measure_tasks(tasks: Iterable[Task], bench: Bench, n_jobs: int, scratch: Path, outcome: Outcome) -> None:
    """Read what the same code found for the same data, settings and seed, train the others, and add each result to `outcome` at once."""
    wanted = []
    for task in tasks:
        if found := read_measured(find_path(task.unit, task.seed, bench), make_key(task.unit, task.seed, bench)):
            print(f"{task}: as before", flush=True)
            outcome.found[task] = found
        else:
            wanted.append(task)
    for task, result in measure_all(wanted, bench, n_jobs, scratch):
        if isinstance(result, AeganError):
            print(f"{task}: failed", flush=True)
            outcome.not_run[str(task)], outcome.code = str(result), EXIT_FAILED
        else:
            outcome.found[task], what = result
            print(f"{task}: {what}", flush=True)


def find_rows(names: Iterable[str], n_seeds: int, bench: Bench, outcome: Outcome) -> dict[str, list[SeedFigures]]:
    """The figures of each row and seed whose trainings are all there."""
    rows: dict[str, list[SeedFigures]] = {}
    for name in names:
        for seed in range(n_seeds):
            tasks = [Task(unit, seed) for unit in find_units(name, bench.recordings)]
            if not all(task in outcome.found for task in tasks):
                continue
            try:
                figures = find_figures(
                    [outcome.found[task] for task in tasks], RECORDED[name].faults if name in RECORDED else (), PLACES[name]
                )
            except AeganError as error:
                outcome.not_run[f"{name}, seed {seed}"], outcome.code = str(error), EXIT_FAILED
            else:
                rows.setdefault(name, []).append(figures)
    return rows
