"""Tasks in processes of this computer, one thread each."""

import contextlib
import json
import os
import selectors
import subprocess
import sys
from dataclasses import asdict, dataclass
from typing import IO, cast

from aegan_train.fleet.step import Order, Result
from aegan_train.fleet.tasks import Task
from aegan_train.fleet.workers import Lost

COMMAND = (sys.executable, "-m", "aegan_train.fleet.worker")
THREADS = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
END_S = 5.0


@dataclass(slots=True)
class Worker:
    """A process, and the task that it does; None while it waits."""

    process: "subprocess.Popen[str]"
    orders: IO[str]
    answers: IO[str]
    task: Task | None = None


class LocalWorkers:
    """`Workers` of this computer. Their processes end with this one."""

    def __init__(self, n_processes: int) -> None:
        """Start them: each needs some seconds until its first task begins."""
        self._workers: list[Worker] = []
        self._selector = selectors.DefaultSelector()
        for _ in range(n_processes):
            self._start()

    @property
    def n_idle(self) -> int:
        """See `Workers`."""
        return sum(worker.task is None for worker in self._workers)

    @property
    def n_all(self) -> int:
        """See `Workers`."""
        return len(self._workers)

    def submit(self, task: Task) -> None:
        """See `Workers`."""
        worker = next(worker for worker in self._workers if worker.task is None)
        worker.task = task
        with contextlib.suppress(BrokenPipeError):  # it has ended: `wait` sees that
            worker.orders.write(json.dumps(asdict(Order.of(task))) + "\n")
            worker.orders.flush()

    def wait(self, timeout_s: float) -> list[tuple[Task, Result | Lost]]:
        """See `Workers`; raises nothing."""
        found: list[tuple[Task, Result | Lost]] = []
        for key, _ in self._selector.select(timeout_s):
            worker: Worker = key.data
            line, task = worker.answers.readline(), worker.task
            if line.endswith("\n") and task is not None:
                found.append((task, Result(**json.loads(line))))
                worker.task = None
                continue
            self._end(worker)
            self._start()
            if task is not None:
                found.append((task, Lost(describe_end(worker.process.returncode))))
        return found

    def close(self) -> None:
        """See `Workers`."""
        for worker in list(self._workers):
            worker.process.kill()
            self._end(worker)

    def _start(self) -> None:
        """Start one process, away from Ctrl-C: the end of its stdin ends it."""
        environment = {**os.environ, **THREADS}
        process = subprocess.Popen(
            COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment, start_new_session=True
        )
        worker = Worker(process, cast("IO[str]", process.stdin), cast("IO[str]", process.stdout))
        self._workers.append(worker)
        self._selector.register(worker.answers, selectors.EVENT_READ, worker)

    def _end(self, worker: Worker) -> None:
        """Forget a process that has ended, or is about to."""
        self._workers.remove(worker)
        self._selector.unregister(worker.answers)
        worker.answers.close()
        with contextlib.suppress(BrokenPipeError):  # an order that was not read
            worker.orders.close()
        try:
            worker.process.wait(END_S)
        except subprocess.TimeoutExpired:
            worker.process.kill()
            worker.process.wait()


def describe_end(code: int) -> str:
    """Why a process has ended."""
    if code < 0:
        return f"its process was ended by signal {-code}, perhaps for lack of memory: a smaller --jobs needs less"
    return f"its process ended with {code}"
