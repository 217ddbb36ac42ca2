"""The Prometheus endpoint: the values of the health topic and the last score of each machine, collected at every scrape."""

import logging
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import NamedTuple
from wsgiref.simple_server import WSGIRequestHandler, make_server

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.exposition import ThreadingWSGIServer, generate_latest, make_wsgi_app
from prometheus_client.registry import Collector, CollectorRegistry

from aegan_monitor.messages.model import Payload
from aegan_monitor.mqtt.log_once import LogOnce
from aegan_monitor.service.health import Snapshot
from aegan_monitor.types import Run

log = logging.getLogger(__name__)

RETRY_S = 10.0
_TURN_S = 0.2  # `stop` is noticed so late at most


class Row(NamedTuple):
    """One metric: a name that ends in `_total` is a counter, any other a gauge. `find` gives None where there is no value."""

    name: str
    words: str
    find: Callable[..., float | None]


OF_NODE: tuple[Row, ...] = (  # of (health, connected)
    Row("aegan_uptime_seconds", "Time since the daemon's start.", lambda health, _: health.uptime_s),
    Row("aegan_broker_connected", "Whether the MQTT broker has accepted the connection.", lambda _, connected: connected),
    Row("aegan_outbox_messages", "Messages that the broker has not acknowledged.", lambda health, _: health.outbox_depth),
    Row("aegan_outbox_parked_events", "Events that the broker refuses.", lambda health, _: health.outbox_parked),
    Row("aegan_outbox_on_disk", "Whether events are on disk, and not in memory alone.", lambda health, _: not health.outbox_problem),
    Row("aegan_history_on_disk", "Whether the history is on disk, and not in memory alone.", lambda health, _: not health.history_problem),
    Row("aegan_evidence_on_disk", "Whether the evidence of alarms can be written.", lambda health, _: not health.evidence_problem),
    Row("aegan_keeps_up", "Whether the network evaluates every segment.", lambda health, _: not health.overload_problem),
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
    Row("aegan_alarm_active", "Whether the alarm is raised, and not suppressed.", lambda health, _: health.active),
    Row("aegan_alarm_acknowledged", "Whether it is raised, and acknowledged.", lambda health, _: health.acknowledged),
    Row("aegan_alarm_shelved", "Whether the alarm is shelved.", lambda health, _: health.shelved),
    Row("aegan_alarm_out_of_service", "Whether the alarm is out of service.", lambda health, _: health.out_of_service),
    Row("aegan_sensor_ok", "Whether the machine can be heard.", lambda health, _: health.sensor == "ok"),
    Row("aegan_scored_seconds_total", "Sound that was scored.", lambda _, reading: reading.scored_s),
    Row("aegan_coverage_ratio", "Part of the machine's time that a score covers.", lambda health, _: health.coverage_percent / 100),
    Row("aegan_coverage_1h_ratio", "The same of the last hour.", lambda health, _: health.coverage_1h_percent / 100),
    Row("aegan_coverage_24h_ratio", "The same of the last 24 hours.", lambda health, _: health.coverage_24h_percent / 100),
    Row("aegan_dropped_samples_total", "Samples overwritten before they were scored.", lambda health, _: health.dropped_samples_total),
    Row("aegan_late_segments_total", "Segments left out because the daemon was late.", lambda health, _: health.late_segments_total),
    Row("aegan_gaps_total", "Interruptions of the sound.", lambda health, _: health.gaps_total),
    Row("aegan_rate_deviation_ppm", "How much faster the microphone's clock is than it says.", lambda health, _: health.rate_deviation_ppm),
    Row("aegan_score", "Score of the last decision.", lambda _, reading: reading.score and reading.score.score),
    Row("aegan_threshold", "What that score is held against.", lambda _, reading: reading.score and reading.score.threshold),
    Row(
        "aegan_score_normalised", "The score in deviations of normal sound.", lambda _, reading: reading.score and reading.score.normalised
    ),
    Row("aegan_evidence", "Evidence for an alarm, which is raised at 1.", lambda _, reading: reading.score and reading.score.evidence),
    Row("aegan_designed_false_alarms_per_week", "Its budget of false alarms.", lambda health, _: health.designed_per_week),
    Row(
        "aegan_proved_false_alarms_per_week",
        "The largest rate of false alarms that agrees with all its normal sound; none while nothing is proved.",
        lambda health, _: health.proved_per_week,
    ),
    Row("aegan_level_dbfs", "Level of the sound.", lambda _, reading: reading.score and reading.score.level_dbfs),
)


