"""Commands through a real broker to a real daemon: obeyed, refused, and ten thousand of them that are mostly rubbish."""

import contextlib
import json
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

from aegan_monitor.alarm.annunciation import Annunciation
from aegan_monitor.demo.pump import Pump
from aegan_monitor.detection.bundle import demo_bundle
from aegan_monitor.messages.commands import Refusal, parse
from aegan_monitor.messages.payloads import Command
from alternating import AlternatingSound
from broker import Mosquitto, Received, Subscriber, wait_until
from chaos import scaled
from running import ALARM_TOPIC, EVENT_TOPIC, Daemon
from running import write_config as write_alternating_config
from stopwatch import Stopwatch
from synthetic import write_wav

COMMAND_TOPIC, RESULT_TOPIC = "aegan/box/pump/command", "aegan/box/pump/result"
SCORE_TOPIC, HEALTH_TOPIC = "aegan/box/pump/score", "aegan/box/health"
N_FUZZED = scaled(10_000)
N_UNANSWERED = 200  # so many are under way at once; the inbox holds more
LARGEST_PACKET_BYTES = 65_536  # a larger one the broker does not deliver


@contextlib.contextmanager
def running(folder: Path, port: int, mqtt: str) -> Iterator["subprocess.Popen[bytes]"]:
    """`aegan-monitor run` that hears a normal pump in real time; it does not outlive the block."""
    sound = write_wav(folder / "pump.wav", Pump(41).read(60 * 16_000))
    config = folder / "monitor.yaml"
    config.write_text(
        f"node: box\nhealth_interval_s: 1\noutbox: {{path: outbox.sqlite}}\nmqtt: {{host: 127.0.0.1, port: {port}, {mqtt}}}\n"
        f"machines: [{{name: pump, bundle: {demo_bundle()}, capture: {{kind: file, paths: [{sound}], loop: true}}}}]\n"
    )
    command = [sys.executable, "-m", "aegan_monitor.cli", "run", "--config", str(config)]
    with (folder / "log").open("wb") as log, subprocess.Popen(command, stderr=log) as process:
        try:
            yield process
        finally:
            process.kill()


def publish(port: int, payload: str, machine: str = "pump") -> None:
    """As a person would."""
    topic = COMMAND_TOPIC.replace("pump", machine)
    subprocess.run(["mosquitto_pub", "-p", str(port), "-q", "1", "-t", topic, "-m", payload], check=True)


@pytest.mark.broker
@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
def test_a_command_is_answered(broker: Mosquitto, tmp_path: Path, protocol: str) -> None:
    """By either protocol, with its id and what became of it."""
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
    """Then there is no subscription, and so no answer."""
    with Subscriber(broker.port, "aegan/box/status") as subscriber, running(tmp_path, broker.port, "commands: {enabled: false}"):
        subscriber.wait_for(bool, 60.0)  # it would have subscribed before it says `online`
        assert "homeassistant/status" in broker.log
        assert "/command" not in broker.log


@pytest.mark.broker
@pytest.mark.parametrize("by_reload", [False, True])
def test_commands_that_are_switched_off_leave_no_subscription(broker: Mosquitto, tmp_path: Path, by_reload: bool) -> None:
    """The broker has kept the session of before; what is said now is not even delivered."""
    off = "commands: {enabled: false}"
    with contextlib.ExitStack() as ends:
        daemon = ends.enter_context(running(tmp_path, broker.port, "keepalive_s: 5"))
        wait_until(lambda: "Sending SUBACK to aegan-box" in broker.log, "the subscription", 60.0)
        if by_reload:
            config = tmp_path / "monitor.yaml"
            config.write_text(config.read_text().replace("keepalive_s: 5", f"keepalive_s: 5, {off}"))
            daemon.send_signal(signal.SIGHUP)
        else:
            ends.pop_all().close()
            ends.enter_context(running(tmp_path, broker.port, f"keepalive_s: 5, {off}"))
        wait_until(lambda: "Received UNSUBSCRIBE from aegan-box" in broker.log, "the subscription taken back", 60.0)
        publish(broker.port, '{"command": "acknowledge"}')
        wait_until(lambda: "'aegan/box/pump/command'" in broker.log, "the command")
    assert not [line for line in broker.log.splitlines() if "Sending PUBLISH to aegan-box" in line and "/command" in line]


