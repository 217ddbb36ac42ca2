"""The client accepts reason codes that paho does not know: they refuse one message and keep the connection."""

import socket

import pytest

from aegan_monitor.messages.topics import Message
from aegan_monitor.mqtt.client import LARGER_LIMIT
from broker import wait_until
from example_messages import EVENT_TOPIC, make_alarm, make_event, put
from mqtt_peer import accepting, answer, read_packet
from outbox_messages import MemoryOutbox
from publishers import Make, wait_for_end


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (0x95, f"(Packet too large): it is not sent again on this connection; {LARGER_LIMIT}"),
        (0xEE, "(reason code 0xee): it is not sent again"),
    ],
)
def test_an_unknown_reason_refuses_one_message(make: Make, caplog: pytest.LogCaptureFixture, code: int, words: str) -> None:
    """The refusal is counted and logged once, and later messages are sent on the same connection."""
    outbox = MemoryOutbox()
    put(outbox, make_event(1))
    outbox.put(Message(EVENT_TOPIC, b"next", 1, False, "event"))
    put(outbox, make_alarm(active=True))
    with socket.create_server(("127.0.0.1", 0)) as server:
        publisher = make(server.getsockname()[1], outbox)
        publisher.start()
        with accepting(server) as (peer, stream, _):
            packets = [read_packet(stream) for _ in range(3)]
            peer.sendall(b"".join(answer(packet, code if b"id-1" in packet[1] else 0) for packet in packets))
            wait_until(lambda: outbox.measure().total == 1, "an answer to each")
            assert read_packet(stream)[1].endswith(b"online")
            assert publisher.connected
            publisher.stop(timeout_s=0.0)
    wait_for_end()
    (line,) = [message for message in caplog.messages if "refused" in message]
    assert f"refused a message on {EVENT_TOPIC} {words}" in line
    assert (publisher.refused_total, outbox.measure().parked) == (1, 1)
