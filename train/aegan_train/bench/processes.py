"""Runs trainings side by side, one thread each: two at a time take less time than two with two threads, one after the other.

The number of threads changes the order of sums, so each training has one thread, however many run: their number changes no result.
"""

import multiprocessing
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path

import torch
from threadpoolctl import threadpool_limits

from aegan_monitor.errors import AeganError, DataError
from aegan_train.bench.keys import digest_own_code
from aegan_train.bench.measure import Measured, measure
from aegan_train.bench.units import Bench, Unit
from aegan_train.recordings.survey import begin_process

BYTES_PER_JOB = 2_000_000_000  # of memory
Result = tuple[Measured, str] | AeganError


@dataclass(frozen=True, slots=True)
class Task:
    """One training."""

    unit: Unit
    seed: int

    def __str__(self) -> str:
        """The name of the data set, and the seed."""
        return f"{self.unit.name}, seed {self.seed}"


def choose_jobs(device: torch.device) -> int:
    """One a core that this process may use, as far as memory goes; one on a GPU."""
    if device.type != "cpu":
        return 1
    n_bytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return max(1, min(len(os.sched_getaffinity(0)), n_bytes // BYTES_PER_JOB))


def measure_all(tasks: Sequence[Task], bench: Bench, n_jobs: int, scratch: Path) -> Iterator[tuple[Task, Result]]:
    """The result of each training, or its error, as they end. Ctrl-C ends all that run."""
    n_jobs = min(n_jobs, len(tasks))
    if n_jobs < 2:
        yield from measure_here(tasks, bench, scratch)
        return
    context = multiprocessing.get_context("spawn")  # fork is unsafe with PyTorch's threads
    with ProcessPoolExecutor(n_jobs, context, begin_training) as pool:
        futures: dict[Future[Result], Task] = {pool.submit(attempt, task, bench, scratch): task for task in tasks}
        try:
            for future in as_completed(futures):
                try:
                    result = future.result()
                except BrokenProcessPool:
                    result = DataError("its process was killed, perhaps for lack of memory; choose a smaller --jobs")
                yield futures[future], result
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            for process in multiprocessing.active_children():
                process.terminate()
            raise


def measure_here(tasks: Sequence[Task], bench: Bench, scratch: Path) -> Iterator[tuple[Task, Result]]:
    """As `measure_all`, one after the other in this process."""
    n_threads = torch.get_num_threads()
    try:
        for task in tasks:
            torch.set_num_threads(1)
            with threadpool_limits(1):
                result = attempt(task, bench, scratch)
            yield task, result
    finally:
        torch.set_num_threads(n_threads)


def attempt(task: Task, bench: Bench, scratch: Path) -> Result:
    """One training; an error of the data is its result."""
    try:
        return measure(task.unit, task.seed, bench, scratch)
    except AeganError as error:
        return error


def begin_training() -> None:
    """Set up a process: one thread; and the digest of the code that it imported, before the files change."""
    begin_process()
    torch.set_num_threads(1)
    digest_own_code()
