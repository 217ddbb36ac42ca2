"""Subscriptions to a real broker: live messages, retained messages, and refusals."""

import contextlib
import logging
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from typing import BinaryIO

import pytest

from aegan_monitor.messages.topics import Topics
from aegan_monitor.mqtt.client import Protocol
from aegan_monitor.mqtt.connection_settings import ConnectionSettings
from aegan_monitor.mqtt.endpoint import Endpoint
from aegan_monitor.mqtt.publisher import MqttPublisher
from aegan_monitor.mqtt.subscriptions import Listener, Received
from aegan_monitor.outbox.backoff import FIRST_RETRIAL_S
from broker import STEP_DEADLINE_S, Mosquitto, wait_until
from link import Link
from mqtt_peer import ACCEPTED, accepting, read_packet
from outbox_messages import MemoryOutbox

PUMP, FAN = "aegan/hall/pump/command", "aegan/hall/fan/command"
BOTH: tuple[Protocol, ...] = ("5", "3.1.1")


def publish(broker: Mosquitto, topic: str, payload: str, *more: str) -> None:
    """Publish with another client."""
    subprocess.run(["mosquitto_pub", "-p", str(broker.port), "-q", "1", "-t", topic, "-s", *more], input=payload, text=True, check=True)


@contextlib.contextmanager
def listening(
    port: int,
    listeners: Mapping[str, Listener],
    protocol: Protocol = "5",
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[MqttPublisher]:
    """A publisher that is connected and has sent its SUBSCRIBE."""
    settings = ConnectionSettings(
        endpoint=Endpoint("127.0.0.1", port, "aegan-hall"),
        protocol=protocol,
        topics=Topics("aegan", "hall"),
        listeners=listeners,
        retry_s=(0.05, 0.2),
        answer_timeout_s=STEP_DEADLINE_S,
        clock=clock,
    )
    publisher = MqttPublisher(settings, MemoryOutbox())
    publisher.start()
    try:
        yield publisher
    finally:
        publisher.stop()


def wait_for_subscription(broker: Mosquitto, n: int = 1) -> None:
    """Wait until the broker has answered the nth SUBSCRIBE."""
    wait_until(lambda: broker.log.count("Sending SUBACK to aegan-hall") == n, "the subscription")


@pytest.mark.broker
@pytest.mark.parametrize("protocol", BOTH)
def test_what_is_published_is_heard(broker: Mosquitto, protocol: Protocol) -> None:
    """Each listener receives its own topics, in order, not marked as retained."""
    pump: list[Received] = []
    any_machine: list[Received] = []
    with listening(broker.port, {PUMP: pump.append, "aegan/hall/+/command": any_machine.append}, protocol):
        wait_for_subscription(broker)
        publish(broker, PUMP, "one")
        publish(broker, FAN, "two")
        wait_until(lambda: any(each.topic == FAN for each in any_machine), "the second")
    assert {each.payload for each in pump} == {b"one"}
    assert all(not each.retained for each in any_machine)


@pytest.mark.broker
@pytest.mark.parametrize("protocol", BOTH)
def test_what_was_published_meanwhile_is_not_delivered(broker: Mosquitto, protocol: Protocol) -> None:
    """The broker keeps no message for a disconnected daemon, because each connection starts clean."""
    received: list[Received] = []
    link = Link(broker.port)
    link.join()
    with listening(link.port, {PUMP: received.append}, protocol):
        wait_for_subscription(broker)
        link.cut()
        publish(broker, PUMP, "meanwhile")
        link.join()
        wait_for_subscription(broker, 2)
        publish(broker, PUMP, "now")
        wait_until(lambda: received, "the message")
    link.cut()
    assert received == [Received(PUMP, b"now", retained=False)]


@pytest.mark.broker
@pytest.mark.parametrize("protocol", BOTH)
def test_what_was_stored_is_retained(broker: Mosquitto, protocol: Protocol) -> None:
    """A message from the broker's store is marked as retained."""
    publish(broker, PUMP, "stored", "-r")
    heard: list[Received] = []
    with listening(broker.port, {PUMP: heard.append}, protocol):
        wait_until(lambda: heard, "the message")
    assert heard == [Received(PUMP, b"stored", retained=True)]


@pytest.mark.broker
def test_what_is_published_retained_says_so_at_once(broker: Mosquitto) -> None:
    """A message published with the retain flag is marked as retained also when it arrives live."""
    heard: list[Received] = []
    with listening(broker.port, {PUMP: heard.append}):
        wait_for_subscription(broker)
        publish(broker, PUMP, "now", "-r")
        wait_until(lambda: heard, "the message")
    assert heard == [Received(PUMP, b"now", retained=True)]


@pytest.mark.broker
def test_a_listener_that_fails_costs_nothing_else(broker: Mosquitto, caplog: pytest.LogCaptureFixture) -> None:
    """An exception in a listener is logged and affects no other listener, message or connection."""
    heard: list[Received] = []

    def fail(_: Received) -> None:
        raise RuntimeError("disk on fire")

    with listening(broker.port, {"aegan/hall/+/command": fail, PUMP: heard.append}) as publisher:
        wait_for_subscription(broker)
        for word in ("one", "two"):
            publish(broker, PUMP, word)
        wait_until(lambda: {each.payload for each in heard} == {b"one", b"two"}, "both")
        assert publisher.connected
        assert publisher.problem == ""
    assert f"a message on {PUMP}: please report this" in caplog.messages
    assert "disk on fire" in caplog.text


@pytest.mark.broker
def test_what_is_far_too_large_is_not_even_sent_to_us(broker: Mosquitto) -> None:
    """The broker does not send a message of a megabyte; later messages arrive."""
    heard: list[Received] = []
    with listening(broker.port, {PUMP: heard.append}):
        wait_for_subscription(broker)
        publish(broker, PUMP, "x" * 1_000_000)
        publish(broker, PUMP, "small")
        wait_until(lambda: heard, "the message")
    assert [each.payload for each in heard] == [b"small"]


def read_subscribe(stream: BinaryIO) -> bytes:
    """The body of the first SUBSCRIBE."""
    while True:
        first, body = read_packet(stream)
        if first == 0x82:
            return body


@pytest.mark.parametrize(
    ("protocol", "accepted", "properties", "code", "reason"),
    [("5", ACCEPTED, b"\x00", b"\x87", "Not authorized"), ("3.1.1", b"\x20\x02\x00\x00", b"", b"\x80", "Unspecified error")],
)
def test_a_refused_subscription_is_reported_once_and_requested_again(
    protocol: Protocol, accepted: bytes, properties: bytes, code: bytes, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A refused subscription is logged once with the remedy and requested again alone, on the same connection."""
    caplog.set_level(logging.INFO, "aegan_monitor")
    now_s, n_turns = 0.0, 0

    def clock() -> float:
        nonlocal n_turns
        n_turns += 1
        return now_s

    reported = (
        f"refused the subscription to {PUMP} ({reason}): nothing is received from there, "
        "and the subscription is tried again every 1 to 10 minutes; its ACL must let this user read it"
    )
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with (
            listening(port, {PUMP: lambda _: None, FAN: lambda _: None}, protocol, clock=clock) as publisher,
            accepting(server, accepted) as (peer, stream, _),
        ):
            for codes, wait_s in ((code + b"\1", FIRST_RETRIAL_S), (code, 2 * FIRST_RETRIAL_S), (b"\1", 4 * FIRST_RETRIAL_S)):
                body = read_subscribe(stream)
                assert (PUMP.encode() in body, FAN.encode() in body) == (True, len(codes) == 2)
                assert publisher.problem == ("" if len(codes) == 2 else reported)
                peer.sendall(bytes((0x90, 2 + len(properties + codes))) + body[:2] + properties + codes)  # SUBACK
                n_before = n_turns
                wait_until(lambda n=n_before: n_turns > n + 3, "turns at which it is not asked for")  # type: ignore[misc]
                assert publisher.connected
                now_s += wait_s
            wait_until(lambda: "grants" in caplog.text, "the end of it")
            n_before = n_turns
            wait_until(lambda: n_turns > n_before + 3, "turns at which it is not asked for")
            assert (publisher.problem, publisher.refused_total) == (reported, 2)
            publisher.stop(timeout_s=0.0)
            assert stream.read() == b""
    assert caplog.messages == [
        f"MQTT broker 127.0.0.1:{port} {line}"
        for line in (f"accepted client 'aegan-hall' (MQTT {protocol})", reported, f"grants the subscription to {PUMP}")
    ]
