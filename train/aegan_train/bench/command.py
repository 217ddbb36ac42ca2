"""Runs rows of the bench with several seeds, and reports them."""

import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from aegan_monitor.errors import EXIT_FAILED, AeganError, UsageError
from aegan_monitor.program import EXIT_INTERRUPTED
from aegan_train.bench.figures import SeedFigures, find_figures
from aegan_train.bench.measure import measure
from aegan_train.bench.plot import PICTURE, write_picture
from aegan_train.bench.report import REPORT, describe_rows, write_report
from aegan_train.bench.rows import PLACES, RECORDED, ROWS
from aegan_train.bench.units import Bench, find_lacking, find_units
from aegan_train.progress import format_duration
from aegan_train.run_folder import lock_run


@dataclass(slots=True)
class Outcome:
    """The figures of each row, the reasons for what was not run, and the exit code."""

    rows: dict[str, list[SeedFigures]] = field(default_factory=dict)
    not_run: dict[str, str] = field(default_factory=dict)
    code: int = 0


def run_bench(names: Sequence[str], n_seeds: int, bench: Bench) -> int:
    """Train and report these rows (all when empty); returns the exit code.

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
            run_rows(names or ROWS, n_seeds, bench, outcome)
        except KeyboardInterrupt:
            print("stopped; finished trainings are kept, and the same command goes on", file=sys.stderr)
            outcome.code = EXIT_INTERRUPTED
        if outcome.rows:
            write_report(outcome.rows, outcome.not_run, bench.out)
            write_picture(outcome.rows, bench.out)
    for name, reason in outcome.not_run.items():
        print(f"not run: {name}: {reason}")
    if not outcome.rows:
        return outcome.code or EXIT_FAILED
    for line in describe_rows(outcome.rows):
        print(line)
    print(f"{bench.out}: {REPORT}, {PICTURE}, and runs/ with all scores of each test clip")
    return outcome.code


def run_rows(names: Iterable[str], n_seeds: int, bench: Bench, outcome: Outcome) -> None:
    """Train the rows, and add each result to `outcome` at once."""
    for name in names:
        if lacking := [each for unit in find_units(name, bench.recordings) for each in find_lacking(unit, bench)]:
            outcome.not_run[name] = "; ".join(lacking)
            continue
        for seed in range(n_seeds):
            try:
                found = run_row(name, seed, bench)
            except AeganError as error:
                outcome.not_run[f"{name}, seed {seed}"], outcome.code = str(error), EXIT_FAILED
                print("failed", flush=True)
            else:
                outcome.rows.setdefault(name, []).append(found)


def run_row(name: str, seed: int, bench: Bench) -> SeedFigures:
    """Train the data sets of a row with one seed.

    Raises:
        AeganError: A training or an evaluation fails.
    """
    found = []
    for unit in find_units(name, bench.recordings):
        print(f"{unit.name}, seed {seed}: ", end="", flush=True)
        measured, was_read = measure(unit, seed, bench)
        print("as before" if was_read else f"trained in {format_duration(measured.fit_s)}", flush=True)
        found.append(measured)
    return find_figures(found, RECORDED[name].faults if name in RECORDED else (), PLACES[name])
