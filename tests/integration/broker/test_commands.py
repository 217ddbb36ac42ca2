"""Commands to a real daemon over a real broker: accepted, refused, and answered."""

import json
import signal
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from aegan_monitor.demo.pump import Pump
from aegan_monitor.detection.bundle import demo_bundle
from alternating import AlternatingSound
from broker import Mosquitto, Subscriber, wait_until
from running import ALARM_TOPIC, EVENT_TOPIC, RESULT_TOPIC, Daemon, publish, running
from running import write_config as write_alternating_config

SCORE_TOPIC = "aegan/box/pump/score"


@pytest.mark.broker
@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
def test_a_command_is_answered(broker: Mosquitto, tmp_path: Path, protocol: str) -> None:
    """A command over MQTT 5 or 3.1.1 is answered with its id and result."""
    with Subscriber(broker.port, "aegan/box/pump/#") as subscriber, running(tmp_path, broker.port, f"protocol: {protocol}"):
        wait_until(lambda: "Sending SUBACK to aegan-box" in broker.log, "the subscription", 60.0)
        publish(broker.port, '{"command": "acknowledge"}')
        publish(broker.port, '{"command": "shelve", "duration_s": 60, "id": "7", "by": "Anna"}')
        wait_until(lambda: len(subscriber.received(RESULT_TOPIC)) == 2, "two answers")
        first, second = (message.json() for message in subscriber.received(RESULT_TOPIC))
        assert (first["command"], first["accepted"], first["reason"]) == ("acknowledge", False, "no alarm is active")
        assert (second["command"], second["id"], second["accepted"]) == ("shelve", "7", True)
        [event] = [message.json() for message in subscriber.received(EVENT_TOPIC)]
        assert (event["kind"], event["cause"]) == ("shelved", "for 60 s by Anna")
        assert json.loads(subscriber.payloads("aegan/box/pump/alarm")[-1])["shelved_until"] is not None


@pytest.mark.broker
def test_commands_can_be_switched_off(broker: Mosquitto, tmp_path: Path) -> None:
    """With commands switched off there is no subscription and no answer."""
    with Subscriber(broker.port, "aegan/box/status") as subscriber, running(tmp_path, broker.port, "commands: {enabled: false}"):
        subscriber.wait_for(bool, 60.0)  # it would have subscribed before it says `online`
        assert "homeassistant/status" in broker.log
        assert "/command" not in broker.log


@pytest.mark.broker
def test_commands_that_a_reload_switches_off_leave_no_subscription(broker: Mosquitto, tmp_path: Path) -> None:
    """After a reload without commands the broker delivers no command."""
    with Subscriber(broker.port, "aegan/box/status") as status, running(tmp_path, broker.port, "keepalive_s: 5") as daemon:
        wait_until(lambda: "Sending SUBACK to aegan-box" in broker.log, "the subscription", 60.0)
        status.wait_for(lambda message: message.payload == "online")
        config = tmp_path / "monitor.yaml"
        config.write_text(config.read_text().replace("keepalive_s: 5", "keepalive_s: 5, commands: {enabled: false}"))
        daemon.send_signal(signal.SIGHUP)
        wait_until(lambda: status.payloads("aegan/box/status")[-3:] == ["online", "offline", "online"], "the next connection", 60.0)
        publish(broker.port, '{"command": "acknowledge"}')
        wait_until(lambda: "'aegan/box/pump/command'" in broker.log, "the command")
    assert not [line for line in broker.log.splitlines() if "Sending PUBLISH to aegan-box" in line and "/command" in line]


@pytest.mark.broker
def test_a_machine_that_a_reload_adds_is_heard(broker: Mosquitto, tmp_path: Path) -> None:
    """An added machine accepts commands; an unconfigured one gives no answer, and a removed one loses its shelf."""
    fan = RESULT_TOPIC.replace("pump", "fan")
    with Subscriber(broker.port, "aegan/box/+/result") as results, Subscriber(broker.port, EVENT_TOPIC) as events:
        with running(tmp_path, broker.port, "keepalive_s: 5") as daemon:
            wait_until(lambda: "Sending SUBACK to aegan-box" in broker.log, "the subscription", 60.0)
            publish(broker.port, '{"command": "shelve"}', "fan")
            publish(broker.port, '{"command": "shelve"}')
            results.wait_for(bool)
            config = tmp_path / "monitor.yaml"
            config.write_text(config.read_text().replace("name: pump", "name: fan"))
            daemon.send_signal(signal.SIGHUP)
            wait_until(lambda: "reloaded: fan added, pump removed" in (tmp_path / "log").read_text(), "the reload", 60.0)
            publish(broker.port, '{"command": "unshelve", "id": "now"}', "fan")
            answer = results.wait_for(lambda message: message.topic == fan).json()
            assert (answer["id"], answer["reason"]) == ("now", "the alarm is not shelved")
            events.wait_for(lambda message: message.json()["kind"] == "removed")
        assert broker.log.count("Received SUBSCRIBE from aegan-box") == 1


