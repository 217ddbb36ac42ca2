"""Gives tasks to workers: what is done is left out, a lost task is done again, a failed one is tried once more at the end."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from aegan_train.fleet.step import Result
from aegan_train.fleet.tasks import Task
from aegan_train.fleet.workers import Lost

MOST_LOST, MOST_FAILED = 3, 2  # times that a task is begun
WAIT_S = 1.0


@dataclass(slots=True)
class Progress:
    """Where the tasks stand.

    Attributes:
        tasks: All tasks by name, in their order.
        done: Those that were done, with the figures of this call; None for those of an earlier one.
        failed: Those that cannot be done, with the reason; a task that needs one of them is among them.
        running: Those that are being done.
    """

    tasks: dict[str, Task]
    done: dict[str, Result | None] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    running: dict[str, Task] = field(default_factory=dict)

    @property
    def n_left(self) -> int:
        """Tasks that are neither done nor failed."""
        return len(self.tasks) - len(self.done) - len(self.failed)


class Schedule:
    """Decides which task is next. Pure: it starts nothing."""

    def __init__(self, tasks: Iterable[Task]) -> None:
        """Store; looks which tasks were done before."""
        self.progress = Progress({task.name: task for task in tasks})
        self.progress.done.update({name: None for name, task in self.progress.tasks.items() if task.is_done})
        self._n_lost: Counter[str] = Counter()
        self._n_failed: Counter[str] = Counter()
        self._again: dict[str, str] = {}

    def next_task(self) -> Task | None:
        """A task whose needs are done, first those that come first; None where none can be begun now. It counts as running."""
        progress = self.progress
        for again in (False, True):
            for name, task in progress.tasks.items():
                if name in progress.done or name in progress.failed or name in progress.running or (name in self._again) is not again:
                    continue
                if all(need in progress.done for need in task.needs):
                    progress.running[name] = task
                    return task
            if any(name not in self._again for name in progress.running):
                return None  # what failed waits for the end of all others
        return None

    def settle(self, task: Task, result: Result | Lost) -> str:
        """Take what came of a task; returns why it failed, empty where it did not or is tried again."""
        progress, name = self.progress, task.name
        progress.running.pop(name)
        if isinstance(result, Lost):
            self._n_lost[name] += 1
            return self._fail(name, result.reason) if self._n_lost[name] >= MOST_LOST else ""
        if not result.problem:
            progress.done[name] = result
            self._again.pop(name, None)
            return ""
        self._n_failed[name] += 1
        if self._n_failed[name] >= MOST_FAILED:
            return self._fail(name, result.problem)
        self._again[name] = result.problem
        return ""

    def _fail(self, name: str, reason: str) -> str:
        """The task failed, and so do those that need it."""
        failed = self.progress.failed
        failed[name] = reason
        for other in self.progress.tasks.values():  # each comes after those that it needs
            if other.name not in failed and (lacking := [need for need in other.needs if need in failed]):
                its = self.progress.tasks[lacking[0]]
                failed[other.name] = reason if its.machine == other.machine else f"{its.step} {its.machine}: {failed[its.name]}"
        return reason
