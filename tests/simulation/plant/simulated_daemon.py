"""Runs of the daemon on one disk, by its real parts, without threads and sockets. A run may be killed between any two steps."""

import logging
from collections.abc import Callable, Collection, Mapping
from datetime import datetime
from pathlib import Path
from types import MappingProxyType

from aegan_monitor.config.broker import CommandsConfig
from aegan_monitor.messages.topics import Message, Topics
from aegan_monitor.mqtt.connection import Connection, Stop
from aegan_monitor.mqtt.connection_settings import ConnectionSettings
from aegan_monitor.mqtt.endpoint import Endpoint
from aegan_monitor.mqtt.log_once import BrokerLog
from aegan_monitor.outbox.event_queue import Changes
from aegan_monitor.outbox.outbox import KEEP_S, Outbox
from aegan_monitor.outbox.retained_topics import find_states
from aegan_monitor.outbox.store import Store, StoreError
from aegan_monitor.outbox.writer import Writer
from aegan_monitor.service.command_queue import CommandQueue
from aegan_monitor.service.monitor import NO_MACHINE, STOPPING
from aegan_monitor.service.runtime import Line
from aegan_monitor.service.worker import Worker
from simulated_broker import MemoryBroker, MemoryClient

TOPICS = Topics("aegan", "hall")
KEEPALIVE_S = 30
log = logging.getLogger("simulation")


class Killed(BaseException):
    """The daemon is killed here. No code of the daemon catches it."""


class Fate:
    """Kills the daemon at one of the places that it passes: before and after each record, each write, and before each message of QoS 1.

    Attributes:
        n_left: Places that it still passes; None: it is not killed.
    """

    n_left: int | None = None

    def doom(self, n_left: int) -> None:
        """Kill the daemon, after so many places."""
        self.n_left = n_left

    def __call__(self) -> None:
        """Pass a place."""
        if self.n_left is None:
            return
        self.n_left -= 1
        if self.n_left < 0:
            self.n_left = None
            raise Killed


class FatalOutbox(Outbox):
    """An outbox in which the daemon may be killed; `made` is called with each message."""

    def __init__(self, fate: Fate, made: Callable[[Message], None], clock: Callable[[], float]) -> None:
        super().__init__(clock=clock, keep_s=KEEP_S + 2 * KEEPALIVE_S)
        self._fate, self._made = fate, made

    def put(self, *messages: Message, alarms: Mapping[str, bytes] = MappingProxyType({})) -> None:
        """Add messages, as an Outbox does."""
        if alarms:
            self._fate()
        super().put(*messages, alarms=alarms)
        for message in messages:
            self._made(message)
        if alarms:
            self._fate()


class FatalStore(Store):
    """A store in which the daemon may be killed; `is_full` says that its disk is."""

    is_full = False

    def __init__(self, path: Path, fate: Fate) -> None:
        super().__init__(path)
        self._fate = fate

    def write(self, changes: Changes, *, replaces: bool = False) -> None:
        """Write, as a Store does."""
        self._fate()
        if self.is_full:
            raise StoreError(f"{self.path}: database or disk is full")
        super().write(changes, replaces=replaces)
        self._fate()


class Daemon:
    """One run of the daemon.

    Attributes:
        lines: Its machines, by name.
        writer: Writes the store.
    """

    def __init__(
        self,
        path: Path,
        broker: MemoryBroker,
        fate: Fate,
        make_line: Callable[[str], Line],
        made: Callable[[Message], None],
        clock: Callable[[], float],
        wall_clock: Callable[[], datetime],
    ) -> None:
        self._fate, self.lines = fate, dict[str, Line]()
        self.store = FatalStore(path, self._fate)
        self.outbox = FatalOutbox(self._fate, made, clock)
        self.writer = Writer(self.outbox, self.store, clock=clock, wall_clock=lambda: wall_clock().timestamp())
        self._commands = CommandQueue(clock)
        self._worker = Worker(TOPICS, self.outbox, self._commands, clock, clock, wall_clock)
        self._broker, self._make_line, self._clock = broker, make_line, clock
        self._connection: Connection | None = None
        self._stop = Stop()

    @property
    def is_alive(self) -> bool:
        """Whether the watchdog is fed."""
        return self._worker.is_alive()

    @property
    def has_delivered(self) -> bool:
        """The broker has acknowledged all that there is."""
        is_connected = self._broker.is_connected and self._connection is not None and self._connection.connected
        return is_connected and self.outbox.measure().total == 0

    @property
    def forgets(self) -> bool:
        """A kill now loses what was sent already: the disk cannot be written."""
        return bool(self.writer.problem) or self.store.is_full

    def load(self) -> None:
        """Read the store, as at a start."""
        try:
            self.writer._open()
        except StoreError as error:
            self.writer._fail(error)

    def reload(self, wanted: Collection[str], replaced: Collection[str] = ()) -> None:
        """Replace the machines, as `Monitor._adopt`."""
        gone = [name for name in self.lines if name not in wanted or name in replaced]
        new = [name for name in wanted if name not in self.lines or name in replaced]
        for name in gone:
            self._worker.end(self.lines.pop(name))
        self._worker.remove_departed(wanted)
        self._commands.configure(CommandsConfig(), wanted)
        self.outbox.belong(find_states(TOPICS, wanted))
        for name in new:
            self.lines[name] = self._make_line(name)
            self._worker.begin(self.lines[name])
            self._worker.listen(self.lines[name])

    def work(self, *, writes_first: bool) -> None:
        """A turn of each thread."""
        self._worker.obey(self.lines.values(), NO_MACHINE)
        for line in self.lines.values():
            self._worker.woken.set()
            while self._worker.woken.is_set():
                self._worker.woken.clear()
                self._worker.turn(line)
        for turn in (self.write, self.exchange) if writes_first else (self.exchange, self.write):
            turn()

    def write(self) -> None:
        """A turn of the outbox's thread."""
        self.writer._write()

    def exchange(self) -> None:
        """A turn of the MQTT thread: all that the broker takes and answers now."""
        if self._broker.is_down:
            self._broker.cut(0)
        if not self._broker.is_connected:
            self.lose_connection()
        if self._connection is None and not self._broker.is_down:
            self._connect()
        while self._connection is not None:
            if not self._connection.turn():
                self._broker.cut(0)
            if not self._broker.answer():
                break
        if not self._broker.is_connected:
            self.lose_connection()

    def lose_connection(self) -> None:
        """The connection has ended."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def end(self) -> None:
        """Stop in order, as `Monitor.run`."""
        for line in self.lines.values():
            self._worker.store(line)
        self._worker.obey([], STOPPING)
        self.write()
        self.store.close()
        self._stop.by_s = self._clock() + 2.0
        self._stop.set()
        self.exchange()
        self._broker.cut(0)

    def die(self, n_read: int) -> None:
        """What is left of a killed process: SQLite's file, and `n_read` of the messages on their way."""
        self.store.close()
        self._broker.cut(n_read)

    def _connect(self) -> None:
        listeners = {TOPICS.name("command", "+"): self._commands.hear}
        endpoint = Endpoint("simulated", 1883, "aegan-hall")
        settings = ConnectionSettings(
            endpoint=endpoint, protocol="5", topics=TOPICS, listeners=listeners, keepalive_s=KEEPALIVE_S, clock=self._clock
        )
        self._connection = Connection(settings, self.outbox, BrokerLog("simulated broker", log, ""), self._stop, clock=self._clock)
        client = MemoryClient(self._fate)
        self._connection.open(client)
        self._broker.accept(client)