@pytest.mark.broker
def test_a_shelf_keeps_quiet_and_its_end_does_not(broker: Mosquitto, tmp_path: Path) -> None:
    """While shelved no event is published; before and after, events have consecutive numbers."""
    config = write_alternating_config(tmp_path, broker.port)

    def reported() -> list[tuple[int, str]]:
        return [(event.json()["sequence"], event.json()["kind"]) for event in subscriber.received(EVENT_TOPIC)]

    with Subscriber(broker.port, "aegan/box/pump/#") as subscriber, Daemon(config, AlternatingSound()) as daemon:
        wait_until(lambda: len(reported()) >= 4, "events", 60.0)
        publish(broker.port, '{"command": "shelve"}')
        wait_until(lambda: subscriber.received(RESULT_TOPIC), "the answer")
        n_scores = len(subscriber.received(SCORE_TOPIC))
        wait_until(lambda: len(subscriber.received(SCORE_TOPIC)) >= n_scores + 10, "ten decisions")
        assert reported()[-1][1] == "shelved"
        n_told = len(reported())
        publish(broker.port, '{"command": "unshelve"}')
        wait_until(lambda: len(reported()) >= n_told + 4, "events")
        assert daemon.end() == 0
    kinds = [kind for _, kind in reported()]
    assert [number for number, _ in reported()] == list(range(1, len(kinds) + 1))
    assert kinds[n_told] == "unshelved"
    assert "raised" in kinds[n_told + 1 : n_told + 3]


@pytest.mark.broker
def test_a_shelf_ends_in_its_time_though_nothing_is_heard(broker: Mosquitto, tmp_path: Path) -> None:
    """A shelf ends on time while the input stalls, and the same alarm is active again."""
    faulty = (32_767 * Pump(41, fault_from_s=0.0).read(60 * 16_000)).astype("<i2").tobytes()
    config = tmp_path / "monitor.yaml"
    config.write_text(
        f"node: box\nmqtt: {{host: 127.0.0.1, port: {broker.port}}}\noutbox: {{path: outbox.sqlite}}\nmachines: [{{name: pump, "
        f"bundle: {demo_bundle()}, alarm: {{quantile: 0.5, margin: 0}}, capture: {{kind: stdin, sample_format: s16le}}}}]\n"
    )
    command = [sys.executable, "-m", "aegan_monitor.cli", "run", "--config", str(config)]

    def wait_for(kind: str, timeout_s: float = 10.0) -> dict[str, Any]:
        found: dict[str, Any] = subscriber.wait_for(lambda m: m.topic == EVENT_TOPIC and m.json()["kind"] == kind, timeout_s).json()
        return found

    with Subscriber(broker.port, "aegan/box/pump/+") as subscriber, subprocess.Popen(command, stdin=subprocess.PIPE) as process:
        assert process.stdin is not None
        try:
            process.stdin.write(faulty[: len(faulty) // 2])
            process.stdin.flush()
            wait_for("raised", 60.0)
            subscriber.wait_for(lambda m: m.topic == "aegan/box/pump/sensor" and m.json()["state"] == "stalled")
            publish(broker.port, '{"command": "shelve", "duration_s": 2}')
            unshelved = wait_for("unshelved")
            shelved_until = subscriber.wait_for(lambda m: m.topic == ALARM_TOPIC and m.json()["shelved_until"]).json()["shelved_until"]
            late_s = (datetime.fromisoformat(unshelved["time"]) - datetime.fromisoformat(shelved_until)).total_seconds()
            assert -0.01 < late_s < 1.0
            ended = subscriber.wait_for(lambda m: m.topic == ALARM_TOPIC and m.json()["event_id"] == unshelved["id"]).json()
            assert (ended["state"], ended["active"], ended["shelved_until"]) == ("alarm", True, None)
            process.stdin.write(faulty[len(faulty) // 2 :])
            process.stdin.close()
            assert process.wait(60.0) == 0
        finally:
            process.kill()
    events = [message.json() for message in subscriber.received(EVENT_TOPIC)]
    assert [event["kind"] for event in events] == ["raised", "shelved", "unshelved"]
    assert ended["alarm_id"] == events[0]["id"]