@pytest.mark.broker
def test_what_was_said_to_a_daemon_that_was_away_is_not_obeyed(broker: Mosquitto, tmp_path: Path) -> None:
    """The broker has kept it for the daemon; whoever has sent it learns that it came too late."""
    with Subscriber(broker.port, RESULT_TOPIC) as results:
        with running(tmp_path, broker.port, "keepalive_s: 5"):
            wait_until(lambda: "Sending SUBACK to aegan-box" in broker.log, "the subscription", 60.0)
        publish(broker.port, '{"command": "shelve", "id": "meanwhile"}')
        with running(tmp_path, broker.port, "keepalive_s: 5"):
            answer = results.wait_for(bool, 60.0).json()
    late = "late: it was sent before the daemon was connected; send it again (this answer stands for all that were late)"
    assert (answer["id"], answer["accepted"], answer["reason"]) == ("meanwhile", False, late)


@pytest.mark.broker
def test_a_machine_that_a_reload_adds_is_heard(broker: Mosquitto, tmp_path: Path) -> None:
    """On the same connection; one that is not configured gets no answer, and one that is removed loses its shelf."""
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
            cause = events.wait_for(lambda message: message.json()["kind"] == "unshelved").json()["cause"]
            assert cause == "reconfigured: a reload has changed or removed the machine, and ended the alarm that was shelved before"
        assert broker.log.count("Received SUBSCRIBE from aegan-box") == 1


@pytest.mark.broker
def test_a_shelf_keeps_quiet_and_its_end_does_not(broker: Mosquitto, tmp_path: Path) -> None:
    """A sound that raises or clears at every decision: while it is shelved no event comes; before and after they do, without a hole."""
    config = write_alternating_config(tmp_path, broker.port)

    def told() -> list[tuple[int, str]]:
        return [(event.json()["sequence"], event.json()["kind"]) for event in subscriber.received(EVENT_TOPIC)]

    with Subscriber(broker.port, "aegan/box/pump/#") as subscriber, Daemon(config, AlternatingSound()) as daemon:
        wait_until(lambda: len(told()) >= 4, "events", 60.0)
        publish(broker.port, '{"command": "shelve"}')
        wait_until(lambda: subscriber.received(RESULT_TOPIC), "the answer")
        n_scores = len(subscriber.received(SCORE_TOPIC))
        wait_until(lambda: len(subscriber.received(SCORE_TOPIC)) >= n_scores + 10, "ten decisions")
        assert told()[-1][1] == "shelved"
        n_told = len(told())
        publish(broker.port, '{"command": "unshelve"}')
        wait_until(lambda: len(told()) >= n_told + 4, "events")
        assert daemon.end() == 0
    kinds = [kind for _, kind in told()]
    assert [number for number, _ in told()] == list(range(1, len(kinds) + 1))
    assert kinds[n_told] == "unshelved"
    assert "raised" in kinds[n_told + 1 : n_told + 3]


