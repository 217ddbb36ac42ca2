"""One connection to a scripted broker: limits, time-outs, and log lines about unusual peers."""

import logging
import socket
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from aegan_monitor.mqtt.connection import MAX_IN_FLIGHT
from broker import Mosquitto, Subscriber, find_free_port, wait_until
from example_messages import make_alarm, make_event, put, sequences
from mqtt_peer import ACCEPTED, accepting, publish_id, read_packet
from outbox_messages import MemoryOutbox
from publishers import RETRYING, Make

WHERE = "check mqtt.host, mqtt.port, mqtt.protocol and mqtt.tls"
MALFORMED_PROPERTIES = "malformed packet: Not enough data to decode Variable Byte Integer"
NO_ANSWER = f"the connection ended (no answer): is it an MQTT 5 broker? {WHERE}"
TAKEN_OVER = "lost (Session taken over): another client uses 'aegan-hall'; change mqtt.client_id of one of them"


@pytest.mark.parametrize("n_events", [0, 2], ids=["a state", "events, and the state behind them"])
def test_online_waits_for_no_answer_for_ever(make: Make, n_events: int) -> None:
    """`online` is published even if the broker leaves a packet unanswered."""
    outbox = MemoryOutbox()
    for i in range(n_events):
        put(outbox, make_event(i))
    put(outbox, make_alarm(active=True))
    with socket.create_server(("127.0.0.1", 0)) as server:
        publisher = make(server.getsockname()[1], outbox, answer_timeout_s=0.5)
        publisher.start()
        with accepting(server) as (_, stream, told_s):
            packets = [read_packet(stream) for _ in range(n_events + 2)]
            took_s = time.monotonic() - told_s
            publisher.stop(timeout_s=0.0)
    assert b"alarm" in packets[-2][1]
    assert packets[-1][1].endswith(b"online")
    assert took_s > 0.5


@pytest.mark.parametrize(("accepted", "n_allowed"), [(ACCEPTED, MAX_IN_FLIGHT), (b"\x20\x06\x00\x00\x03\x21\x00\x02", 2)])
def test_the_brokers_limit_is_kept(make: Make, accepted: bytes, n_allowed: int) -> None:
    """Messages in flight stay within the receive maximum of the broker's CONNACK (MQTT 5) and within our own limit."""
    outbox = MemoryOutbox()
    for i in range(100):
        put(outbox, make_alarm(active=True), f"pump{i}")
    with socket.create_server(("127.0.0.1", 0)) as server:
        publisher = make(server.getsockname()[1], outbox)
        publisher.start()
        with accepting(server, accepted) as (peer, stream, _):
            message_ids = [publish_id(read_packet(stream)) for _ in range(n_allowed)]
            peer.settimeout(0.2)
            with pytest.raises(TimeoutError):
                stream.read(1)
        publisher.stop(timeout_s=0.0)
    assert len(set(message_ids)) == n_allowed


@pytest.mark.parametrize(
    ("reply", "line"),
    [
        (b"\x20\x02\x00\x01", "refused client 'aegan-hall' (Unsupported protocol version): set mqtt.protocol to 3.1.1"),
        (b"", f"cannot be reached ({NO_ANSWER})"),
        (b"HTTP/1.1 400 Bad\r\n\r\n", f"cannot be reached ({NO_ANSWER})"),
        (b"\x20\x03\x00\x00\x05", f"cannot be reached ({NO_ANSWER})".replace("no answer", MALFORMED_PROPERTIES)),
        (None, "gave no answer within 0.3 s: " + WHERE),
        (ACCEPTED + b"\xe0\x02\x8e\x00", TAKEN_OVER),
        (ACCEPTED + b"\xe0\x02\x8b\x00", "lost (Server shutting down)"),
    ],
    ids=["MQTT 3.1.1 only", "hangs up", "a web server", "broken", "silent", "another of that id", "ending"],
)
def test_what_the_peer_does_is_reported(
    serve: Callable[[bytes | None], int], make: Make, caplog: pytest.LogCaptureFixture, reply: bytes | None, line: str
) -> None:
    """A peer that is no MQTT 5 broker, or breaks the protocol, gives a log line with the remedy."""
    port = serve(reply)
    publisher = make(port, MemoryOutbox(), answer_timeout_s=0.3 if reply is None else 60.0)
    publisher.start()
    wait_until(lambda: "WARNING" in caplog.text, "a line")
    warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert warnings[0] == f"MQTT broker 127.0.0.1:{port} {line}{RETRYING}"


def test_each_connection_starts_clean(make: Make) -> None:
    """MQTT 5 connections use clean start, no session expiry, and packets up to 64 KiB."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        publisher = make(server.getsockname()[1], MemoryOutbox())
        publisher.start()
        peer, _ = server.accept()
        with peer, peer.makefile("rb") as stream:
            _, body = read_packet(stream)
            peer.sendall(ACCEPTED)
            publisher.stop(timeout_s=0.0)
    assert body[7] & 0x02  # clean start
    assert body[10:16] == b"\x05\x27\x00\x01\x00\x00"  # one property: the maximum packet size


@pytest.mark.broker
def test_a_websocket_delivers_too(tmp_path: Path, make: Make) -> None:
    """Over a WebSocket a message larger than one frame is delivered."""
    plain = find_free_port()
    broker = Mosquitto(tmp_path / "mosquitto", more=["protocol websockets", f"listener {plain} 127.0.0.1"])
    broker.start()
    outbox = MemoryOutbox()
    with Subscriber(plain) as subscriber:
        publisher = make(broker.port, outbox, websocket_path="/mqtt")
        for i in range(200):
            put(outbox, make_event(i))
        publisher.start()
        wait_until(lambda: outbox.measure().total == 0, "every acknowledgement")
        subscriber.catch_up()
        assert sequences(subscriber) == list(range(200))
        publisher.stop()
    broker.stop()


def test_a_closed_connection_refers_to_the_log_of_the_broker(
    serve: Callable[[bytes | None], int], make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    """A broker that closes each connection without a reason: one log line refers to the broker's log, and gives the client's id."""
    make(serve(ACCEPTED), MemoryOutbox()).start()
    line = f"lost (connection closed): if this repeats, see its log; it says if another client uses 'aegan-hall'{RETRYING}"
    wait_until(lambda: line in caplog.text, "the line")
    assert "mqtt.client_id" not in caplog.text


def test_a_malformed_packet_is_the_reason_that_is_logged(
    serve: Callable[[bytes | None], int], make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    """A malformed packet is logged as the reason, however often it comes."""
    port = serve(ACCEPTED + b"\xe0\x01\x05")  # DISCONNECT with a reason that does not exist
    make(port, MemoryOutbox()).start()
    wait_until(lambda: caplog.text.count("accepted client") and "lost (malformed packet" in caplog.text, "the line")
    assert "connection closed" not in caplog.text
