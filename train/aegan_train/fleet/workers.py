"""What does the tasks: processes of this computer, or of a cluster."""

from dataclasses import dataclass
from typing import Protocol

from aegan_train.fleet.step import Result
from aegan_train.fleet.tasks import Task


@dataclass(frozen=True, slots=True)
class Lost:
    """A task has no result: its process or its computer has ended."""

    reason: str


class Workers(Protocol):
    """Processes that do one task at a time each, used by one thread."""

    @property
    def n_idle(self) -> int:
        """Processes that wait for a task."""

    @property
    def n_all(self) -> int:
        """Processes that are there."""

    def submit(self, task: Task) -> None:
        """Hand a task to a process that waits for one."""

    def wait(self, timeout_s: float) -> list[tuple[Task, Result | Lost]]:
        """The tasks that have ended since the last call, after `timeout_s` at most.

        Raises:
            AeganError: No process can do any task.
        """

    def close(self) -> None:
        """End all processes, whatever they do."""
