"""Which task is next, whatever becomes of each."""

import random
from collections import Counter
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from aegan_train.fleet.schedule import MOST_FAILED, MOST_LOST, Schedule
from aegan_train.fleet.step import Result
from aegan_train.fleet.tasks import Task
from aegan_train.fleet.workers import Lost

GONE = Path("/nowhere")
DONE = Result("", 1.0, 1.0, "box", {})
OUTCOMES: list[Result | Lost] = [DONE, DONE, Lost("gone"), Result("broken", 1.0, 1.0, "box", {})]


def make_task(number: int, needs: list[int]) -> Task:
    """A task of a graph."""
    return Task("train", str(number), "0", "aegan-train", (), tuple(f"train-{need}-0" for need in needs), GONE, GONE, GONE, GONE)


@given(st.integers(0, 10_000), st.integers(1, 12), st.integers(1, 4))
def test_every_task_is_done_once_or_fails_with_a_reason(seed: int, n_tasks: int, n_workers: int) -> None:
    """In any graph, with tasks that fail, lose their worker or succeed in any order: none begins before its needs, none is done twice."""
    random_of = random.Random(seed)
    tasks = [make_task(number, random_of.sample(range(number), random_of.randint(0, min(2, number)))) for number in range(n_tasks)]
    schedule, n_begun, n_done = Schedule(tasks), Counter[str](), Counter[str]()
    progress, running = schedule.progress, list[Task]()
    while progress.n_left:
        while len(running) < n_workers and (task := schedule.next_task()):
            assert set(task.needs) <= set(progress.done)
            n_begun[task.name] += 1
            running.append(task)
        assert running, "nothing runs, and something is left"
        task = running.pop(random_of.randrange(len(running)))
        result = random_of.choice(OUTCOMES)
        n_done[task.name] += result is DONE
        schedule.settle(task, result)
        assert sorted(progress.running) == sorted(task.name for task in running)
    assert set(progress.done) | set(progress.failed) == set(progress.tasks)
    assert not set(progress.done) & set(progress.failed)
    assert all(n == 1 for name, n in n_done.items() if name in progress.done)
    assert max(n_begun.values()) <= MOST_LOST + MOST_FAILED - 1
    assert all(progress.failed.values())
    for name, task in progress.tasks.items():
        if any(need in progress.failed for need in task.needs):
            assert (name in progress.failed, n_begun[name]) == (True, 0)


def test_what_failed_waits_for_all_others() -> None:
    """A store may come back: a failed task is tried again when nothing else is left."""
    schedule = Schedule([make_task(0, []), make_task(1, []), make_task(2, [])])
    first, second = schedule.next_task(), schedule.next_task()
    assert first
    assert second
    schedule.settle(first, Result("broken", 1.0, 1.0, "box", {}))
    third = schedule.next_task()
    assert third
    assert third.machine == "2"
    assert schedule.next_task() is None
    schedule.settle(second, DONE)
    schedule.settle(third, DONE)
    assert schedule.next_task() is first
