"""The Prometheus endpoint: it serves the daemon's figures over loopback by the conventions of Prometheus."""

import shutil
import socket
import subprocess
import urllib.request
from collections.abc import Callable, Iterator

import pytest
from prometheus_client.parser import text_string_to_metric_families

from aegan_monitor.messages.payloads import Health, Score
from aegan_monitor.service.health import Reading, Snapshot
from aegan_monitor.service.metrics import OF_MACHINE, OF_NODE, MetricsServer, write_metrics
from broker import STEP_DEADLINE_S, find_free_port, wait_until
from message_tables import make_example

HEALTH = Health.model_validate({**make_example(Health), "outbox_depth": 3, "outbox_problem": "disk full"})
SCORE = Score.model_validate(make_example(Score))


SNAPSHOT = Snapshot(HEALTH, True, {"pump": Reading(12.5, SCORE)})
Serve = Callable[..., int]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Starts an endpoint and returns its port."""
    servers = []

    def start(snapshot: Snapshot, port: int | None = None, retry_s: float = 0.05) -> int:
        port = port or find_free_port()
        servers.append(MetricsServer("127.0.0.1", port, lambda _: snapshot, retry_s))
        servers[-1].start()
        return port

    yield start
    for server in servers:
        server.stop()


def answers(port: int) -> bool:
    """Whether a server listens on the port."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def scrape(port: int) -> str:
    """The text that Prometheus receives."""
    wait_until(lambda: answers(port), f"an endpoint on port {port}")
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
        text: str = answer.read().decode()
    return text


def values(text: str) -> dict[tuple[str, str], float]:
    """The values by sample name and machine."""
    families = text_string_to_metric_families(text)
    return {(sample.name, sample.labels.get("machine", "")): sample.value for family in families for sample in family.samples}


def test_a_metric_says_what_it_counts(serve: Serve) -> None:
    """The help text of the refused-commands counter says which commands it counts."""
    words = "Commands that were malformed, retained, too many or for no machine; not those that an alarm could not obey."
    assert f"# HELP aegan_refused_commands_total {words}\n" in scrape(serve(SNAPSHOT))


def test_the_page_has_the_same_text(serve: Serve) -> None:
    """Without a server of its own."""
    assert write_metrics(lambda _: SNAPSHOT).decode() == scrape(serve(SNAPSHOT))


def test_a_scrape_reports_what_the_daemon_knows(serve: Serve) -> None:
    """Metrics use base units, ratios and 0 or 1, with the machine as label."""
    found = values(scrape(serve(SNAPSHOT)))
    assert found == pytest.approx(
        {
            ("aegan_build_info", ""): 1,
            ("aegan_uptime_seconds", ""): 3600,
            ("aegan_broker_connected", ""): 1,
            ("aegan_outbox_messages", ""): 3,
            ("aegan_outbox_parked_events", ""): 0,
            ("aegan_outbox_on_disk", ""): 0,
            ("aegan_history_on_disk", ""): 1.0,
            ("aegan_evidence_on_disk", ""): 1.0,
            ("aegan_keeps_up", ""): 1.0,
            ("aegan_dropped_events_total", ""): 0,
            ("aegan_late_scores_total", ""): 0,
            ("aegan_refused_messages_total", ""): 0,
            ("aegan_refused_commands_total", ""): 0,
            ("aegan_resident_memory_bytes", ""): 94_371_840,
            ("aegan_alarm_active", "pump"): 0,
            ("aegan_alarm_acknowledged", "pump"): 0,
            ("aegan_alarm_shelved", "pump"): 0,
            ("aegan_alarm_out_of_service", "pump"): 0,
            ("aegan_sensor_ok", "pump"): 1,
            ("aegan_scored_seconds_total", "pump"): 12.5,
            ("aegan_coverage_ratio", "pump"): 0.999,
            ("aegan_coverage_1h_ratio", "pump"): 0.999,
            ("aegan_coverage_24h_ratio", "pump"): 0.999,
            ("aegan_dropped_samples_total", "pump"): 0,
            ("aegan_late_segments_total", "pump"): 0.0,
            ("aegan_gaps_total", "pump"): 0,
            ("aegan_rate_deviation_ppm", "pump"): -18.4,
            ("aegan_score", "pump"): 1.5,
            ("aegan_threshold", "pump"): 2,
            ("aegan_score_normalised", "pump"): 0.25,
            ("aegan_evidence", "pump"): 0.12,
            ("aegan_designed_false_alarms_per_week", "pump"): 1.0,
            ("aegan_proved_false_alarms_per_week", "pump"): 21.0,
            ("aegan_level_dbfs", "pump"): -31.5,
        }
    )


