"""A real Prometheus with the configuration of configs/examples scrapes a daemon and raises alerts."""

import json
import shutil
import subprocess
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from aegan_monitor.demo.pump import Pump
from aegan_monitor.detection.bundle import demo_bundle
from alternating import AlternatingSound
from broker import STEP_DEADLINE_S, find_free_port, wait_until
from running import Daemon, write_config
from synthetic import write_wav

pytestmark = pytest.mark.prometheus

LABELS = 'instance="localhost:9877", job="aegan-monitor"'
PUMP = f'{{{LABELS}, machine="pump"}}'
FINE = {
    f"up{{{LABELS}}}": "1x1450",
    f"aegan_alarm_active{PUMP}": "0x1450",
    f"aegan_sensor_ok{PUMP}": "1x1450",
    f"aegan_scored_seconds_total{PUMP}": "0+60x1450",
    f"aegan_coverage_24h_ratio{PUMP}": "0.99x1450",
    f"aegan_designed_false_alarms_per_week{PUMP}": "1x1450",
    f"aegan_proved_false_alarms_per_week{PUMP}": "21x1450",
    f"aegan_keeps_up{{{LABELS}}}": "1x1450",
    f"aegan_outbox_messages{{{LABELS}}}": "30x1450",
    f"aegan_dropped_events_total{{{LABELS}}}": "3x1450",
    f"aegan_outbox_on_disk{{{LABELS}}}": "1x1450",
}


START_S = 60.0  # on a busy machine
ALERT_S = 15.0  # from an alarm to its alert, at most
MONITOR = "monitor localhost:9877"
AT = {  # minutes until an alert with a long `for`; others fire within 8
    "AeganAlarmShelvedLong": 1445,
    **dict.fromkeys(("AeganCoverageLow", "AeganBudgetUnproved"), 65),
    **dict.fromkeys(("AeganMonitorOverloaded", "AeganOutboxGrows"), 20),
}
NOT_HEARD = f"pump is not heard ({MONITOR}): see its sensor topic or its log"


