"""Fixtures of the MQTT tests: publishers, a link to the broker that can be cut, and scripted peers."""

import contextlib
import logging
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from aegan_monitor.mqtt.connection_settings import ConnectionSettings
from aegan_monitor.mqtt.endpoint import Endpoint
from aegan_monitor.mqtt.publisher import MqttPublisher
from aegan_monitor.outbox.outbox import Outbox
from broker import Mosquitto
from example_messages import TOPICS
from link import Link
from publishers import Make, wait_for_end


@pytest.fixture
def make(caplog: pytest.LogCaptureFixture) -> Iterator[Make]:
    """Makes publishers that retry fast, and stops them at the end."""
    caplog.set_level(logging.INFO, "aegan_monitor.mqtt.publisher")
    made: list[MqttPublisher] = []

    def make_publisher(port: int, outbox: Outbox, **changes: Any) -> MqttPublisher:
        who = {name: changes.pop(name) for name in ("username", "password", "websocket_path") if name in changes}
        endpoint = Endpoint("127.0.0.1", port, "aegan-hall", **who)
        settings = ConnectionSettings(**{"endpoint": endpoint, "protocol": "5", "topics": TOPICS, "retry_s": (0.05, 0.2), **changes})
        made.append(MqttPublisher(settings, outbox))
        return made[-1]

    yield make_publisher
    for publisher in made:
        publisher.stop()
    wait_for_end()


@pytest.fixture
def link(broker: Mosquitto) -> Iterator[Link]:
    """A connected link to the broker."""
    wire = Link(broker.port)
    wire.join()
    yield wire
    wire.cut()


@pytest.fixture
def serve() -> Iterator[Callable[[bytes | None], int]]:
    """Serves peers that wait for data, answer these bytes (None: nothing) and close; returns the port."""
    servers: list[socket.socket] = []
    kept: list[socket.socket] = []

    def answer(server: socket.socket, reply: bytes | None) -> None:
        while True:
            try:
                peer, _ = server.accept()
            except OSError:
                return
            if reply is None:
                kept.append(peer)  # and says nothing
                continue
            with peer, contextlib.suppress(OSError):  # it may have gone by now
                peer.recv(4096)
                peer.sendall(reply)

    def start(reply: bytes | None) -> int:
        server = socket.create_server(("127.0.0.1", 0))
        servers.append(server)
        threading.Thread(target=answer, args=(server, reply), daemon=True).start()
        return int(server.getsockname()[1])

    yield start
    for server in servers:
        server.shutdown(socket.SHUT_RDWR)
    for end in (*servers, *kept):
        end.close()
