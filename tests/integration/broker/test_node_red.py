"""A real Node-RED with the flow of configs/examples: it shows alarms and sends a command."""

import json
import shutil
import subprocess
import threading
import urllib.request
from pathlib import Path
from typing import Any, Self

import pytest

from alternating import AlternatingSound
from broker import Mosquitto, Subscriber, find_free_port, wait_until
from running import Daemon, write_config

START_S = 60.0  # on a busy machine
SETTINGS = 'module.exports = {uiHost: "127.0.0.1", flowFile: "flow.json", telemetry: {enabled: false}}\n'


class NodeRed:
    """Node-RED with a flow in a temporary folder; a context manager."""

    def __init__(self, folder: Path, flow: list[dict[str, Any]]) -> None:
        folder.mkdir()
        (folder / "flow.json").write_text(json.dumps(flow))
        (folder / "settings.js").write_text(SETTINGS)
        self._port = find_free_port()
        program = shutil.which("node-red") or "node-red"
        self._command = [program, "--userDir", str(folder), "--settings", str(folder / "settings.js"), "--port", str(self._port)]
        self.lines: list[str] = []

    def __enter__(self) -> Self:
        """Start Node-RED and wait for its connection."""
        self._process = subprocess.Popen(self._command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        try:
            wait_until(lambda: self.reported("Connected to broker"), "Node-RED's connection to the broker", START_S)
        except BaseException:
            self._process.kill()
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """Stop Node-RED."""
        self._process.terminate()
        try:
            self._process.wait(START_S)
        finally:
            self._process.kill()
            self._reader.join(10)
        assert self._process.stdout is not None
        self._process.stdout.close()

    def reported(self, text: str) -> list[str]:
        """The debug lines with that text."""
        return [line for line in list(self.lines) if text in line]

    def press(self, button: str) -> None:
        """Press an inject node's button."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self._port}/inject/{button}", data=b"", timeout=10) as answer:
            assert answer.status == 200

    def _read(self) -> None:
        assert self._process.stdout is not None
        self.lines.extend(iter(self._process.stdout.readline, ""))


def publish(broker: Mosquitto, command: str) -> None:
    """Publish a command for the machine."""
    subprocess.run(["mosquitto_pub", "-p", str(broker.port), "-q", "1", "-t", "aegan/box/pump/command", "-m", command], check=True)


@pytest.fixture
def flow(repository: Path, broker: Mosquitto) -> list[dict[str, Any]]:
    """The example flow with the address of the test's broker."""
    nodes: list[dict[str, Any]] = json.loads((repository / "configs" / "examples" / "node-red" / "flow.json").read_text(encoding="utf-8"))
    (server,) = [node for node in nodes if node["type"] == "mqtt-broker"]
    server.update(broker="127.0.0.1", port=str(broker.port))
    return nodes


@pytest.mark.broker
@pytest.mark.nodered
def test_the_example_flow_reports_alarms_and_acknowledges(broker: Mosquitto, tmp_path: Path, flow: list[dict[str, Any]]) -> None:
    """The flow shows a raised and a cleared alarm of a real daemon, and its button publishes an unretained command."""
    with Subscriber(broker.port, "aegan/box/pump/command") as subscriber, NodeRed(tmp_path / "node-red", flow) as node_red:
        with Daemon(write_config(tmp_path, broker.port), AlternatingSound()) as daemon:
            wait_until(lambda: node_red.reported("ALARM on aegan/box/pump/event: no band stands out; "), "the alarm in Node-RED", START_S)
            wait_until(
                lambda: node_red.reported("the alarm has ended on aegan/box/pump/event: the sound is normal again"),
                "its end in Node-RED",
                START_S,
            )
            node_red.press("aegan-acknowledge")
            command = subscriber.wait_for(bool)
            assert (command.json(), command.qos, command.retained) == ({"command": "acknowledge"}, 1, False)
            daemon.end()
        wait_until(lambda: node_red.reported("the monitor is gone: aegan/box/status"), "the monitor's end in Node-RED")
    assert not node_red.reported("[error]")


@pytest.mark.broker
@pytest.mark.nodered
def test_the_example_flow_reports_a_shelf(broker: Mosquitto, tmp_path: Path, flow: list[dict[str, Any]]) -> None:
    """The flow shows a shelved alarm with user and reason, and at the end of the shelf that the alarm is still active."""
    config = write_config(tmp_path, broker.port)
    config.write_text(config.read_text().replace("off_delay_s: 0", "off_delay_s: 3600"))
    shelve = '{"command": "shelve", "duration_s": 3600, "by": "Anna", "reason": "the bearing is ordered"}'
    reported = "shelved, no alarms of aegan/box/pump/event: for 3600 s by Anna: the bearing is ordered"
    with NodeRed(tmp_path / "node-red", flow) as node_red, Daemon(config, AlternatingSound(), 2.0, apart=True):
        wait_until(lambda: node_red.reported("ALARM on "), "the alarm in Node-RED", START_S)
        publish(broker, shelve)
        wait_until(lambda: node_red.reported(reported), "the shelf in Node-RED")
        publish(broker, '{"command": "unshelve"}')
        end = "no longer shelved, and the alarm is still active: aegan/box/pump/event: by "
        wait_until(lambda: node_red.reported(end), "the end of the shelf in Node-RED")
        assert [len(node_red.reported(text)) for text in ("ALARM on ", reported, "has ended", "[error]")] == [1, 1, 0, 0]


@pytest.mark.broker
@pytest.mark.nodered
def test_events_wait_for_node_red(broker: Mosquitto, tmp_path: Path, flow: list[dict[str, Any]]) -> None:
    """Events published while Node-RED is away arrive when it returns."""
    with NodeRed(tmp_path / "before", flow):
        wait_until(lambda: "\taegan/+/+/event (QoS 1)" in broker.log, "its subscription, for which the broker keeps what comes")
    with Daemon(write_config(tmp_path, broker.port), AlternatingSound()) as daemon:
        wait_until(lambda: daemon.n_logged, "an event", START_S)
        daemon.end()
    with NodeRed(tmp_path / "after", flow) as node_red:
        wait_until(lambda: node_red.reported("ALARM on aegan/box/pump/event: "), "the alarm in Node-RED", START_S)
