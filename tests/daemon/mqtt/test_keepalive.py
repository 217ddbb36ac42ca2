"""Keep-alive and acknowledgement time-out, against a scripted broker."""

import contextlib
import socket
import time

import pytest

from aegan_monitor.mqtt.connection import NOTICE_KEEPALIVES
from aegan_monitor.outbox.entry import Entry
from broker import STEP_DEADLINE_S, wait_until
from example_messages import make_event, put
from mqtt_peer import accepting, answer, read_packet
from outbox_messages import MemoryOutbox
from publishers import RETRYING, Make
from stopwatch import Stopwatch

NO_KEEP_ALIVE = b"\x20\x06\x00\x00\x03\x13\x00\x00"  # CONNACK with a Server Keep Alive of 0


def test_a_silent_peer_is_left_within_two_keep_alives(make: Make, caplog: pytest.LogCaptureFixture) -> None:
    """A peer that goes silent after CONNACK, without FIN, is disconnected within two keep-alives."""
    with socket.create_server(("127.0.0.1", 0)) as server, Stopwatch() as watch:
        publisher = make(server.getsockname()[1], MemoryOutbox(), keepalive_s=2)
        publisher.start()
        with accepting(server) as (peer, stream, _):
            online = read_packet(stream)
            began_s = watch.read_s()
            peer.sendall(answer(online))  # it owes nothing
            wait_until(lambda: any("lost (Keep alive timeout)" in message for message in caplog.messages), "its end")
            took_s = watch.read_s() - began_s
            assert stream.read().endswith(b"\xc0\x00")  # it has asked: PINGREQ
    assert took_s < (NOTICE_KEEPALIVES + 0.5) * 2  # a turn of the loop, on a busy machine


def hear_out(server: socket.socket) -> list[bytes]:
    """Accept a connection and answer only its pings; returns its packets until the client disconnects."""
    bodies: list[bytes] = []
    with accepting(server) as (peer, stream, _), contextlib.suppress(IndexError, OSError):
        while True:
            first, body = read_packet(stream)
            bodies.append(body)
            if first == 0xC0:
                peer.sendall(b"\xd0\x00")
    return bodies


def test_a_broker_that_acknowledges_nothing_is_left(make: Make, caplog: pytest.LogCaptureFixture) -> None:
    """A broker that answers only pings is disconnected; each connection sends the events again, and the reason is logged once."""
    outbox = MemoryOutbox()
    put(outbox, make_event(1))
    reported = f"left a message without acknowledgement for 3 s: see the log of the broker{RETRYING}"
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        # Twice the time for an answer: so late as CONNACK may come, the message is late by then, and the connection no settled one.
        publisher = make(port, outbox, keepalive_s=2, answer_timeout_s=1.0, settled_s=2.0)
        publisher.start()
        heard: list[list[bytes]] = []
        while len(heard) < 2:
            bodies = hear_out(server)
            if publisher.problem == reported:  # else neither side had processor time
                heard.append(bodies)
        publisher.stop(timeout_s=0.0)
    assert all(any(b"id-1" in body for body in bodies) for bodies in heard)
    assert caplog.messages.count(f"MQTT broker 127.0.0.1:{port} {reported}") == 1
    assert outbox.measure().total == 1


def test_a_broker_that_wants_no_keep_alive_is_served(make: Make) -> None:
    """With Server Keep Alive 0 (MQTT 5) silence is no error, but a missing acknowledgement is."""
    outbox = MemoryOutbox()
    with socket.create_server(("127.0.0.1", 0)) as server:
        publisher = make(server.getsockname()[1], outbox, keepalive_s=1, answer_timeout_s=1.0)
        publisher.start()
        with accepting(server, NO_KEEP_ALIVE) as (peer, stream, _):
            peer.sendall(answer(read_packet(stream)))
            peer.settimeout(2.0)
            with pytest.raises(TimeoutError):
                stream.read(1)
            assert publisher.connected
        with accepting(server, NO_KEEP_ALIVE) as (_, stream, _):
            assert stream.read()
            wait_until(lambda: "without acknowledgement for 1.5 s" in publisher.problem, "the word that it owes")
            publisher.stop(timeout_s=0.0)


class FrozenOutbox(MemoryOutbox):
    """An outbox that blocks the MQTT thread once, as a frozen process does."""

    def __init__(self, freeze_s: float) -> None:
        super().__init__()
        self.freeze_s = freeze_s

    def next(self) -> Entry | None:
        """Give the next message, late at the first call."""
        freeze_s, self.freeze_s = self.freeze_s, 0.0
        time.sleep(freeze_s)
        return super().next()


def test_a_thread_that_was_frozen_asks_before_it_gives_up(make: Make) -> None:
    """After a freeze of two keep-alives a PINGREQ is sent, and its answer keeps the connection."""
    outbox = FrozenOutbox(freeze_s=2.5)
    with socket.create_server(("127.0.0.1", 0)) as server:
        publisher = make(server.getsockname()[1], outbox, keepalive_s=1, answer_timeout_s=STEP_DEADLINE_S)
        publisher.start()
        with accepting(server) as (peer, stream, _):
            pings = 0
            while pings < 3:
                packet = read_packet(stream)
                if packet[0] == 0xC0:
                    peer.sendall(b"\xd0\x00")
                    pings += 1
                elif packet[0] & 0xF0 == 0x30:
                    peer.sendall(answer(packet))
            assert publisher.connected
            publisher.stop(timeout_s=0.0)
