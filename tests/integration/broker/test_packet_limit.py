"""A real broker with message_size_limit, and a daemon that sends larger messages."""

import subprocess
import sys
from pathlib import Path

import pytest

from alternating import AlternatingSound
from broker import Mosquitto, Subscriber, wait_until
from running import EVENT_TOPIC, Daemon, write_config

pytestmark = pytest.mark.broker

SCORE_TOPIC, SENSOR_TOPIC = "aegan/box/pump/score", "aegan/box/pump/sensor"
REMEDY = "raise its limit (mosquitto: message_size_limit"


@pytest.mark.parametrize(
    ("limit_bytes", "arriving", "refused"),
    [(600, (SCORE_TOPIC, SENSOR_TOPIC), "homeassistant/"), (480, (SCORE_TOPIC, SENSOR_TOPIC), EVENT_TOPIC)],
)
def test_a_message_over_the_limit_is_refused_alone(tmp_path: Path, limit_bytes: int, arriving: tuple[str, ...], refused: str) -> None:
    """A message over the limit is refused with one log line on one connection, and the rest arrives.

    An event has more bytes than the messages for discovery, a score has fewer.
    """
    broker = Mosquitto(tmp_path / "mosquitto", more=[f"message_size_limit {limit_bytes}"])
    broker.start()
    config = write_config(tmp_path, broker.port, more="health_interval_s: 1\n")
    with Subscriber(broker.port, "aegan/#") as subscriber, Daemon(config, AlternatingSound()) as daemon:
        for topic in arriving:
            subscriber.wait_for(lambda message, topic=topic: message.topic == topic, 60.0)  # type: ignore[misc]
        subscriber.wait_for(lambda message: message.payload == "online", 60.0)
        wait_until(lambda: f"refused a message on {refused}" in daemon.log, "the refusal")
        n_events = daemon.n_logged
        wait_until(lambda: daemon.n_logged > n_events + 10, "more refusals, or none")
        assert daemon.end() == 0
    broker.stop()
    lines = [line for line in daemon.log.splitlines() if f"refused a message on {refused}" in line]
    assert len(lines) == 1, daemon.log
    assert "(Packet too large)" in lines[0]
    assert REMEDY in lines[0]
    assert broker.log.count(" as aegan-box ") == 1, "another connection"


def test_check_tries_the_largest_message(tmp_path: Path) -> None:
    """`check` fails with a remedy where `run` would have messages refused, and passes otherwise."""
    for limit_bytes, fits in ((512, False), (4096, True)):
        broker = Mosquitto(tmp_path / f"{limit_bytes}", more=[f"message_size_limit {limit_bytes}"])
        broker.start()
        config = write_config(tmp_path, broker.port)
        command = [sys.executable, "-m", "aegan_monitor.cli", "check", "--config", str(config)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        broker.stop()
        reported = done.stdout + done.stderr
        assert (done.returncode == 0) == fits, reported
        assert ("largest message: ok" in reported, REMEDY in reported) == (fits, not fits), reported
