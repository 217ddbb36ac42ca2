"""The composition root: builds the line from the configuration, starts its threads in order, and undoes it in reverse."""

import logging
import os
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from aegan_monitor import __version__, messages
from aegan_monitor.capture import Capture
from aegan_monitor.config import MachineConfig, MonitorConfig
from aegan_monitor.line import Line, Sessions, make_capture, make_line, read_password
from aegan_monitor.mqtt import MqttPublisher
from aegan_monitor.notify import Notifier
from aegan_monitor.outbox import Outbox

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
        self._outbox = Outbox()
        sessions = Sessions(config.inference)
        self._lines = [make_line(machine, sessions, capture) for machine in config.machines]
        mqtt = config.mqtt
        self._publisher = MqttPublisher(
            host=mqtt.host,
            port=mqtt.port,
            protocol=mqtt.protocol,
            client_id=mqtt.client_id or f"aegan-{config.node}",
            topics=self._topics,
            outbox=self._outbox,
            username=mqtt.username,
            password=read_password(mqtt.password_file),
            keepalive_s=mqtt.keepalive_s,
        )

    def stop(self) -> None:
        """Ask `run` to end; safe in a signal handler."""
        self._stopping.set()

    def run(self) -> None:
        """Monitor until `stop`, or until every finite capture has ended.

        Raises:
            CaptureError: A finite capture failed; everything else was shut down in order first.
        """
        started_s = time.monotonic()
        self._publisher.start()
        for line in self._lines:
            self._publish(line, [line.machine.begin(now())])
            line.listener.start()
        self._notifier.ready()
        try:
            self._work(started_s)
        finally:
            self._notifier.stopping()
            for line in reversed(self._lines):
                line.listener.stop()
            self._publish_health(started_s)
            self._publisher.stop()
        failed = [line.listener.error for line in self._lines if line.listener.error]
        if failed:
            raise failed[0]

    def _work(self, started_s: float) -> None:
        next_health_s = started_s
        while not self._stopping.is_set():
            for line in self._lines:
                run = line.ring.read(TURN_S / len(self._lines))
                self._publish(line, line.machine.sense(line.listener.sensor(), now()))
                if run is not None:
                    self._publish(line, line.machine.hear(run, now()))
            if time.monotonic() >= next_health_s:
                self._publish_health(started_s)
                next_health_s += self._config.health_interval_s
            self._publisher.flush()
            if all(line.ring.ended for line in self._lines):
                return

    def _publish(self, line: Line, payloads: list[messages.Payload]) -> None:
        for payload in payloads:
            if isinstance(payload, messages.Event):
                log.warning("%s: alarm %s: %s", line.machine.name, payload.kind, payload.cause)
            if isinstance(payload, messages.Sensor):
                log.info("%s: sensor %s%s", line.machine.name, payload.state, f": {payload.detail}" if payload.detail else "")
            self._outbox.put(self._topics.message(payload, line.machine.name))

    def _publish_health(self, started_s: float) -> None:
        uptime_s = time.monotonic() - started_s
        in_use = {line.session.provider for line in self._lines}
        health = messages.Health(
            time=now(),
            version=__version__,
            uptime_s=round(uptime_s, 3),
            provider=", ".join(sorted(in_use)),
            providers_requested=tuple(self._config.inference.providers),
            machines={line.machine.name: self._machine_health(line, uptime_s) for line in self._lines},
            outbox_depth=self._outbox.depth,
            outbox_dropped_total=self._outbox.dropped_total,
            refused_total=self._publisher.refused_total,
            rss_bytes=resident_bytes(),
        )
        self._outbox.put(self._topics.message(health))
        states = ", ".join(f"{line.machine.name} {line.machine.state} (sensor {line.listener.sensor().state})" for line in self._lines)
        self._notifier.status(f"{states}; inference on {health.provider}")

    @staticmethod
    def _machine_health(line: Line, uptime_s: float) -> messages.MachineHealth:
        heard_s = line.machine.n_samples_scored / line.sample_rate_hz
        return messages.MachineHealth(
            state=line.machine.state,
            sensor=line.listener.sensor().state,
            coverage_percent=round(min(100.0, 100 * heard_s / max(uptime_s, 1e-3)), 2),
            dropped_samples_total=line.ring.dropped_samples_total,
            gaps_total=line.ring.gaps_total,
        )


def now() -> datetime:
    """Wall time."""
    return datetime.now(UTC)


def resident_bytes() -> int:
    """Memory in use, as the kernel counts it."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:  # not Linux
        return 0
