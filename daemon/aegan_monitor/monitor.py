"""The composition root: builds the line from the configuration, starts its threads in order, and undoes it in reverse."""

import logging
import os
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime

from aegan_monitor import messages
from aegan_monitor.capture import Capture
from aegan_monitor.config import MachineConfig, MonitorConfig
from aegan_monitor.connection import make_connection
from aegan_monitor.health import HealthReport
from aegan_monitor.inbox import Inbox
from aegan_monitor.journal import Journal, find_path
from aegan_monitor.line import Line, Sessions, make_capture, make_line
from aegan_monitor.metrics import MetricsServer
from aegan_monitor.mqtt import FIRST_RETRY_S, MqttPublisher
from aegan_monitor.notify import Notifier
from aegan_monitor.outbox import KEEP_S, Outbox
from aegan_monitor.scribe import Scribe

log = logging.getLogger(__name__)

TURN_S = 0.1  # how long one turn of the worker waits for samples


class Monitor:
    """The running daemon."""

    def __init__(
        self,
        config: MonitorConfig,
        *,
        capture: Callable[[MachineConfig, int], Capture] = make_capture,
        notifier: Notifier | None = None,
    ) -> None:
        """Load and prove every bundle; nothing runs yet.

        Raises:
            ConfigError, BundleError, InferenceError: As the parts tell.
        """
        self._config = config
        self._stopping = threading.Event()
        self._notifier = notifier or Notifier(os.environ.get("NOTIFY_SOCKET"))
        self._topics = messages.Topics(config.mqtt.base_topic, config.node)
        connection = make_connection(config.mqtt, config.node)
        if connection.warning:
            log.warning(connection.warning)
        self._outbox = Outbox(
            durable=True,
            max_bytes=round(config.outbox.max_mb * 1e6),
            max_age_s=config.outbox.max_age_h * 3600,
            keep_s=KEEP_S + 1.5 * config.mqtt.keepalive_s,  # so late may the end of a connection be noticed
        )
        commands = config.mqtt.commands
        self._inbox = Inbox(commands.max_bytes, commands.max_per_s)
        heard = config.machines if commands.enabled else []
        self._publisher = MqttPublisher(
            connection=connection,
            protocol=config.mqtt.protocol,
            topics=self._topics,
            outbox=self._outbox,
            listeners={self._topics.name("command", machine.name): self._inbox.listener(machine.name) for machine in heard},
            keepalive_s=config.mqtt.keepalive_s,
            retry_s=(min(FIRST_RETRY_S, config.mqtt.retry_s), config.mqtt.retry_s),
        )
        path = find_path(config.outbox.path, config.node, os.environ)
        self._scribe = Scribe(self._outbox, Journal(path), self._publisher.flush)
        sessions = Sessions(config.inference)
        self._lines = [make_line(machine, sessions, capture) for machine in config.machines]
        self._health = HealthReport(self._lines, self._outbox, self._scribe, self._publisher, self._inbox, config.inference.providers)
        metrics = config.metrics
        self._metrics = None if metrics.port is None else MetricsServer(metrics.host, metrics.port, self._health)

    def stop(self) -> None:
        """Ask `run` to end; safe in a signal handler."""
        self._stopping.set()

    def run(self) -> None:
        """Monitor until `stop`, or until every finite capture has ended.

        Raises:
            CaptureError: A finite capture failed; everything else was shut down in order first.
        """
        self._scribe.start()
        for line in self._lines:
            last = messages.read_last_event(self._outbox.last_event(self._topics.name("event", line.machine.name)))
            self._publish(line, line.machine.begin(now(), last))
        self._publisher.start()
        for line in self._lines:
            line.listener.start()
        if self._metrics:
            self._metrics.start()
        self._notifier.ready()
        try:
            self._work()
        finally:
            self._notifier.stopping()
            if self._metrics:
                self._metrics.stop()
            for line in reversed(self._lines):
                line.listener.stop()
            self._publish_health()
            self._scribe.settle()
            self._publisher.stop()
            self._scribe.stop()
        failed = [line.listener.error for line in self._lines if line.listener.error]
        if failed:
            raise failed[0]

    def _work(self) -> None:
        next_health_s = time.monotonic()
        lines = {line.machine.name: line for line in self._lines}
        while not self._stopping.is_set():
            for name, command in self._inbox.take():
                self._publish(lines[name], lines[name].machine.obey(command, now()))
            for line in self._lines:
                run = line.ring.read(TURN_S / len(self._lines))
                self._publish(line, line.machine.sense(line.listener.sensor(), now()))
                if run is not None:
                    self._publish(line, line.machine.hear(run, now()))
            if time.monotonic() >= next_health_s:
                self._publish_health()
                next_health_s += self._config.health_interval_s
            self._scribe.notify()
            self._publisher.flush()
            if all(line.ring.ended for line in self._lines):
                return

    def _publish(self, line: Line, payloads: list[messages.Payload]) -> None:
        for payload in payloads:
            if isinstance(payload, messages.Event):
                log.warning("%s: alarm %s: %s", line.machine.name, payload.kind, payload.cause)
            if isinstance(payload, messages.Sensor):
                level = logging.INFO if payload.state == "ok" else logging.WARNING
                log.log(level, "%s: sensor %s%s", line.machine.name, payload.state, f": {payload.detail}" if payload.detail else "")
            self._outbox.put(self._topics.message(payload, line.machine.name))

    def _publish_health(self) -> None:
        self._outbox.put(self._topics.message(self._health.make(now())))
        self._notifier.status(self._health.tell())


def now() -> datetime:
    """Wall time."""
    return datetime.now(UTC)
