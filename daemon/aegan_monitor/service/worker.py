"""Moves the sound of each machine from its ring through its pipeline to the outbox; in the main thread."""

import logging
import math
import threading
from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import datetime

from aegan_monitor.alarm.common_cause import CommonCause
from aegan_monitor.alarm.events import remove
from aegan_monitor.alarm.lifecycle import AlarmRecord
from aegan_monitor.alarm.stored import dump_record, read_record
from aegan_monitor.clock import now
from aegan_monitor.messages.command_payloads import Command
from aegan_monitor.messages.commands import make_result
from aegan_monitor.messages.links import add_link
from aegan_monitor.messages.model import Payload
from aegan_monitor.messages.payloads import Event, Score, Sensor
from aegan_monitor.messages.topics import Topics
from aegan_monitor.outbox.outbox import Outbox
from aegan_monitor.service.command_queue import CommandQueue
from aegan_monitor.service.parts import Parts
from aegan_monitor.service.runtime import Line
from aegan_monitor.service.shedding import Shedding

log = logging.getLogger(__name__)

LOOK_S = 0.25  # at most between two looks at a machine's sensor and shelf
HELD_UP_S = 5.0  # between two calls of `is_alive`; a longer time means that the thread was held up
LISTENS = frozenset({"ok", "starting"})  # any other state is a reported fault, which a restart would not mend


