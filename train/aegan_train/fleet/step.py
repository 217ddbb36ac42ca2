"""One task in a process that stays: runs its command, keeps what it prints, and writes the record that it was done."""

import contextlib
import json
import os
import platform
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import entry_points
from pathlib import Path
from typing import TextIO

import torch
from threadpoolctl import threadpool_limits

from aegan_monitor.clock import now
from aegan_monitor.errors import EXIT_FAILED, AeganError, DataError
from aegan_monitor.files import write_whole
from aegan_train.fleet.figures import find_figures
from aegan_train.fleet.store import fetched
from aegan_train.fleet.tasks import Step, Task

LONGEST_PROBLEM = 400  # characters


@dataclass(frozen=True, slots=True)
class Order:
    """What travels to a process: names and paths, nothing else."""

    step: Step
    program: str
    arguments: list[str]
    result: str
    run: str
    done: str
    log: str

    @classmethod
    def of(cls, task: Task) -> "Order":
        """The order of a task."""
        return cls(task.step, task.program, list(task.arguments), str(task.result), str(task.run), str(task.done), str(task.log))


@dataclass(frozen=True, slots=True)
class Result:
    """What comes back.

    Attributes:
        problem: One line; empty when it was done.
        figures: What it found, for the table and the report.
    """

    problem: str
    seconds: float
    cpu_s: float
    node: str
    figures: dict[str, float | str]


def set_up() -> None:
    """Set up a process: one thread, so that no result depends on their number."""
    threadpool_limits(1)
    torch.set_num_threads(1)


def run_step(order: Order) -> Result:
    """Run the command of a task in this process."""
    began_s, began_cpu_s = time.monotonic(), time.process_time()
    problem, figures = "", dict[str, float | str]()
    try:
        problem = run_logged(order)
        if not problem:
            figures = find_figures(order.step, Path(order.result), Path(order.run))
    except Exception as error:  # noqa: BLE001 - whatever it is, the other machines go on
        problem = describe(error)
    seconds, cpu_s = time.monotonic() - began_s, time.process_time() - began_cpu_s
    result = Result(problem[:LONGEST_PROBLEM], round(seconds, 2), round(cpu_s, 2), platform.node(), figures)
    if problem:
        return result
    try:
        record = {"command": [order.program, *order.arguments], "ended_at": now().isoformat(timespec="seconds"), **asdict(result)}
        Path(order.done).parent.mkdir(parents=True, exist_ok=True)
        write_whole(Path(order.done), (json.dumps(record, indent=1) + "\n").encode())
    except OSError as error:
        return Result(describe(error), result.seconds, result.cpu_s, result.node, figures)
    return result


def run_logged(order: Order) -> str:
    """Run the command with its output in the log; returns its error in one line, empty where there was none.

    Raises:
        OSError: The log cannot be written.
        DataError: The program is not installed here, or a store cannot be read.
    """
    log = Path(order.log)
    log.parent.mkdir(parents=True, exist_ok=True)
    main = load_program(order.program)
    with fetched(order.arguments) as arguments, log.open("w", encoding="utf-8", buffering=1) as file, into(file):
        try:
            code = main(arguments)
        except SystemExit as error:  # argparse
            code = error.code if isinstance(error.code, int) else EXIT_FAILED
        except Exception:
            traceback.print_exc()
            raise
    return "" if code == 0 else find_problem(log, order.program, code)


def load_program(name: str) -> Callable[[Sequence[str]], int]:
    """The entry point of a console program.

    Raises:
        DataError: It is not installed.
    """
    found = list(entry_points(group="console_scripts", name=name))
    if not found:
        raise DataError(f"{platform.node()}: {name} is not installed: pip install 'aegan-monitor[cpu,export,fleet]'")
    main: Callable[[Sequence[str]], int] = found[0].load()
    return main


@contextlib.contextmanager
def into(file: TextIO) -> Iterator[None]:
    """Let everything that is printed go there, what libraries print past Python, too."""
    sys.stdout.flush()
    sys.stderr.flush()
    kept = [os.dup(1), os.dup(2)]
    try:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
        with contextlib.redirect_stdout(file), contextlib.redirect_stderr(file):
            yield
    finally:
        for number, copy in zip((1, 2), kept, strict=True):
            os.dup2(copy, number)
            os.close(copy)


def find_problem(log: Path, program: str, code: int) -> str:
    """The error that a program has printed, in one line."""
    lines = [line.removeprefix(f"{program}: ") for line in log.read_text(encoding="utf-8").splitlines() if line.startswith(f"{program}: ")]
    return " ".join(lines) or f"{program} ended with {code}; see {log}"


def describe(error: Exception) -> str:
    """An error in one line."""
    if isinstance(error, OSError):
        place = f"{error.filename}: " if error.filename else ""
        return f"{place}{error.strerror or error}"
    if isinstance(error, AeganError):
        return " ".join(str(error).split())
    return f"{type(error).__name__}: {' '.join(str(error).split())}"
