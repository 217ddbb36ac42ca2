"""Commands from the command line: what the daemon receives, and what the operator reads."""

import contextlib
import json
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion

from aegan_monitor.cli import main
from broker import Mosquitto

COMMAND_TOPIC, RESULT_TOPIC = "aegan/box/pump/command", "aegan/box/pump/result"


@contextlib.contextmanager
def answering(port: int, reason: str) -> Iterator[list[dict[str, Any]]]:
    """A daemon with a fixed answer that first answers another client's command; gives the received commands."""
    commands: list[dict[str, Any]] = []
    subscribed = threading.Event()

    def on_message(client: Client, _: object, message: MQTTMessage) -> None:
        command = json.loads(message.payload)
        commands.append(command)
        answer = {"schema": "aegan.result/1", "time": "2026-01-31T08:15:00.250Z", "command": command["command"], "id": command["id"]}
        client.publish(RESULT_TOPIC, json.dumps({**answer, "id": "other", "accepted": False, "reason": "not yours"}))
        client.publish(RESULT_TOPIC, json.dumps({**answer, "accepted": not reason, "reason": reason}))

    client = Client(CallbackAPIVersion.VERSION2)
    client.on_message, client.on_subscribe = on_message, lambda *_: subscribed.set()
    client.connect("127.0.0.1", port)
    client.subscribe(COMMAND_TOPIC, qos=1)
    client.loop_start()
    assert subscribed.wait(10)
    yield commands
    client.disconnect()
    client.loop_stop()


def write_config(folder: Path, port: int) -> str:
    """A configuration with this broker."""
    path = folder / "monitor.yaml"
    path.write_text(f"node: box\nmqtt: {{host: 127.0.0.1, port: {port}}}\nmachines: [{{name: pump, bundle: none}}]\n")
    return str(path)


@pytest.mark.broker
def test_an_accepted_command_ends_with_0(broker: Mosquitto, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The daemon receives the duration in seconds and the user; the exit code is 0."""
    config = write_config(tmp_path, broker.port)
    with answering(broker.port, "") as commands:
        assert main(["shelve", "pump", "--config", config, "--hours", "0.5", "--by", "Anna", "--reason", "new bearing"]) == 0
    (command,) = commands
    assert (command["command"], command["duration_s"], command["by"], command["reason"]) == ("shelve", 1800.0, "Anna", "new bearing")
    assert capsys.readouterr().out == "pump: shelve: accepted\n"


@pytest.mark.broker
def test_a_refused_command_ends_with_1_and_the_reason(broker: Mosquitto, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A refused command prints the daemon's reason and ends with 1."""
    with answering(broker.port, "no alarm is active"):
        assert main(["acknowledge", "pump", "--config", write_config(tmp_path, broker.port)]) == 1
    assert "refused: no alarm is active" in capsys.readouterr().err


@pytest.mark.broker
def test_silence_ends_with_1(broker: Mosquitto, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without an answer one line names the topic and the remedy."""
    assert main(["unshelve", "pump", "--config", write_config(tmp_path, broker.port), "--timeout", "0.5"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert COMMAND_TOPIC in line
    assert "check that the daemon runs" in line


def test_a_broker_that_is_down_ends_with_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With the broker down one line names its address."""
    assert main(["unshelve", "pump", "--config", write_config(tmp_path, 1)]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "MQTT broker 127.0.0.1:1: " in line


@pytest.mark.parametrize(
    ("machine", "more", "found"),
    [("fan", "", "no machine 'fan'.*pump"), ("pump", ", commands: {enabled: false}", "mqtt.commands.enabled: is false")],
)
def test_a_command_that_no_daemon_can_take_waits_for_none(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], machine: str, more: str, found: str
) -> None:
    """A machine that is not configured, and commands that are turned off: the configuration says so at once."""
    path = Path(write_config(tmp_path, 1))
    path.write_text(path.read_text().replace("port: 1}", f"port: 1{more}}}"))
    assert main(["acknowledge", machine, "--config", str(path)]) != 0
    (line,) = capsys.readouterr().err.splitlines()
    assert re.search(found, line)


@pytest.mark.parametrize(("option", "value"), [("--hours", "200"), ("--by", "x" * 65)])
def test_a_value_that_the_daemon_would_refuse_is_a_usage_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], option: str, value: str
) -> None:
    """An invalid value is a usage error that names the option, and nothing is sent."""
    assert main(["shelve", "pump", "--config", write_config(tmp_path, 1), option, value]) == 2
    assert f"shelve: {option}: " in capsys.readouterr().err