def test_what_is_not_heard_has_no_score(serve: Serve) -> None:
    """A machine that hears nothing has no score metric, but alarm and sensor metrics."""
    machine = HEALTH.machines["pump"].model_copy(update={"sensor": "missing", "state": "clearing", "active": True})
    health = HEALTH.model_copy(update={"machines": {"pump": machine}})
    found = values(scrape(serve(Snapshot(health, True, {"pump": Reading(12.5, None)}))))
    assert (found["aegan_sensor_ok", "pump"], found["aegan_alarm_active", "pump"]) == (0, 1)
    assert not {name for name, machine in found if machine} & {
        "aegan_score",
        "aegan_threshold",
        "aegan_score_normalised",
        "aegan_evidence",
        "aegan_level_dbfs",
    }


def test_every_metric_is_there_once_and_explained(serve: Serve) -> None:
    """Each metric appears once with HELP and TYPE, and names that end in _total are counters."""
    lines = scrape(serve(SNAPSHOT)).splitlines()
    for row in (*OF_NODE, *OF_MACHINE):
        assert f"# HELP {row.name} {row.words}" in lines
        assert f"# TYPE {row.name} {'counter' if row.name.endswith('_total') else 'gauge'}" in lines
    assert sum(line.startswith("# HELP") for line in lines) == 1 + len(OF_NODE) + len(OF_MACHINE)


@pytest.mark.prometheus
def test_prometheus_finds_nothing_to_mend(serve: Serve) -> None:
    """The linter of Prometheus accepts names and units."""
    promtool = shutil.which("promtool")
    assert promtool
    done = subprocess.run([promtool, "check", "metrics"], input=scrape(serve(SNAPSHOT)), capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_taken_port_is_reported_once_and_had_later(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    """A port in use is logged once, and the endpoint starts when the port is free."""
    caplog.set_level("INFO")
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = serve(SNAPSHOT, other.getsockname()[1])
        wait_until(lambda: caplog.messages, "a line")
    assert ("aegan_uptime_seconds", "") in values(scrape(port))
    remedy = "set metrics.host and metrics.port to an address that is free; trying again every 0.05 s"
    reported = [f"cannot listen there (Address already in use); {remedy}", "listening"]
    assert caplog.messages == [f"metrics on 127.0.0.1:{port}: {text}" for text in reported]


def test_clients_that_are_silent_hold_up_nobody_and_are_ended(serve: Serve) -> None:
    """Silent clients delay no other client and are disconnected after 5 s."""
    port = serve(SNAPSHOT)
    scrape(port)
    clients = [socket.create_connection(("127.0.0.1", port), STEP_DEADLINE_S) for _ in range(30)]
    try:
        assert scrape(port)
        assert [client.recv(1) for client in clients] == [b""] * 30
    finally:
        for client in clients:
            client.close()


def test_a_host_that_is_no_name_is_reported(caplog: pytest.LogCaptureFixture) -> None:
    """An unresolvable host name is logged and tried again, and ends no thread."""
    server = MetricsServer("a..b", 9877, lambda _: SNAPSHOT, retry_s=60)
    server.start()
    wait_until(lambda: caplog.messages, "a line")
    server.stop(STEP_DEADLINE_S)
    remedy = "set metrics.host and metrics.port to an address that is free; trying again every 60 s"
    (reported,) = caplog.messages
    assert reported.startswith("metrics on a..b:9877: cannot listen there (")
    assert reported.endswith(f"; {remedy}")


def test_stop_ends_it() -> None:
    """`stop` ends the endpoint, even before it could listen."""
    server = MetricsServer("127.0.0.1", port := find_free_port(), lambda _: SNAPSHOT)
    server.start()
    scrape(port)
    server.stop(STEP_DEADLINE_S)
    assert not answers(port)
    with socket.create_server(("127.0.0.1", port)):
        server = MetricsServer("127.0.0.1", port, lambda _: SNAPSHOT, retry_s=60)
        server.start()
        server.stop(STEP_DEADLINE_S)
    assert not answers(port)
