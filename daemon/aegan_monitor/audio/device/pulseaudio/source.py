"""Captures a source of a sound server (PulseAudio or PipeWire) over the server's own socket.

PortAudio would use ALSA's plug-in: its stream moves silently to another source when its own disappears, and its calls block when the
server hangs. The protocol offers a stream that the server may end, but not move (`dont_move`), in the source's own format.

Source: `src/pulsecore/protocol-native.c` of PulseAudio.
"""

import os
import time
from collections.abc import Mapping
from contextlib import closing, suppress
from dataclasses import dataclass
from typing import Any

import numpy as np

from aegan_monitor.audio.device.pulseaudio.connection import CONTROL, NoServerError, PulseConnection
from aegan_monitor.audio.device.pulseaudio.server_address import find_addresses, read_cookie
from aegan_monitor.audio.device.pulseaudio.tagstruct import ChannelMap, SampleSpec, Value
from aegan_monitor.audio.device.stream import Chunk
from aegan_monitor.config.names import make_printable
from aegan_monitor.errors import CaptureError

FRAGMENT_S = 0.1  # length of a packet of sound: each wakes the daemon

_CREATE_RECORD_STREAM, _GET_SERVER_INFO, _GET_SOURCE_LIST = 5, 20, 24
_RECORD_STREAM_KILLED, _RECORD_STREAM_MOVED = 65, 79
_NONE = 0xFFFFFFFF
_FLOAT32_LE = 5
_N_SOURCE_FIELDS = 15


@dataclass(frozen=True, slots=True)
class Source:
    """A source; `index` changes when it is plugged in again, `is_monitor`: it carries the sound of an output."""

    index: int
    name: str
    description: str
    n_channels: int
    sample_rate_hz: int
    channel_map: ChannelMap
    is_monitor: bool
    is_default: bool


class PulseServer:
    """One sound server. Each call connects anew: the server may have been restarted. A call raises CaptureError if no server answers."""

    def __init__(self, address: str | None = None, environ: Mapping[str, str] = os.environ) -> None:
        """Store; without an address, each call looks for the server."""
        self._address, self._environ = address, environ

    def list_sources(self) -> list[Source]:
        """All sources."""
        with closing(self._connect()) as connection:
            return _list_sources(connection)

    def open(self, name: str) -> "PulseStream":
        """Listen to the source of that name (as `make_printable` writes it), and no other."""
        connection = self._connect()
        try:
            sources = _list_sources(connection)
            source = next((source for source in sources if make_printable(source.name) == name), None)
            if source is None:
                there = ", ".join(repr(other.name) for other in sources) or "none"
                raise CaptureError(f"the sound server has no source {name!r}; available: {there}; plug the microphone in")
            return PulseStream(connection, source)
        except BaseException:
            connection.close()
            raise

    def _connect(self) -> PulseConnection:
        """A connection to the first address at which a server listens; the error of the last address if none does."""
        *others, last = [self._address] if self._address else find_addresses(self._environ)
        for address in others:
            with suppress(NoServerError):
                return PulseConnection(address, read_cookie(self._environ))
        return PulseConnection(last, read_cookie(self._environ))


def _list_sources(connection: PulseConnection) -> list[Source]:
    info = connection.request(_GET_SERVER_INFO)
    values: list[Any] = connection.request(_GET_SOURCE_LIST)
    rows = [values[start : start + _N_SOURCE_FIELDS] for start in range(0, len(values), _N_SOURCE_FIELDS)]
    with connection.understanding():
        return [
            Source(row[0], row[1], row[2] or row[1], row[3].n_channels, row[3].sample_rate_hz, row[4], row[8] != _NONE, row[1] == info[6])
            for row in rows
        ]


class PulseStream:
    """All channels of one source at its own rate."""

    def __init__(self, connection: PulseConnection, source: Source) -> None:
        """Start to listen.

        Raises:
            CaptureError: The server refuses, or gives another source.
        """
        self._connection, self._name = connection, source.name
        spec = SampleSpec(_FLOAT32_LE, source.n_channels, source.sample_rate_hz)
        n_fragment_bytes = max(1, round(FRAGMENT_S * source.sample_rate_hz)) * source.n_channels * 4
        # no_remap, no_remix, fix_format, fix_rate, fix_channels, dont_move, variable_rate; then peak_detect, adjust_latency
        # (not fixed, but requested as the source has them: PipeWire takes "fixed" for its own rate and two channels)
        flags = (False, True, False, False, False, True, False, False, True)
        properties = {"media.name": b"machine sound\0", "node.dont-reconnect": b"true\0", "node.dont-fallback": b"true\0"}
        answer: list[Any] = connection.request(
            _CREATE_RECORD_STREAM,
            *(spec, source.channel_map, _NONE, source.name, _NONE, False, n_fragment_bytes, *flags, properties, _NONE, False),
        )
        with connection.understanding():
            self._channel, given, heard = answer[0], answer[4], answer[7]
            self.sample_rate_hz, self.n_channels = given.sample_rate_hz, given.n_channels
            if given.encoding != _FLOAT32_LE or self.sample_rate_hz < 1 or self.n_channels < 1:
                raise ValueError(f"a stream of the format {given}")
        if heard != source.name:
            raise self._moved(heard)

    def read(self, timeout_s: float) -> Chunk | None:
        """See Stream."""
        deadline_s = time.monotonic() + timeout_s
        while (packet := self._connection.receive(max(0.0, deadline_s - time.monotonic()))) is not None:
            channel, payload = packet
            if channel == self._channel:
                with self._connection.understanding():
                    return Chunk(np.frombuffer(payload, "<f4").astype(np.float32).reshape(-1, self.n_channels))
            if channel == CONTROL:
                self._handle(self._connection.unpack(payload))
        return None

    def close(self) -> None:
        """End the stream."""
        self._connection.close()

    def _handle(self, message: list[Value]) -> None:
        with self._connection.understanding():
            command, _, channel, *rest = message
            if channel != self._channel:
                return
            if command == _RECORD_STREAM_KILLED:
                raise CaptureError(f"microphone {self._name!r}: is gone; plug it in again")
            if command == _RECORD_STREAM_MOVED and rest[1] != self._name:
                raise self._moved(rest[1])

    def _moved(self, other: Value) -> CaptureError:
        return CaptureError(f"microphone {self._name!r}: the sound server gave {other!r} in its place; plug in the first", "moved")
