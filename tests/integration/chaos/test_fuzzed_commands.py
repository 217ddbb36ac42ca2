"""Thousands of mostly malformed commands: each is answered, and monitoring continues."""

import json
import random
import time
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import get_args

import pytest
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

from aegan_monitor.alarm.lifecycle import AlarmRecord, refusal, take
from aegan_monitor.config.model import OperatingStateConfig
from aegan_monitor.detection.bundle import demo_bundle, load_bundle
from aegan_monitor.messages.command_payloads import CommandName
from aegan_monitor.messages.commands import Refusal, parse
from aegan_monitor.service.runtime import make_tracker
from broker import Mosquitto, Received, Subscriber, wait_until
from chaos import scaled
from running import COMMAND_TOPIC, RESULT_TOPIC, publish, running
from stopwatch import Stopwatch

SCORE_TOPIC, HEALTH_TOPIC = "aegan/box/pump/score", "aegan/box/health"
N_FUZZED = scaled(10_000)
N_UNANSWERED = 200  # so many are under way at once; the inbox holds more
LARGEST_PACKET_BYTES = 65_536  # a larger one the broker does not deliver


def make_command(chance: random.Random, number: int) -> bytes:
    """A random command, mostly malformed; a valid one has `number` as its id."""
    name = chance.choice(get_args(CommandName))
    right = json.dumps({"command": name, "id": str(number), "by": "Änne 🔧"}).encode()
    wrong: list[object] = [None, True, 7, -1e300, 10**400, "", "x" * 300, [], {}, [[1]], {"a": {"b": 1}}, "\ud800", "\u0000\n\u2028"]
    broken = bytearray(right)
    broken[chance.randrange(len(broken))] ^= 1 << chance.randrange(8)
    field = chance.choice(["command", "id", "duration_s", "event_id", "value", "by", "reason", "schema", "more"])
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
    """The longest interval between two messages, by their time stamps."""
    times = [datetime.fromisoformat(message.json()["time"]) for message in messages]
    return max((after - before).total_seconds() for before, after in pairwise(times))


@pytest.mark.broker
def test_thousands_of_commands_cost_nothing(tmp_path: Path) -> None:
    """Every command is answered, scores and health continue, memory stays flat, and a later command is answered at once."""
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
        wait_until(lambda: len(health.received()) > 3 and len(scores.received()) > 3, "health and scores beside them")
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
    tracker = make_tracker(load_bundle(demo_bundle()).record, OperatingStateConfig())
    assert tracker is not None
    record = AlarmRecord()  # the sound is normal: whether a right command is obeyed depends on those before it alone
    for command, message in zip(delivered, results.received(), strict=False):
        found, answer = parse(command, 4096), message.json()
        if isinstance(found, Refusal):
            reason = found.reason
        elif found.command == "state":
            reason = tracker.say(found.value)
        else:
            reason = refusal(record, found.command, found.event_id)
            if not reason and (step := take(record, found.command, datetime.now(UTC))):
                record = step.after
        assert (answer["command"], answer["id"], answer["reason"]) == (found.command, found.id, reason), command
    told_health = [message.json() for message in health.received()]
    assert told_health[-1]["rss_bytes"] - told_health[1]["rss_bytes"] < 8_000_000  # the journal has 1,400 events, which nobody hears
    assert told_health[-1]["machines"]["pump"]["dropped_samples_total"] == 0
    assert N_FUZZED / 10 < n_refused < N_FUZZED * 9 / 10  # obeyed ones were among them
    assert max(find_gap_s(scores.received()), find_gap_s(health.received())) < 3.0
    assert took_s < 60.0
