"""Commands from the broker to the worker: each is parsed and checked, and their rate is limited."""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable

from aegan_monitor.config.broker import CommandsConfig
from aegan_monitor.messages.command_payloads import Command
from aegan_monitor.messages.commands import Refusal, TokenBucket, parse
from aegan_monitor.mqtt.subscriptions import Received

log = logging.getLogger(__name__)

MAX_WAITING = 256  # the worker takes all of them ten times a second
RATE = "more than {:g} at once or {:g} a second"
TOO_MANY = "; this answer stands for all that were too many"
NO_MACHINE = "no such machine"
HANGS = "the monitor does not take commands; see its log"
BURST_S = 10.0  # of the commands for so long, all may come at once


class CommandQueue:
    """The MQTT thread puts (`hear`), and so do other sources in their threads (`submit`); the worker takes. Nothing here waits.

    Attributes:
        notify: Called by the thread that puts when a command waits.
        refused_total: Commands that were malformed, retained, too many or for no machine; not those that the worker refused.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """No command is accepted before `configure`."""
        self.refused_total = 0
        self.notify: Callable[[], object] = lambda: None
        self._clock = clock
        self._lock = threading.Lock()  # of the limits and the count, for threads that put
        self._settings, self._rate = CommandsConfig(), ""
        self._limits: dict[str, tuple[TokenBucket, TokenBucket]] = {}  # of commands, and of the answers that say "too many"
        self._waiting: deque[tuple[str, Command | Refusal]] = deque()

    def configure(self, settings: CommandsConfig, machines: Iterable[str]) -> None:
        """Accept commands for these machines from now on."""
        burst, clock = max(1.0, BURST_S * settings.max_per_s), self._clock
        self._settings, self._rate = settings, RATE.format(burst, settings.max_per_s)
        self._limits = {machine: (TokenBucket(burst, settings.max_per_s, clock), TokenBucket(1, 1, clock)) for machine in machines}

    def hear(self, received: Received) -> None:
        """A message on `<base>/<machine>/command`."""
        with self._lock:
            self._hear(received)

    def submit(self, machine: str, command: Command) -> str:
        """Queue a command of another source than MQTT, under the same limits; the result is published as any other.

        Returns:
            Why it is refused at once, without a result; empty if it waits for the worker.
        """
        with self._lock:
            limits = self._limits.get(machine)
            if limits is None:
                reason = NO_MACHINE
            elif not limits[0].take():
                reason = self._rate
            elif self._put(machine, command):
                return ""
            else:
                return HANGS  # counted already
            self.refused_total += 1
            return reason

    def _hear(self, received: Received) -> None:
        machine = received.topic.split("/")[-2]
        limits, max_bytes = self._limits.get(machine), self._settings.max_bytes
        if not received.payload:
            return  # it clears a retained message, or comes from `check`
        if limits is None or received.retained:
            self.refused_total += 1
            if limits is not None:
                log.warning("a retained command on %s is ignored; publish an empty retained message there to remove it", received.topic)
        elif limits[0].take():
            self._put(machine, parse(received.payload, max_bytes))
        elif limits[1].take():
            command = parse(received.payload, max_bytes)
            self._put(machine, Refusal(self._rate + TOO_MANY, command.command, command.id))
        else:
            self.refused_total += 1

    def take(self) -> list[tuple[str, Command | Refusal]]:
        """All that wait, each with its machine's name, in order."""
        return [self._waiting.popleft() for _ in range(len(self._waiting))]  # the worker alone takes

    def _put(self, machine: str, command: Command | Refusal) -> bool:
        """Queue a command for the worker. If the queue is full because the worker hangs, it is refused without an answer: False."""
        is_full = len(self._waiting) >= MAX_WAITING
        if not is_full:
            self._waiting.append((machine, command))
        self.refused_total += is_full or isinstance(command, Refusal)
        self.notify()
        return not is_full
