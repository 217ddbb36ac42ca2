"""The lines that `run` shows on a terminal: one for each machine, rewritten in place below the log."""

import logging
import shutil
import threading
import time
from collections.abc import Callable, Iterable
from typing import TextIO

from aegan_monitor.audio.level import draw_bar
from aegan_monitor.audio.supervisor import SensorState
from aegan_monitor.messages.payloads import Score

REDRAW_S = 0.5
_UP_AND_CLEAR_BELOW = "\x1b[{}F\x1b[J"  # to the first column so many lines up


class Console:
    """Writes to a terminal. The log goes to the same terminal through handlers of `guard`, so that neither cuts the other.

    `show` belongs to the main thread; log lines come from any.
    """

    def __init__(self, stream: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        self._stream, self._clock = stream, clock
        self._n_lines = 0
        self._next_s = 0.0
        self._lock = threading.Lock()

    def guard(self, handler: logging.Handler) -> None:
        """Clear the lines before each record that `handler` writes; the next `show` draws them again below it."""
        handler.addFilter(self._make_room)

    def show(self, machines: Iterable[tuple[str, SensorState, Score | None]]) -> None:
        """Draw name, sensor and last decision of each machine, every REDRAW_S at most."""
        if self._clock() < self._next_s:
            return
        self._next_s = self._clock() + REDRAW_S
        width = shutil.get_terminal_size().columns - 1  # a line that wraps could not be cleared
        lines = [describe(*machine)[:width] for machine in machines]
        with self._lock:
            self._clear()
            self._stream.write("".join(f"{line}\n" for line in lines))
            self._stream.flush()
            self._n_lines = len(lines)

    def _make_room(self, _: logging.LogRecord) -> bool:
        with self._lock:
            self._clear()
            self._stream.flush()
        return True

    def _clear(self) -> None:
        if self._n_lines:
            self._stream.write(_UP_AND_CLEAR_BELOW.format(self._n_lines))
        self._n_lines = 0


def describe(name: str, sensor: SensorState, score: Score | None) -> str:
    """One line for people: what is heard of a machine now."""
    if sensor.state == "starting":
        return f"{name}: opening its capture"
    if sensor.state not in ("ok", "overrun"):
        return f"{name}: sensor {sensor.state}: {sensor.detail}"
    if score is None:
        return f"{name}: listening; no decision yet"
    return (
        f"{name}  {draw_bar(score.level_dbfs)} {score.level_dbfs:6.1f} dBFS  "
        f"{score.score_id} {score.score:.3g} of {score.threshold:.3g}  {score.state}"
    )
