"""A real Prometheus with the configuration of configs/examples scrapes a daemon and raises alerts."""

import json
import shutil
import subprocess
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from alternating import AlternatingSound
from broker import STEP_DEADLINE_S, find_free_port, wait_until
from running import Daemon, write_config

pytestmark = pytest.mark.prometheus

LABELS = 'instance="localhost:9877", job="aegan-monitor"'
PUMP = f'{{{LABELS}, machine="pump"}}'
FINE = {
    f"up{{{LABELS}}}": "1x1450",
    f"aegan_alarm_active{PUMP}": "0x1450",
    f"aegan_sensor_ok{PUMP}": "1x1450",
    f"aegan_scored_seconds_total{PUMP}": "0+60x1450",
}


START_S = 60.0  # on a busy machine
MONITOR = "monitor localhost:9877"
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
    ],
)
def test_the_example_alerts_when_it_should(
    repository: Path, tmp_path: Path, changes: dict[str, str], alert: str | None, summary: str
) -> None:
    """The example alerts on an alarm, a sensor fault, missing sound and a missing daemon, and not otherwise."""
    rules = repository / "configs" / "examples" / "prometheus" / "rules.yml"
    names = [rule["alert"] for rule in yaml.safe_load(rules.read_text(encoding="utf-8"))["groups"][0]["rules"]]
    labels = {"instance": "localhost:9877", "job": "aegan-monitor"} | ({"machine": "pump"} if "pump" in summary else {})
    at = "1445m" if alert == "AeganAlarmShelvedLong" else "8m"
    reported = [{"exp_labels": labels, "exp_annotations": {"summary": summary}}]
    expected = [{"alertname": name, "eval_time": at, "exp_alerts": reported if name == alert else []} for name in names]
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


def test_a_daemon_is_scraped(repository: Path, tmp_path: Path) -> None:
    """The example with free ports and short intervals stores coverage and alarm of a real daemon."""
    endpoint, port = find_free_port(), find_free_port()
    folder = shutil.copytree(repository / "configs" / "examples" / "prometheus", tmp_path / "prometheus")
    text = (folder / "prometheus.yml").read_text(encoding="utf-8")
    (folder / "prometheus.yml").write_text(text.replace("9877", str(endpoint)).replace("15s", "1s"), encoding="utf-8")
    config = write_config(tmp_path, find_free_port(), more=f"metrics: {{port: {endpoint}}}\n")
    with Daemon(config, AlternatingSound()) as daemon, prometheus(folder, port):

        def value(expression: str) -> float:
            found = ask(port, "query", query=expression)
            return float(found["result"][0]["value"][1]) if found and found["result"] else 0.0

        def rules() -> list[tuple[str, str]]:
            """The alert rules with their health."""
            return [(rule["name"], rule["health"]) for group in (ask(port, "rules") or {"groups": []})["groups"] for rule in group["rules"]]

        wait_until(lambda: value("aegan_scored_seconds_total") > 10, "sound in Prometheus", START_S)
        wait_until(lambda: value("max_over_time(aegan_alarm_active[1m])") == 1, "the alarm in Prometheus", START_S)
        wait_until(lambda: value("max_over_time(up[1m])") == 1, "a scrape that went well")
        assert value("max_over_time(aegan_broker_connected[1m])") == 0
        wait_until(lambda: rules() and all(health != "unknown" for _, health in rules()), "every rule evaluated")
        assert [name for name, health in rules() if health != "ok"] == []
        assert daemon.end() == 0
    assert f"metrics on 127.0.0.1:{endpoint}: listening" in daemon.log
