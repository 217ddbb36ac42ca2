"""What is done with each machine, turn after turn, between its ring and the outbox; in the main thread."""

import logging
from collections.abc import Callable, Iterable

from aegan_monitor.alarm.last_event import LastEvent
from aegan_monitor.clock import now
from aegan_monitor.config.model import MonitorConfig
from aegan_monitor.messages.commands import make_result
from aegan_monitor.messages.payloads import Event, Payload, Score, Sensor
from aegan_monitor.messages.topics import Topics
from aegan_monitor.outbox.outbox import Outbox
from aegan_monitor.service.command_queue import Inbox
from aegan_monitor.service.retained_sync import end_departed
from aegan_monitor.service.runtime import Line
from aegan_monitor.service.watchdog import Watchdog

log = logging.getLogger(__name__)


class Worker:
    """It tells the machines the time and what has been heard, and passes on what they say."""

    def __init__(self, topics: Topics, outbox: Outbox, inbox: Inbox, clock: Callable[[], float], shelf_clock: Callable[[], float]) -> None:
        """Store; the watchdog goes by `clock`, a shelf by `shelf_clock`, both in seconds and set by nobody."""
        self._topics, self._outbox, self._inbox = topics, outbox, inbox
        self._clock, self._shelf_clock = clock, shelf_clock
        self._watchdog, self._late = Watchdog(), frozenset[str]()

    def begin(self, line: Line) -> None:
        """Tell how a machine stands before its first decision."""
        self._publish(line.machine.name, line.machine.begin(now(), self._take_last(line)))

    def listen(self, line: Line) -> None:
        """Start its listener, and expect signs of life."""
        self._watchdog.watch(line.machine.name, line.deadline_s, self._clock())
        line.listener.start()

    def end(self, line: Line) -> None:
        """Expect nothing more of a machine that a reload has taken out of service, and tell so."""
        self._watchdog.forget(line.machine.name)
        self._publish(line.machine.name, line.machine.end(now(), self._take_last(line)))

    def recall(self, config: MonitorConfig, lines: Iterable[Line]) -> None:
        """Tell what follows from the last events of an earlier run that have come to light: of machines that are gone, and of `lines`."""
        late = self._outbox.last_events.untaken
        if late:
            end_departed(config, self._topics, self._outbox, now())
        for line in lines:
            if self._event_topic(line) in late and (last := self._take_last(line)):
                self._publish(line.machine.name, line.machine.recall(last, now()))

    def obey(self, lines: Iterable[Line], otherwise: str) -> None:
        """Apply and answer the commands that have come; those for a machine that is not in `lines` are refused, because `otherwise`."""
        machines = {line.machine.name: line.machine for line in lines}
        for name, command in self._inbox.take():
            machine = machines.get(name)
            self._publish(name, machine.obey(command, now(), self._shelf_clock()) if machine else [make_result(command, otherwise, now())])

    def turn(self, line: Line, wait_s: float) -> None:
        """Take what has been heard of one machine, waiting for it a little, and look at its shelf."""
        machine, name = line.machine, line.machine.name
        run = line.ring.read(wait_s)
        payloads = [] if run is None else line.hear(run, now(), self._shelf_clock())
        self._publish(name, payloads)
        sensor = line.sensor()  # which may be that it has ended, behind its last decision
        self._publish(name, machine.sense(sensor, now()))
        self._publish(name, machine.look(now(), self._shelf_clock()))
        decided = any(isinstance(payload, Score) for payload in payloads)
        self._watchdog.see(name, self._clock(), decided=decided, sensor=sensor.state)

    def is_alive(self) -> bool:
        """Whether every machine is judged or its sensor's fault told in time; one that is not is logged once."""
        late = self._watchdog.find_late(self._clock())
        for name in late.keys() - self._late:
            log.error("%s: its sensor is well, but nothing was decided for %.0f s; systemd's watchdog is not fed", name, late[name])
        self._late = frozenset(late)
        return not late

    def _event_topic(self, line: Line) -> str:
        return self._topics.name("event", line.machine.name)

    def _take_last(self, line: Line) -> LastEvent | None:
        return self._outbox.last_events.take(self._event_topic(line))

    def _publish(self, name: str, payloads: list[Payload]) -> None:
        """What there is to tell of one machine, to the log and to the outbox."""
        for payload in payloads:
            if isinstance(payload, Event):
                log.warning("%s: alarm %s: %s", name, payload.kind, payload.cause)
            if isinstance(payload, Sensor):
                level = logging.INFO if payload.state == "ok" else logging.WARNING
                log.log(level, "%s: sensor %s%s", name, payload.state, f": {payload.detail}" if payload.detail else "")
            self._outbox.put(self._topics.message(payload, name))
