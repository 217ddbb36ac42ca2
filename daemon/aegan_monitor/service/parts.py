"""Parts of the daemon that monitoring does not need: they take what is published and heard, in threads of their own."""

import contextlib
import logging
import threading
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Protocol

from aegan_monitor.messages.model import Payload
from aegan_monitor.types import Run

log = logging.getLogger(__name__)


class Part(Protocol):
    """One such part. The worker thread calls `take_message` and `take_sound`: they queue or drop at once, and never wait.

    Attributes:
        name: One word, for the health message.
        problem: What does not work now, in one line; empty if all works. Any thread may read it.
    """

    name: str
    problem: str

    def start(self) -> None:
        """Start its threads."""

    def stop(self) -> None:
        """Finish what waits, within a few seconds, and end its threads."""

    def take_message(self, machine: str | None, payload: Payload) -> None:
        """A message as it goes to the outbox; `machine` is None for one of the node."""

    def take_sound(self, machine: str, run: Run, time: datetime) -> None:
        """Samples before they are judged; `time` is the present wall time."""


class Parts:
    """All of them. A part that raises is stopped, with its traceback in the log: monitoring goes on."""

    def __init__(self, parts: Iterable[Part] = ()) -> None:
        self._parts = list(parts)
        self._failed: dict[str, str] = {}

    def add(self, parts: Iterable[Part]) -> None:
        """More of them, before `start`."""
        self._parts.extend(parts)

    def start(self) -> None:
        """Start each, in order."""
        self._each(lambda part: part.start())

    def stop(self) -> None:
        """Stop each, the last first."""
        self._parts.reverse()
        self._each(lambda part: part.stop())

    def take_message(self, machine: str | None, payload: Payload) -> None:
        """See `Part`."""
        self._each(lambda part: part.take_message(machine, payload))

    def take_sound(self, machine: str, run: Run, time: datetime) -> None:
        """See `Part`."""
        self._each(lambda part: part.take_sound(machine, run, time))

    def problems(self) -> dict[str, str]:
        """What does not work now, by the name of the part; any thread may call it."""
        found = {part.name: part.problem for part in list(self._parts)} | self._failed
        return {name: problem for name, problem in found.items() if problem}

    def _each(self, call: Callable[[Part], None]) -> None:
        for part in list(self._parts):
            try:
                call(part)
            except Exception:
                self._parts.remove(part)
                self._failed[part.name] = "has failed and is off until the next start; the log says why"
                log.exception("%s has failed and is off until the next start; monitoring goes on", type(part).__name__)
                threading.Thread(target=_end, args=(part,), name=f"end of {part.name}", daemon=True).start()  # which may take seconds


def _end(part: Part) -> None:
    """Stop a part that has failed: it hears of nothing more, and would go on to show what was."""
    with contextlib.suppress(Exception):  # the log has its first failure
        part.stop()
