"""The Prometheus endpoint: what the health topic says and each machine's last score, made anew at every scrape."""

import logging
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from socketserver import ThreadingTCPServer
from typing import Any, NamedTuple, Protocol

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.exposition import MetricsHandler
from prometheus_client.registry import Collector, CollectorRegistry

from aegan_monitor.messages import payloads
from aegan_monitor.mqtt.log_once import LogOnce
from aegan_monitor.service.health import Reading

log = logging.getLogger(__name__)

RETRY_S = 10.0
_TURN_S = 0.2  # so late `stop` may be noticed
_REQUEST_TIMEOUT_S = 5.0  # for the whole of a request: who says little holds no thread for longer than who says nothing
_MAX_CONNECTIONS = 8
_FAILED_ACCEPT_S = 0.5  # no file descriptor is left, say: it would fail again at once


class Report(Protocol):
    """Who can tell how the daemon fares, from any thread."""

    @property
    def connected(self) -> bool:
        """Whether the broker has accepted the connection."""

    def make(self, now: datetime) -> payloads.Health:
        """The payload of the health topic."""

    def readings(self) -> Mapping[str, Reading]:
        """By the machine's name."""


class Row(NamedTuple):
    """One metric: a name that ends in `_total` is a counter, any other a gauge. `find` gives None where there is nothing to tell."""

    name: str
    words: str
    find: Callable[..., float | None]


OF_NODE: tuple[Row, ...] = (  # of (health, connected)
    Row("aegan_uptime_seconds", "Time since the daemon's start.", lambda health, _: health.uptime_s),
    Row("aegan_broker_connected", "Whether the MQTT broker has accepted the connection.", lambda _, connected: connected),
    Row("aegan_outbox_messages", "Messages that the broker has not acknowledged.", lambda health, _: health.outbox_depth),
    Row("aegan_outbox_parked_events", "Events that the broker refuses.", lambda health, _: health.outbox_parked),
    Row("aegan_outbox_on_disk", "Whether events are on disk, and not in memory alone.", lambda health, _: not health.outbox_problem),
    Row("aegan_dropped_events_total", "Events lost in a full outbox, or too old.", lambda health, _: health.outbox_dropped_total),
    Row("aegan_late_scores_total", "Scores not sent because they were late.", lambda health, _: health.outbox_late_total),
    Row("aegan_refused_messages_total", "Messages and subscriptions that the broker refused.", lambda health, _: health.refused_total),
    Row(
        "aegan_refused_commands_total",
        "Commands that were malformed, retained, too many or for no machine; not those that an alarm could not obey.",
        lambda health, _: health.commands_refused_total,
    ),
    Row("aegan_resident_memory_bytes", "Memory in use.", lambda health, _: health.rss_bytes),
)
OF_MACHINE: tuple[Row, ...] = (  # of (machine's health, reading)
    Row("aegan_alarm_active", "Whether the alarm is raised, and not shelved.", lambda health, _: health.active),
    Row("aegan_alarm_acknowledged", "Whether it is raised, and acknowledged.", lambda health, _: health.acknowledged),
    Row("aegan_alarm_shelved", "Whether the alarm is shelved.", lambda health, _: health.shelved),
    Row("aegan_sensor_ok", "Whether the machine can be heard.", lambda health, _: health.sensor == "ok"),
    Row("aegan_scored_seconds_total", "Sound that was scored.", lambda _, reading: reading.scored_s),
    Row(
        "aegan_coverage_ratio",
        "Part of the time since the machine began that a score covers.",
        lambda health, _: health.coverage_percent / 100,
    ),
    Row("aegan_dropped_samples_total", "Samples overwritten before they were scored.", lambda health, _: health.dropped_samples_total),
    Row("aegan_gaps_total", "Interruptions of the sound.", lambda health, _: health.gaps_total),
    Row("aegan_rate_deviation_ppm", "How much faster the microphone's clock is than it says.", lambda health, _: health.rate_deviation_ppm),
    Row("aegan_score", "Score of the last decision.", lambda _, reading: reading.score and reading.score.score),
    Row("aegan_threshold", "What that score is held against.", lambda _, reading: reading.score and reading.score.threshold),
    Row(
        "aegan_score_normalised", "The score in deviations of normal sound.", lambda _, reading: reading.score and reading.score.normalised
    ),
    Row("aegan_level_dbfs", "Level of the sound.", lambda _, reading: reading.score and reading.score.level_dbfs),
)


