"""Handover between brokers: the old one receives `offline`, the new one receives the undelivered messages."""

import contextlib
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from aegan_monitor.messages.payloads import Event
from aegan_monitor.messages.topics import Message, Topics
from aegan_monitor.mqtt.connection_settings import ConnectionSettings
from aegan_monitor.mqtt.endpoint import Endpoint
from aegan_monitor.mqtt.publisher import MqttPublisher
from broker import Mosquitto, Received, Subscriber, find_free_port, wait_until
from outbox_messages import MemoryOutbox

pytestmark = pytest.mark.broker

TOPICS = Topics("aegan", "box")


@pytest.fixture
def brokers(tmp_path: Path) -> Iterator[tuple[Mosquitto, Mosquitto]]:
    """Two brokers."""
    with contextlib.ExitStack() as ends:
        servers = (Mosquitto(tmp_path / "old"), Mosquitto(tmp_path / "new"))
        for server in servers:
            server.start()
            ends.callback(server.stop)
        yield servers


RETRY_S = (0.05, 0.2)


def at(port: int) -> ConnectionSettings:
    """The settings for the broker there."""
    return ConnectionSettings(endpoint=Endpoint("127.0.0.1", port, "aegan-box"), protocol="5", topics=TOPICS, retry_s=RETRY_S)


def event(number: int) -> Message:
    """An event that must arrive."""
    cause = "D_maha 2.5 is above its threshold 2"
    payload = Event(
        id=f"id-{number}",
        sequence=number,
        kind="raised",
        active=True,
        time=datetime.now(UTC),
        sample=0,
        cause=cause,
        score_id="D_maha",
        score=2.5,
        threshold=2.0,
        duration_s=None,
    )
    return TOPICS.message(payload, "pump")


def is_event(number: int) -> Callable[[Received], bool]:
    """Whether a message is that event."""
    return lambda message: message.topic == "aegan/box/pump/event" and message.json()["sequence"] == number


def test_a_clean_hand_over(brokers: tuple[Mosquitto, Mosquitto]) -> None:
    """Each broker receives the events of its time, `online` and `offline`, and no last will."""
    old, new = brokers
    outbox = MemoryOutbox()
    publisher = MqttPublisher(at(old.port), outbox)
    with Subscriber(old.port) as at_old, Subscriber(new.port) as at_new:
        publisher.start()
        outbox.put(event(1))
        publisher.flush()
        at_old.wait_for(is_event(1))
        publisher.reconfigure(at(new.port))
        at_new.wait_for(lambda m: m.payload == "online")
        outbox.put(event(2))
        publisher.flush()
        at_new.wait_for(is_event(2))
        assert publisher.connected
        publisher.stop()
        for subscriber in (at_new, at_old):
            subscriber.wait_for(lambda m: m.payload == "offline")
        assert at_old.payloads("aegan/box/status") == ["online", "offline"]
        assert not any(map(is_event(2), at_old.received()))


def test_away_from_a_broker_that_is_down(brokers: tuple[Mosquitto, Mosquitto]) -> None:
    """Events that a dead broker never took reach the next broker, also after two handovers in a row."""
    outbox = MemoryOutbox()
    publisher = MqttPublisher(at(find_free_port()), outbox)
    with Subscriber(brokers[1].port) as at_new:
        publisher.start()
        outbox.put(event(1))
        wait_until(lambda: publisher.problem, "trouble")
        publisher.reconfigure(at(find_free_port()))
        publisher.reconfigure(at(brokers[1].port))
        at_new.wait_for(is_event(1))
        publisher.stop()
