"""A scripted MQTT 5 broker: single packets over a socket."""

import base64
import contextlib
import hashlib
import socket
import time
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

from broker import STEP_DEADLINE_S

ACCEPTED = b"\x20\x03\x00\x00\x00"  # CONNACK of MQTT 5


def read_packet(stream: BinaryIO) -> tuple[int, bytes]:
    """The next MQTT packet: its first byte and its body."""
    first, length, shift = stream.read(1)[0], 0, 0
    while True:
        digit = stream.read(1)[0]
        length |= (digit & 0x7F) << shift
        shift += 7
        if digit < 0x80:
            return first, stream.read(length)


class Accepted(NamedTuple):
    """A connection that was accepted just after `told_s`."""

    peer: socket.socket
    stream: BinaryIO
    told_s: float


@contextlib.contextmanager
def accepting(server: socket.socket, accepted: bytes = ACCEPTED) -> Iterator[Accepted]:
    """The first connection that sends something in time; a busy machine may drop earlier ones."""
    is_heard = False
    while not is_heard:
        peer, _ = server.accept()
        with peer, peer.makefile("rb") as stream:
            peer.settimeout(STEP_DEADLINE_S)
            told_s = time.monotonic()
            with contextlib.suppress(IndexError, OSError):
                read_packet(stream)
                told_s = time.monotonic()
                peer.sendall(accepted)
                is_heard = bool(stream.peek(1))
            if is_heard:
                yield Accepted(peer, stream, told_s)


def publish_id(packet: tuple[int, bytes]) -> int:
    """The message id of a PUBLISH with QoS 1."""
    first, body = packet
    assert first & 0xF6 == 0x32, packet
    n_topic = int.from_bytes(body[:2], "big")
    return int.from_bytes(body[2 + n_topic : 4 + n_topic], "big")


def answer(packet: tuple[int, bytes], reason: int = 0) -> bytes:
    """A PUBACK."""
    return b"\x40\x03" + publish_id(packet).to_bytes(2, "big") + bytes((reason,))


def make_upgrade(request: bytes) -> bytes:
    """A WebSocket server's answer (RFC 6455, 1.3)."""
    key = next(line.partition(b": ")[2] for line in request.split(b"\r\n") if line.startswith(b"Sec-WebSocket-Key"))
    accept = base64.b64encode(hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())  # noqa: S324 # as it is written there
    head = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "
    return head + accept + b"\r\n\r\n"
