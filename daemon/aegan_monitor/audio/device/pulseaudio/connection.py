"""Connection to a sound server by PulseAudio's protocol; each request has a time limit.

Source: `src/pulsecore/pstream.c`, `protocol-native.c` and `native-common.h` of PulseAudio; version 14, which every server since
2009 understands, PipeWire too.
"""

import re
import select
import socket
import struct
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

from aegan_monitor.audio.device.pulseaudio.tagstruct import Value, pack, unpack
from aegan_monitor.errors import CaptureError

ANSWER_S = 0.8  # a server that takes longer hangs
CONTROL = 0xFFFFFFFF  # the channel of commands and answers

_VERSION = 14
_ERROR, _REPLY, _AUTH, _SET_CLIENT_NAME = 0, 2, 8, 9
_REASONS = {1: "access denied", 5: "no such source", 17: "it speaks another version of the protocol"}
_DESCRIPTOR = struct.Struct(">5I")  # length, channel, offset (2), flags
_LARGEST_PACKET = 16 * 1024 * 1024
_HOST = re.compile(r"(?:tcp[46]?:)?(?:\[(?P<ipv6>[^]]+)\]|(?P<name>[^:]*))(?::(?P<port>\d+))?")
_PORT = 4713


def split_host(address: str) -> tuple[str, int]:
    """Host and port of `HOST`, `HOST:PORT`, `[IPV6]` or `[IPV6]:PORT`, after an optional `tcp:`, `tcp4:` or `tcp6:`.

    Raises:
        ValueError: The address has another form.
    """
    match = _HOST.fullmatch(address)
    if match is None:
        raise ValueError("expected HOST, HOST:PORT or [IPV6]:PORT")
    return match["ipv6"] or match["name"], int(match["port"] or _PORT)


class NoServerError(CaptureError):
    """No server listens at the address; unlike a server that hangs or refuses."""


class PulseConnection:
    """Requests and packets. Every method but `close` raises CaptureError if the server refuses, hangs, ends or sends wrong data.

    Other packets that arrive before an answer are kept for `receive`.
    """

    def __init__(self, address: str, cookie: bytes) -> None:
        """Connect."""
        self._address = address
        self._buffer = bytearray()
        self._waiting: deque[tuple[int, bytes]] = deque()
        self._tag = 0
        self._socket = self._open_socket()
        try:
            self.request(_AUTH, _VERSION, cookie)
            self.request(_SET_CLIENT_NAME, {"application.name": b"aegan-monitor\0"})
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """End the connection."""
        self._socket.close()

    def request(self, command: int, *values: Value) -> list[Value]:
        """Send a request, and return the values of the answer."""
        self._tag += 1
        content = pack(command, self._tag, *values)
        deadline_s = time.monotonic() + ANSWER_S
        try:
            self._socket.sendall(_DESCRIPTOR.pack(len(content), CONTROL, 0, 0, 0) + content)
        except OSError as error:
            raise self._lost(error.strerror or str(error)) from error
        while (left_s := deadline_s - time.monotonic()) > 0 and (packet := self._receive(left_s)) is not None:
            channel, payload = packet
            answer = self.unpack(payload) if channel == CONTROL else []
            if answer[:2] == [_REPLY, self._tag]:
                return answer[2:]
            if answer[:2] == [_ERROR, self._tag]:
                with self.understanding():
                    reason = _REASONS.get(answer[2], f"error {answer[2]!r}")  # type: ignore[arg-type] # any value may come
                raise CaptureError(f"the sound server at {self._address} refuses ({reason}); check its log")
            self._waiting.append(packet)
        raise self._hangs()

    def receive(self, timeout_s: float) -> tuple[int, bytes] | None:
        """Channel and payload of the next packet; None if none came."""
        return self._waiting.popleft() if self._waiting else self._receive(timeout_s)

    def unpack(self, payload: bytes) -> list[Value]:
        """The values of a packet."""
        with self.understanding():
            return unpack(payload)

    @contextmanager
    def understanding(self) -> Iterator[None]:
        """Turn errors of unpacking and using an answer into a CaptureError that names the server."""
        try:
            yield
        except (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError) as error:
            raise self._lost(f"it sent wrong data: {error}") from error

    def _receive(self, timeout_s: float) -> tuple[int, bytes] | None:
        deadline_s = time.monotonic() + timeout_s
        poll = select.poll()
        poll.register(self._socket, select.POLLIN)
        while (packet := self._take_packet()) is None:
            if not poll.poll(1000 * max(0.0, deadline_s - time.monotonic())):
                return None
            try:
                content = self._socket.recv(1 << 18)
            except OSError as error:
                raise self._lost(error.strerror or str(error)) from error
            if not content:
                raise self._lost("it has closed the connection")
            self._buffer += content
        return packet

    def _take_packet(self) -> tuple[int, bytes] | None:
        if len(self._buffer) < _DESCRIPTOR.size:
            return None
        n_bytes, channel, *_ = _DESCRIPTOR.unpack_from(self._buffer)
        if n_bytes > _LARGEST_PACKET:
            raise self._lost(f"it sent {n_bytes} bytes at once")
        end = _DESCRIPTOR.size + n_bytes
        if len(self._buffer) < end:
            return None
        payload = bytes(self._buffer[_DESCRIPTOR.size : end])
        del self._buffer[:end]
        return channel, payload

    def _open_socket(self) -> socket.socket:
        kind, _, place = self._address.partition(":") if not self._address.startswith("/") else ("unix", "", self._address)
        try:
            if kind == "unix":
                opened = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
                try:
                    opened.settimeout(ANSWER_S)
                    opened.connect(place)
                except BaseException:
                    opened.close()
                    raise
                return opened
            return socket.create_connection(split_host(self._address), ANSWER_S)
        except (BlockingIOError, TimeoutError) as error:  # also if its queue of connections is full
            raise self._hangs() from error
        except (OSError, ValueError) as error:
            reason, remedy = getattr(error, "strerror", None) or error, "start it, or name its address in PULSE_SERVER"
            if isinstance(error, PermissionError):
                remedy = "it is another user's: run as that user, or set up a sound server for the whole system"
            raise NoServerError(f"no sound server at {self._address} ({reason}); {remedy}") from error

    def _hangs(self) -> CaptureError:
        return CaptureError(f"the sound server at {self._address} does not answer; restart it", "stalled")

    def _lost(self, reason: str) -> CaptureError:
        return CaptureError(f"the sound server at {self._address} has gone ({reason}); start it again")
