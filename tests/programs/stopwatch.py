"""A stopwatch for time limits on a busy machine: it stops while this process gets no processor time."""

import threading
import time
from collections.abc import Callable
from typing import Self

TURN_S, LONGEST_TURN_S = 0.01, 0.05


class Count:
    """Counted seconds: of a long time between two looks only a part counts."""

    def __init__(self, now_s: float) -> None:
        """It begins now."""
        self._looked_s, self._counted_s = now_s, 0.0

    def look(self, now_s: float) -> float:
        """The seconds counted up to now."""
        self._counted_s += min(now_s - self._looked_s, LONGEST_TURN_S)
        self._looked_s = now_s
        return self._counted_s


class Stopwatch:
    """Runs from `__enter__` on. A thread that does nothing else tells by its turns whether the process has any; a context manager."""

    def __enter__(self) -> Self:
        """Start."""
        self._looking, self._ending = threading.Lock(), threading.Event()
        self._count = Count(time.monotonic())
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """It can be read on."""
        self._ending.set()
        self._thread.join()

    def read_s(self) -> float:
        """Seconds since the start, without time in which this process had no processor."""
        with self._looking:
            return self._count.look(time.monotonic())

    def _watch(self) -> None:
        while not self._ending.wait(TURN_S):
            self.read_s()


def wait_within(within_s: float, holds: Callable[[], object], tell: Callable[[], object]) -> None:
    """Poll until it holds; fail with `tell` when the stopwatch exceeds the limit."""
    with Stopwatch() as watch:
        while not holds():
            assert watch.read_s() < within_s, f"not within {within_s:g} s: {tell()}"
            time.sleep(TURN_S)