class Worker:
    """Drives the machines, and publishes what they return.

    Attributes:
        woken: Set when a ring or the command queue has something.
        common: Finds the common cause of several machines' alarms.
        shedding: Which segments are left out while the daemon is late.
    """

    def __init__(
        self,
        topics: Topics,
        outbox: Outbox,
        commands: CommandQueue,
        clock: Callable[[], float],
        shelf_clock: Callable[[], float],
        wall_clock: Callable[[], datetime] = now,
        parts: Parts | None = None,
        page: str | None = None,
    ) -> None:
        """Deadlines use `clock`, a shelf `shelf_clock`, both in seconds; `wall_clock` stamps messages; `page` is the page's address."""
        self._parts, self._page = parts or Parts(), page
        self.woken = threading.Event()
        self.common, self.shedding = CommonCause(), Shedding()
        self._topics, self._outbox, self._commands = topics, outbox, commands
        self._clock, self._shelf_clock, self._now = clock, shelf_clock, wall_clock
        commands.notify = self.woken.set
        self._due_s: dict[str, float] = {}  # by when each machine has to decide, or to report a sensor fault
        self._late: set[str] = set()
        self._checked_s = math.inf  # the last call of `is_alive`
        self._next_look_s = -math.inf

    def begin(self, line: Line) -> None:
        """Give a machine the record of its alarm, and publish its state before the first decision."""
        name = line.machine.name
        stored = self._outbox.alarms.get(name)
        record = read_record(stored)
        if stored is not None and record == AlarmRecord():
            log.error("%s: the stored state of its alarm cannot be read; an alarm that was active is lost, and events count from 1", name)
        self._publish(line, line.machine.begin(self._now(), self._shelf_clock(), record, self.common))
        if record.basis not in ("", line.machine.record.basis):
            log.warning("%s: the bundle, the score or the alarm settings have changed since the last run", name)

    def listen(self, line: Line) -> None:
        """Start its supervisor, and expect a decision or a sensor fault within its deadline."""
        self._due_s[line.machine.name] = self._clock() + line.deadline_s
        line.ring.notify = self.woken.set
        line.supervisor.start()

    def end(self, line: Line) -> None:
        """Drop the deadline of a machine that a reload has removed; its record stays."""
        del self._due_s[line.machine.name]
        self.store(line)

    def store(self, line: Line) -> None:
        """Put a machine's record as it is now, for the next start."""
        self._publish(line, [], is_last=True)

    def remove_departed(self, names: Collection[str]) -> None:
        """End the alarms and shelves of machines that are not among `names`, the configured ones."""
        for name, stored in self._outbox.alarms.items():
            if name not in names:
                record, events = remove(read_record(stored), self._now())
                if events:
                    self._put(name, events, dump_record(record))

    def obey(self, lines: Iterable[Line], otherwise: str) -> None:
        """Apply and answer the commands that wait; those for a machine that is not in `lines` are refused, because `otherwise`."""
        waiting = self._commands.take()
        present = {line.machine.name: line for line in lines} if waiting else {}
        for name, command in waiting:
            if isinstance(command, Command):
                self._parts.take_message(name, command)  # before its result
            if line := present.get(name):
                self._publish(line, line.machine.obey(command, self._now(), self._shelf_clock()))
            else:
                self._put(name, [make_result(command, otherwise, self._now())])

    def turn_all(self, lines: Sequence[Line], *, looks: bool = False) -> None:
        """Turn the machines whose sound is ready; every LOOK_S, or if it `looks`, all of them: a sensor or a shelf may have changed."""
        now_s = self._clock()
        if looks := looks or now_s >= self._next_look_s:
            self._next_look_s = now_s + LOOK_S
            self._keep_up(lines, now_s)
        for line in lines:
            if looks or line.ring.is_ready:
                self.turn(line)

    def _keep_up(self, lines: Sequence[Line], now_s: float) -> None:
        """Leave out segments of all machines alike while the daemon is late."""
        was_late = self.shedding.stride > 1
        if self.shedding.look(max((line.behind_s for line in lines), default=0.0), now_s) and was_late != (self.shedding.stride > 1):
            log.warning("%s", self.shedding.problem or "the daemon keeps up again: the network evaluates every segment")
        for line in lines:
            line.machine.pipeline.stride = self.shedding.stride if line.supervisor.is_paced else 1

    def turn(self, line: Line, wait_s: float = 0.0) -> None:
        """Take one run of a machine's samples, waiting for it at most `wait_s`, and look at its sensor and shelf."""
        machine, run = line.machine, line.ring.read(wait_s)
        if run is not None:
            if line.ring.is_ready:
                self.woken.set()
            self._parts.take_sound(machine.name, run, self._now())
        payloads = [] if run is None else line.hear(run, self._now(), self._shelf_clock())
        sensor = line.sensor()  # which may be that it has ended, after its last decision
        self._publish(line, [*payloads, *machine.sense(sensor, self._now()), *machine.look(self._now(), self._shelf_clock())])
        if sensor.state not in LISTENS or any(isinstance(payload, Score) for payload in payloads):
            self._due_s[machine.name] = self._clock() + line.deadline_s

    def is_alive(self) -> bool:
        """Whether every machine has decided, or reported a sensor fault, within its deadline; one that has not is logged once.

        While this thread is held up it sees no sensor fault, so that this time does not count.
        """
        held_up_s, self._checked_s = max(0.0, self._clock() - self._checked_s - HELD_UP_S), self._clock()
        self._due_s = {name: due_s + held_up_s for name, due_s in self._due_s.items()}
        late = {name for name, due_s in self._due_s.items() if self._clock() > due_s}
        for name in late - self._late:
            log.error("%s: its sensor works, but no decision came within its deadline; systemd's watchdog is not fed", name)
        self._late = late
        return not late

    def _publish(self, line: Line, payloads: list[Payload], *, is_last: bool = False) -> None:
        """Log and put a machine's payloads, with its record where that has changed, or if it `is_last`."""
        record = line.machine.take_record(self._shelf_clock(), is_last=is_last)
        if payloads or record is not None:
            self._put(line.machine.name, payloads, None if record is None else dump_record(record))

    def _put(self, name: str, payloads: Iterable[Payload], record: bytes | None = None) -> None:
        payloads = [add_link(payload, name, self._page) for payload in payloads]
        for payload in payloads:
            self._parts.take_message(name, payload)
            if isinstance(payload, Event):
                log.warning("%s: alarm %s: %s", name, payload.kind, payload.cause)
            if isinstance(payload, Sensor):
                level = logging.INFO if payload.state == "ok" else logging.WARNING
                log.log(level, "%s: sensor %s%s", name, payload.state, f": {payload.detail}" if payload.detail else "")
        messages = [self._topics.message(payload, name) for payload in payloads]
        self._outbox.put(*messages, alarms={} if record is None else {name: record})