class HealthCollector(Collector):
    """Takes a snapshot at every scrape."""

    def __init__(self, read: Callable[[datetime], Snapshot]) -> None:
        self._read = read

    def collect(self) -> Iterator[Metric]:
        """Every metric."""
        health, connected, readings = self._read(datetime.now(UTC))
        build = {"version": health.version, "provider": health.provider, "precision": health.precision}
        yield InfoMetricFamily("aegan_build", "Version of the daemon, and the provider and precision in use.", value=build)
        for row in OF_NODE:
            yield _make_metric(row, (), {(): row.find(health, connected)})
        for row in OF_MACHINE:
            yield _make_metric(row, ("machine",), {(name,): row.find(health.machines[name], reading) for name, reading in readings.items()})


def _make_registry(read: Callable[[datetime], Snapshot]) -> CollectorRegistry:
    registry = CollectorRegistry(auto_describe=False)
    registry.register(HealthCollector(read))
    return registry


def write_metrics(read: Callable[[datetime], Snapshot]) -> bytes:
    """The text of one scrape."""
    return generate_latest(_make_registry(read))


def _make_metric(row: Row, labels: tuple[str, ...], values: Mapping[tuple[str, ...], float | None]) -> Metric:
    family = CounterMetricFamily if row.name.endswith("_total") else GaugeMetricFamily
    metric = family(row.name, row.words, labels=labels)
    for names, value in values.items():
        if value is not None:
            metric.add_metric(names, float(value))
    return metric


class _Handler(WSGIRequestHandler):
    """Ends a client that sends or takes nothing for `timeout` seconds, and logs no request."""

    timeout = 5

    def handle(self) -> None:
        """Answer one request; a client that went away is no error."""
        with suppress(OSError):
            super().handle()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's signature
        """Log nothing."""


class MetricsServer:
    """A part that answers scrapes in separate threads. An address that cannot be used is logged once, and retried.

    It stands beside `web`, which serves the same text, because a daemon with it alone does not load what serves the page.
    """

    def __init__(self, host: str, port: int, read: Callable[[datetime], Snapshot], retry_s: float = RETRY_S) -> None:
        """`read` gives the figures; it is called in the threads of the scrapes."""
        self._app = make_wsgi_app(_make_registry(read))
        self.name, self.problem = "metrics", ""
        self._host, self._port, self._retry_s = host, port, retry_s
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

    def take_message(self, machine: str | None, payload: Payload) -> None:
        """Nothing: each scrape reads the state of its moment."""

    def take_sound(self, machine: str, run: Run, time: datetime) -> None:
        """Nothing."""

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self._serve()
            except (OSError, UnicodeError) as error:  # a host such as a..b is no name at all
                reason = error.strerror if isinstance(error, OSError) else None
                remedy = f"set metrics.host and metrics.port to an address that is free; trying again every {self._retry_s:g} s"
                self.problem = f"cannot listen there ({reason or error}); {remedy}"
                self._log.warn(self.problem)
                self._stopping.wait(self._retry_s)

    def _serve(self) -> None:
        ((family, *_, address), *_) = socket.getaddrinfo(self._host, self._port, type=socket.SOCK_STREAM)
        server_class: type[ThreadingWSGIServer] = type("Server", (ThreadingWSGIServer,), {"address_family": family})
        with make_server(str(address[0]), self._port, self._app, server_class, _Handler) as server:
            server.timeout = _TURN_S
            self._log.inform("listening")
            self.problem = ""
            while not self._stopping.is_set():
                server.handle_request()