@pytest.mark.broker
def test_a_shelf_ends_in_its_time_though_nothing_is_heard(broker: Mosquitto, tmp_path: Path) -> None:
    """A pipe that stalls while the alarm is shelved: it is raised again only once the machine is heard, and wrong still."""
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
            assert (ended["state"], ended["active"], ended["shelved_until"]) == ("alarm", False, None)
            process.stdin.write(faulty[len(faulty) // 2 :])
            process.stdin.close()
            assert process.wait(60.0) == 0
            subscriber.wait_for(lambda m: m.topic == EVENT_TOPIC and m.json()["sequence"] == 4)
        finally:
            process.kill()
    events = [message.json() for message in subscriber.received(EVENT_TOPIC)]
    assert [event["kind"] for event in events] == ["raised", "shelved", "unshelved", "raised"]
    assert events[3]["sample"] > len(faulty) // 4 >= events[2]["sample"]


def make_command(chance: random.Random, number: int) -> bytes:
    """One of many ways in which a command can be wrong; some are right, with `number` as their id."""
    name = chance.choice(["acknowledge", "shelve", "unshelve"])
    right = json.dumps({"command": name, "id": str(number), "by": "Änne 🔧"}).encode()
    wrong: list[object] = [None, True, 7, -1e300, 10**400, "", "x" * 300, [], {}, [[1]], {"a": {"b": 1}}, "\ud800", "\u0000\n\u2028"]
    broken = bytearray(right)
    broken[chance.randrange(len(broken))] ^= 1 << chance.randrange(8)
    field = chance.choice(["command", "id", "duration_s", "event_id", "by", "reason", "schema", "more"])
    depth = chance.choice([10, 150, 300, 1000])
    kinds = {
        "right": right,
        "random": chance.randbytes(chance.randrange(1, 300)),
        "broken": bytes(broken),
        "cut": right[: chance.randrange(1, len(right))],
        "not UTF-8": right.replace(b"\\u", b"\xff\xc0"),
        "wrong type": json.dumps({"command": name, "id": str(number), field: chance.choice(wrong)}).encode(),
        "number": b'{"command":"shelve","duration_s":%s}' % chance.choice([b"9" * 3000, b"1e999", b"-0", b"NaN", b"1E-400", b"0x10"]),
        "deep": b'{"command":' * depth + b"1" + b"}" * depth if chance.random() < 0.5 else b"[" * depth,
        "large": json.dumps({"command": name, "reason": "x" * chance.choice([4200, 30_000, 60_000])}).encode(),
        "larger than any": b" " * 100_000 + right,
    }
    weights = [20, 12, 12, 12, 8, 16, 6, 6, 6, 2]
    return kinds[chance.choices(list(kinds), weights)[0]]


def find_gap_s(messages: list[Received]) -> float:
    """The longest time between two of them, as their senders tell it."""
    times = [datetime.fromisoformat(message.json()["time"]) for message in messages]
    return max((after - before).total_seconds() for before, after in pairwise(times))


@pytest.mark.broker
def test_ten_thousand_commands_cost_nothing(tmp_path: Path) -> None:
    """Each is obeyed or refused, and answered; scores and health keep coming, memory stays flat, and the next is answered at once."""
    broker = Mosquitto(tmp_path / "mosquitto", more=["max_queued_messages 0"], quiet=True)
    broker.start()
    chance = random.Random(0)
    commands = [make_command(chance, number) for number in range(N_FUZZED)]
    sender = Client(CallbackAPIVersion.VERSION2)
    with (
        Subscriber(broker.port, RESULT_TOPIC) as results,
        Subscriber(broker.port, SCORE_TOPIC) as scores,
        Subscriber(broker.port, HEALTH_TOPIC) as health,
        running(tmp_path, broker.port, "commands: {max_per_s: 1000000}") as daemon,
    ):
        scores.wait_for(bool, 60.0)
        sender.connect("127.0.0.1", broker.port)
        sender.loop_start()
        began_s = time.monotonic()
        delivered = []
        for command in commands:
            sender.publish(COMMAND_TOPIC, command, qos=1)
            if len(command) < LARGEST_PACKET_BYTES:
                delivered.append(command)
            if len(delivered) % N_UNANSWERED == 0:
                wait_until(lambda: len(results.received()) == len(delivered), "an answer to each")
        wait_until(lambda: len(results.received()) == len(delivered), "an answer to each")
        took_s = time.monotonic() - began_s
        with Stopwatch() as watch:
            publish(broker.port, '{"command": "shelve", "id": "the last"}')
            results.wait_for(lambda message: message.json()["id"] == "the last")
            assert watch.read_s() < 2.0
        sender.disconnect()
        sender.loop_stop()
        n_refused = len(delivered) - sum(message.json()["accepted"] for message in results.received()[:-1])
        assert daemon.poll() is None
    broker.stop()
    told = Annunciation()  # the sound is normal: whether a right command is obeyed depends on those before it alone
    for command, message in zip(delivered, results.received(), strict=False):
        found, answer = parse(command, 4096), message.json()
        reason = found.reason if isinstance(found, Refusal) else told.refusal(found.command)
        if isinstance(found, Command) and not reason:
            told.take(found.command, 1)
        assert (answer["command"], answer["id"], answer["reason"]) == (found.command, found.id, reason), command
    told_health = [message.json() for message in health.received()]
    assert told_health[-1]["rss_bytes"] - told_health[1]["rss_bytes"] < 8_000_000  # the journal has 1,400 events, which nobody hears
    assert told_health[-1]["machines"]["pump"]["dropped_samples_total"] == 0
    assert N_FUZZED / 10 < n_refused < N_FUZZED * 9 / 10  # obeyed ones were among them
    assert max(find_gap_s(scores.received()), find_gap_s(health.received())) < 3.0
    assert took_s < 60.0
