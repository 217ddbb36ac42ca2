"""`aegan-train fleet`: trains, evaluates, exports and backtests the machines of a plant."""

import os
import time
from argparse import Namespace
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from aegan_monitor.clock import now
from aegan_monitor.errors import EXIT_FAILED, AeganError
from aegan_monitor.program import EXIT_INTERRUPTED
from aegan_train.fleet.arguments import LOCAL
from aegan_train.fleet.boxes import find_boxes
from aegan_train.fleet.local import LocalWorkers
from aegan_train.fleet.plant import Plant, load_plant
from aegan_train.fleet.report import JSON, PAGE, make_report, write_report
from aegan_train.fleet.schedule import WAIT_S, Progress, Schedule
from aegan_train.fleet.table import Table
from aegan_train.fleet.tasks import make_tasks
from aegan_train.fleet.workers import Lost, Workers
from aegan_train.run_folder import lock_run


@dataclass(frozen=True, slots=True)
class FleetRequest:
    """The options of `aegan-train fleet`; `broker` has those that name a broker."""

    plant: Path
    where: str
    jobs: int | None = None
    gpus: float = 0.0
    is_open: bool = False
    broker: Namespace | None = None


def run_fleet(request: FleetRequest) -> int:
    """Do what is not done yet, and report; returns the exit code: 0 where every machine is complete.

    Raises:
        AeganError: The plant or the settings are wrong, no worker can be had, or the report cannot be written.
    """
    plant, began_s = load_plant(request.plant), time.monotonic()
    out = plant.file.out
    with lock_run(out):
        for problem in plant.problems.values():
            print(problem, flush=True)
        schedule = Schedule(make_tasks(plant))
        progress, code = schedule.progress, 0
        print(f"{len(progress.tasks)} tasks, of which {len(progress.done)} were done before", flush=True)
        try:
            if progress.n_left:
                do_tasks(schedule, lambda: make_workers(request, plant))
        except KeyboardInterrupt:
            print("stopped; what was done is kept, and the same command goes on", flush=True)
            code = EXIT_INTERRUPTED
        finally:
            try:
                boxes = find_boxes(request.broker) if request.broker else {}
            except AeganError as error:  # no reason to lose the report of a long training
                boxes, code = {}, code or EXIT_FAILED
                print(f"the report does not say which box runs which bundle: {error}", flush=True)
            report = write_fleet_report(plant, progress, time.monotonic() - began_s, boxes)
    print(report)
    return code or (EXIT_FAILED if plant.problems or progress.failed else 0)


def make_workers(request: FleetRequest, plant: Plant) -> Workers:
    """The workers of `--on`.

    Raises:
        AeganError: The cluster cannot be used.
    """
    if request.where == LOCAL:
        from aegan_train.bench.processes import choose_jobs  # noqa: PLC0415 - torch is loaded where it is needed
        from aegan_train.fit import choose_device  # noqa: PLC0415 - as above

        return LocalWorkers(request.jobs or choose_jobs(choose_device("cpu")))
    os.environ.setdefault("RAY_AUTH_MODE", "disabled" if request.is_open else "token")  # Ray reads it when it is imported
    from aegan_train.fleet.ray_cluster import RayWorkers  # noqa: PLC0415 - an extra

    return RayWorkers(request.where, plant.file.out, request.jobs, request.gpus, is_open=request.is_open)


def do_tasks(schedule: Schedule, start: Callable[[], Workers]) -> None:
    """Give tasks to workers until none is left that could be done.

    Raises:
        AeganError: No worker can be had.
    """
    progress, table = schedule.progress, Table(schedule.progress)
    workers = start()
    try:
        while progress.n_left:
            while workers.n_idle and (task := schedule.next_task()):
                table.begin(task)
                workers.submit(task)
            table.draw(workers.n_all)
            for task, result in workers.wait(WAIT_S):
                failed = schedule.settle(task, result)
                if failed:
                    table.say(f"{task.machine}: {task.step}: failed: {failed}; its log: {task.log}")
                elif isinstance(result, Lost):
                    table.say(f"{task.machine}: {task.step}: begins again: {result.reason}")
                elif result.problem:
                    table.say(f"{task.machine}: {task.step}: is tried again at the end: {result.problem}")
                else:
                    table.end(task, result, workers.n_all)
    finally:
        table.clear()
        workers.close()


def write_fleet_report(plant: Plant, progress: Progress, wall_s: float, boxes: Mapping[str, Sequence[str]]) -> str:
    """Write the report; the line that says so.

    Raises:
        AeganError: It cannot be written.
    """
    report = make_report(plant, progress, wall_s, now(), boxes)
    counts = ", ".join(f"{n} {state}" for state, n in report["counts"].items() if n)
    try:
        write_report(plant.file.out, report)
    except AeganError as error:
        raise AeganError(f"{counts}; the report could not be written: {error}") from error
    return f"{counts}; {plant.file.out}: {PAGE}, {JSON}, and bundles/"