class HealthCollector(Collector):
    """Asks the report at every scrape; it keeps nothing."""

    def __init__(self, report: Report) -> None:
        self._report = report

    def collect(self) -> Iterator[Metric]:
        """Every metric; a machine that a reload adds between the two answers comes with the next scrape."""
        health, readings, connected = self._report.make(datetime.now(UTC)), self._report.readings(), self._report.connected
        build = {"version": health.version, "provider": health.provider}
        yield InfoMetricFamily("aegan_build", "Version of the daemon, and the provider in use.", value=build)
        for row in OF_NODE:
            yield _make_metric(row, (), {(): row.find(health, connected)})
        for row in OF_MACHINE:
            values: dict[tuple[str, ...], float | None] = {
                (name,): row.find(health.machines[name], reading) for name, reading in readings.items() if name in health.machines
            }
            yield _make_metric(row, ("machine",), values)


def _make_metric(row: Row, labels: tuple[str, ...], values: Mapping[tuple[str, ...], float | None]) -> Metric:
    family = CounterMetricFamily if row.name.endswith("_total") else GaugeMetricFamily
    metric = family(row.name, row.words, labels=labels)
    for names, value in values.items():
        if value is not None:
            metric.add_metric(names, float(value))
    return metric


class _Server(ThreadingTCPServer):
    """Unlike http.server's, it asks no DNS for its own name, which may take its time where there is none."""

    allow_reuse_address = True
    daemon_threads = True
    timeout = _TURN_S

    def __init__(self, host: str, port: int, collector: Collector) -> None:
        registry = CollectorRegistry(auto_describe=False)
        registry.register(collector)
        ((self.address_family, *_, address), *_) = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        super().__init__((str(address[0]), port), MetricsHandler.factory(registry))
        self._lock = threading.Lock()
        self._open: dict[socket.socket, float] = {}  # until when each may last

    def get_request(self) -> tuple[socket.socket, Any]:
        """Accept, or wait a little: what fails would fail again at once."""
        try:
            return super().get_request()
        except OSError:
            time.sleep(_FAILED_ACCEPT_S)
            raise

    def verify_request(self, request: Any, client_address: object) -> bool:  # noqa: ARG002 - the base's signature
        """Whether there is room for one more."""
        with self._lock:
            has_room = len(self._open) < _MAX_CONNECTIONS
            if has_room:
                self._open[request] = time.monotonic() + _REQUEST_TIMEOUT_S
        return has_room

    def shutdown_request(self, request: Any) -> None:
        """It is over."""
        with self._lock:
            self._open.pop(request, None)
        super().shutdown_request(request)

    def end_late(self) -> None:
        """Wake those who wait for a client that takes too long."""
        with self._lock:
            for request, until_s in self._open.items():
                if time.monotonic() > until_s:
                    with suppress(OSError):
                        request.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: object, client_address: object) -> None:  # noqa: ARG002 - the base's signature
        """A client that went away is no news; anything else is a fault of ours, and Prometheus sees it too."""
        error = sys.exc_info()[1]
        log.log(logging.DEBUG if isinstance(error, OSError) else logging.ERROR, "metrics: a scrape failed", exc_info=error)


class MetricsServer:
    """Answers scrapes, in threads of its own, until it is stopped. An address that cannot be had is told once, and tried again."""

    def __init__(self, host: str, port: int, report: Report, retry_s: float = RETRY_S) -> None:
        self._host, self._port, self._collector, self._retry_s = host, port, HealthCollector(report), retry_s
        self._log = LogOnce(f"metrics on {host}:{port}:", log)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="metrics", daemon=True)

    def start(self) -> None:
        """Begin to listen, in the background."""
        self._thread.start()

    def stop(self, timeout_s: float = 1.0) -> None:
        """End it; harmless when it was never started."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(timeout_s)

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self._serve()
            except (OSError, UnicodeError) as error:  # a host such as a..b is no name at all
                reason = error.strerror if isinstance(error, OSError) else None
                remedy = f"set metrics.host and metrics.port to an address that is free; trying again every {self._retry_s:g} s"
                self._log.warn(f"cannot listen there ({reason or error}); {remedy}")
                self._stopping.wait(self._retry_s)

    def _serve(self) -> None:
        with _Server(self._host, self._port, self._collector) as server:
            self._log.inform("listening")
            while not self._stopping.is_set():
                server.handle_request()
                server.end_late()