@pytest.mark.parametrize(
    ("changes", "alert", "summary"),
    [
        ({}, None, ""),
        ({f"aegan_alarm_active{PUMP}": "0 0 0 1x7"}, "AeganMachineSoundsWrong", f"pump sounds wrong ({MONITOR})"),
        ({f"aegan_alarm_shelved{PUMP}": "1x1450"}, "AeganAlarmShelvedLong", f"pump: its alarm has been shelved for 24 h ({MONITOR})"),
        ({f"aegan_sensor_ok{PUMP}": "1 1 0x8"}, "AeganMonitorDeaf", NOT_HEARD),
        ({f"aegan_scored_seconds_total{PUMP}": "0 60 120x8"}, "AeganMonitorDeaf", NOT_HEARD),
        ({f"up{{{LABELS}}}": "1 1 0x8"}, "AeganMonitorGone", f"{MONITOR} does not answer"),
        ({f'aegan_sensor_ok{{job="aegan-monitor", machine="{n}"}}': "1 0x8" for n in "abc"}, "AeganManyDeaf", "3 machines are not heard"),
        ({f"aegan_coverage_24h_ratio{PUMP}": "0.9x1450"}, "AeganCoverageLow", f"pump: 90% of the last 24 h was judged ({MONITOR})"),
        (
            {f"aegan_proved_false_alarms_per_week{PUMP}": "_x1450"},
            "AeganBudgetUnproved",
            f"pump: nothing is proved about its false alarms ({MONITOR})",
        ),
        ({f"aegan_keeps_up{{{LABELS}}}": "1 0x1450"}, "AeganMonitorOverloaded", f"{MONITOR} does not keep up"),
        ({f"aegan_outbox_messages{{{LABELS}}}": "0+5x1450"}, "AeganOutboxGrows", f"{MONITOR}: 100 messages wait for the broker"),
        (
            {f"aegan_dropped_events_total{{{LABELS}}}": "0+1x1450"},
            "AeganEventsLost",
            f"{MONITOR}: events were lost in a full outbox",
        ),
        ({f"aegan_outbox_on_disk{{{LABELS}}}": "0x1450"}, "AeganDiskFails", f"{MONITOR} cannot write to its disk"),
    ],
)
def test_the_example_alerts_when_it_should(
    repository: Path, tmp_path: Path, changes: dict[str, str], alert: str | None, summary: str
) -> None:
    """The example alerts on an alarm, a sensor fault, missing sound and a missing daemon, and not otherwise."""
    rules = repository / "configs" / "examples" / "prometheus" / "rules.yml"
    names = [rule["alert"] for rule in yaml.safe_load(rules.read_text(encoding="utf-8"))["groups"][0]["rules"]]
    severities = {
        rule["alert"]: rule["labels"]["severity"] for rule in yaml.safe_load(rules.read_text(encoding="utf-8"))["groups"][0]["rules"]
    }
    labels = {"job": "aegan-monitor", "severity": severities.get(alert or "")} | ({"machine": "pump"} if "pump" in summary else {})
    labels |= {"instance": "localhost:9877"} if MONITOR in summary else {}
    at = f"{AT.get(alert or '', 8)}m"
    reported = [{"exp_labels": labels, "exp_annotations": {"summary": summary}}]
    others = [name for name in names if name == alert or alert != "AeganManyDeaf" or name != "AeganMonitorDeaf"]  # it is deaf, too
    expected = [{"alertname": name, "eval_time": at, "exp_alerts": reported if name == alert else []} for name in others]
    series = [{"series": name, "values": values} for name, values in {**FINE, **changes}.items()]
    case = {"interval": "1m", "input_series": series, "alert_rule_test": expected}
    (tmp_path / "test.yml").write_text(json.dumps({"rule_files": [str(rules)], "evaluation_interval": "15s", "tests": [case]}))
    done = subprocess.run(["promtool", "test", "rules", str(tmp_path / "test.yml")], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@contextmanager
def prometheus(folder: Path, port: int) -> Iterator[None]:
    """Prometheus with the configuration in that folder."""
    command = ["prometheus", f"--config.file={folder / 'prometheus.yml'}", f"--web.listen-address=127.0.0.1:{port}"]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([*command, f"--storage.tsdb.path={folder / 'data'}"], stdout=log, stderr=log)
        try:
            yield
        finally:
            process.terminate()
            process.wait(STEP_DEADLINE_S)


def ask(port: int, path: str, **query: str) -> Any:
    """The answer of Prometheus to a query; None while it starts."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v1/{path}?{urllib.parse.urlencode(query)}", timeout=5) as answer:
            return json.load(answer)["data"]
    except OSError:
        return None


def list_queries(repository: Path) -> list[str]:
    """Every query of the dashboard, of its panels and its variables, as Grafana would send it for everything of a minute."""
    dashboard = json.loads((repository / "configs" / "examples" / "grafana" / "aegan-monitor.json").read_text(encoding="utf-8"))
    queries = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    of_variables = [each["query"]["query"] for each in dashboard["templating"]["list"] if each["type"] == "query"]
    queries += [query.removeprefix("label_values(").rpartition(",")[0] for query in of_variables]
    return [query.replace("$node", ".*").replace("$machine", ".*").replace("$__rate_interval", "10s") for query in queries]


def test_a_daemon_is_scraped(repository: Path, tmp_path: Path) -> None:
    """The example with free ports and short times: an alarm and a deaf machine are alerts, and every query of the dashboard has series."""
    endpoint, port = find_free_port(), find_free_port()
    folder = shutil.copytree(repository / "configs" / "examples" / "prometheus", tmp_path / "prometheus")
    text = (folder / "prometheus.yml").read_text(encoding="utf-8")
    (folder / "prometheus.yml").write_text(text.replace("9877", str(endpoint)).replace(": 5s", ": 1s"), encoding="utf-8")
    rules_text = (folder / "rules.yml").read_text(encoding="utf-8")
    (folder / "rules.yml").write_text(rules_text.replace("for: 1m", "for: 1s"), encoding="utf-8")
    config = write_config(tmp_path, find_free_port(), more=f"metrics: {{port: {endpoint}}}\n")
    write_wav(tmp_path / "fan.wav", Pump(41).read(30 * 16_000))
    fan = f"{{name: fan, bundle: {demo_bundle()}, capture: {{kind: file, paths: [fan.wav], loop: true}}}}"  # it has a budget
    deaf = f"{{name: deaf, bundle: {demo_bundle()}, capture: {{kind: mic, device: no such thing}}}}"
    config.write_text(config.read_text().replace("machines: [", f"machines: [{fan}, {deaf}, "))
    with Daemon(config, AlternatingSound()) as daemon, prometheus(folder, port):

        def query(expression: str, path: str = "query", **more: str) -> list[Any]:
            """The series that Prometheus returns."""
            found = ask(port, path, query=expression, **more)
            return list(found["result"]) if found else []

        def value(expression: str) -> float:
            """The value of the first series."""
            found = query(expression)
            return float(found[0]["value"][1]) if found else 0.0

        def rules() -> list[tuple[str, str]]:
            """The alert rules with their health."""
            return [(rule["name"], rule["health"]) for group in (ask(port, "rules") or {"groups": []})["groups"] for rule in group["rules"]]

        def lacks() -> list[str]:
            """The queries of the dashboard without a series in the last minute."""
            times = {"start": str(time.time() - 60), "end": str(time.time()), "step": "1s"}
            return [each for each in list_queries(repository) if not query(each, "query_range", **times)]

        fires = 'max_over_time(ALERTS{{alertname="{}", alertstate="firing", machine="{}"}}[1m])'
        wait_until(lambda: value('aegan_scored_seconds_total{machine="pump"}') > 10, "sound in Prometheus", START_S)
        wait_until(lambda: daemon.n_logged, "an alarm", START_S)
        wait_until(lambda: value(fires.format("AeganMachineSoundsWrong", "pump")) == 1, "the alert of the alarm", ALERT_S)
        wait_until(lambda: value(fires.format("AeganMonitorDeaf", "deaf")) == 1, "the alert of the deaf machine", ALERT_S)
        wait_until(lambda: value("max_over_time(up[1m])") == 1, "a scrape that went well")
        assert value("max_over_time(aegan_broker_connected[1m])") == 0
        wait_until(lambda: rules() and all(health != "unknown" for _, health in rules()), "every rule evaluated")
        assert [name for name, health in rules() if health != "ok"] == []
        wait_until(lambda: not lacks(), "a series for every query of the dashboard", START_S)
    assert f"metrics on 127.0.0.1:{endpoint}: listening" in daemon.log
