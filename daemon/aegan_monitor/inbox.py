"""Commands on their way from the broker to the worker: each is read and judged by its form, and none can make a flood."""

import logging
import queue
import time
from collections.abc import Callable

from aegan_monitor.commands import Refusal, TokenBucket, parse, refuse
from aegan_monitor.messages import Command
from aegan_monitor.received import Hear, Received

log = logging.getLogger(__name__)

MAX_WAITING = 256  # the worker takes all of them ten times a second
BURST_S = 10.0  # of the commands for so long, all may come at once
LATE = "late: it was sent before the daemon was connected; send it again"


class Inbox:
    """One thread puts (the listeners run in the MQTT thread), another takes; nothing here blocks.

    Attributes:
        refused_total: Commands that were malformed, late, retained or too many; not those that the alarm refused.
    """

    def __init__(self, max_bytes: int, max_per_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        """Store; `max_per_s` is for each machine."""
        self.refused_total = 0
        self._max_bytes, self._max_per_s, self._clock = max_bytes, max_per_s, clock
        self._waiting: queue.Queue[tuple[str, Command | Refusal]] = queue.Queue(MAX_WAITING)

    def listener(self, machine: str) -> Hear:
        """What hears the commands for one machine."""
        n_burst = max(1.0, BURST_S * self._max_per_s)
        commands = TokenBucket(n_burst, self._max_per_s, self._clock)
        complaints = TokenBucket(1, 1, self._clock)
        too_many = f"more than {n_burst:g} at once or {self._max_per_s:g} a second; this answer stands for all that were too many"

        def hear(received: Received) -> None:
            if not received.payload:
                return  # what clears a retained message, and what `check` says
            if received.retained:
                self.refused_total += 1
                log.warning("a retained command on %s is ignored; publish an empty retained message there to remove it", received.topic)
            elif commands.take():
                command = parse(received.payload, self._max_bytes)
                self._put(machine, refuse(command, LATE) if received.late else command)
            else:
                refusal = refuse(parse(received.payload, self._max_bytes), too_many) if complaints.take() else None
                self._put(machine, refusal)

        return hear

    def take(self) -> list[tuple[str, Command | Refusal]]:
        """All that wait, each with its machine's name, in order."""
        return [self._waiting.get_nowait() for _ in range(self._waiting.qsize())]  # nobody else takes

    def _put(self, machine: str, command: Command | Refusal | None) -> None:
        """To the worker, where there is something to obey or to answer."""
        self.refused_total += not isinstance(command, Command)
        if command is not None:
            try:
                self._waiting.put_nowait((machine, command))
            except queue.Full:  # a worker that takes nothing
                self.refused_total += isinstance(command, Command)
