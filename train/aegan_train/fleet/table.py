"""What a person sees while a fleet is trained: a line for each task that ended, and on a terminal what is being done."""

import statistics
import sys
import time
from collections.abc import Callable

from aegan_monitor.decision.proof import show_hours, show_rate
from aegan_monitor.tools.terminal.screen import Screen
from aegan_train.fleet.schedule import Progress
from aegan_train.fleet.step import Result
from aegan_train.fleet.tasks import Task
from aegan_train.progress import format_duration

TAIL_BYTES = 400
HEADER = f"{'machine':<24}{'step':<10}{'time':>8}  progress"


class Table:
    """Prints; used by one thread."""

    def __init__(self, progress: Progress, clock: Callable[[], float] = time.monotonic) -> None:
        """Store; on a terminal the table is drawn again in place."""
        self._progress, self._clock = progress, clock
        self._screen = Screen(sys.stdout) if sys.stdout.isatty() else None
        self._began_s: dict[str, float] = {}
        self._took_s: dict[str, list[float]] = {}

    def begin(self, task: Task) -> None:
        """A task was begun."""
        self._began_s[task.name] = self._clock()

    def end(self, task: Task, result: Result, n_workers: int) -> None:
        """A task was done."""
        self._took_s.setdefault(task.step, []).append(result.seconds)
        left, took = self.find_left(n_workers), format_duration(result.seconds)
        self.say(f"{task.machine}: {task.step}, {took}{describe(result)}; {self.count()}{left and f', about {left} left'}")

    def say(self, text: str) -> None:
        """Print a line that stays."""
        if self._screen:
            self._screen.say(text)
        else:
            print(text, flush=True)

    def draw(self, n_workers: int) -> None:
        """Draw what is being done, on a terminal."""
        if not self._screen:
            return
        left = self.find_left(n_workers)
        lines = [HEADER, *map(self._describe_running, self._progress.running.values())]
        self._screen.draw([*lines, f"{self.count()}, {n_workers} workers{left and f', about {left} left'}"])

    def clear(self) -> None:
        """Draw nothing more."""
        if self._screen:
            self._screen.draw([])
            self._screen = None

    def count(self) -> str:
        """How many tasks are done."""
        progress = self._progress
        failed = f", {len(progress.failed)} failed" if progress.failed else ""
        return f"{len(progress.done)} of {len(progress.tasks)} tasks{failed}"

    def find_left(self, n_workers: int) -> str:
        """The time that is left by the median of each step so far; empty while a step has none."""
        progress, steps = self._progress, dict[str, int]()
        for name, task in progress.tasks.items():
            if name not in progress.done and name not in progress.failed:
                steps[task.step] = steps.get(task.step, 0) + 1
        if not steps or not n_workers or any(step not in self._took_s for step in steps):
            return ""
        return format_duration(sum(n * statistics.median(self._took_s[step]) for step, n in steps.items()) / n_workers)

    def _describe_running(self, task: Task) -> str:
        took = format_duration(self._clock() - self._began_s.get(task.name, self._clock()))
        return f"{task.machine:<24}{task.step:<10}{took:>8}  {read_last_line(task)}"


def describe(result: Result) -> str:
    """The figures of a step, after a comma each."""
    figures, words = result.figures, list[str]()
    if (auc := figures.get("auc")) is not None:
        words.append(f"{figures['score']} AUC {auc}")
    if (hours := figures.get("hours")) is not None:
        words.append(f"{show_hours(float(hours))} prove at most {show_rate(float(figures['proved_per_week']))} false alarms a week")
    if (alarms := figures.get("alarms")) is not None:
        words.append(f"{alarms} alarms in {figures['backtest_h']} h, {figures['false_alarms']} of them false")
    if digest := figures.get("bundle_digest"):
        words.append(f"bundle {str(digest)[:12]}, {figures['megabytes']} MB")
    return "".join(f", {word}" for word in words)


def read_last_line(task: Task) -> str:
    """The last line that a task has printed so far; empty where there is none yet."""
    try:
        with task.log.open("rb") as file:
            file.seek(max(0, file.seek(0, 2) - TAIL_BYTES))
            lines = file.read().decode("utf-8", "replace").splitlines()
    except OSError:
        return ""
    return next((line.strip() for line in reversed(lines) if line.strip()), "")
