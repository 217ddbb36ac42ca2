"""Streams of a sound server: its messages, its faults, and unusual names."""

import numpy as np
import pytest

from aegan_monitor.audio.device.pulseaudio.connection import CONTROL, PulseConnection
from aegan_monitor.audio.device.pulseaudio.source import PulseServer, PulseStream, _list_sources
from aegan_monitor.audio.device.pulseaudio.tagstruct import ChannelMap, SampleSpec, Value, pack
from aegan_monitor.errors import CaptureError
from devices import make_source

CHANNEL = 3
SOUND = np.arange(6, dtype="<f4")


class FalseConnection(PulseConnection):
    """A server that opens a stream of two channels from the source `heard`, then sends these packets."""

    def __init__(self, heard: str, packets: list[tuple[int, bytes]]) -> None:
        self._address, self._heard, self._packets = "unix:/nowhere", heard, packets

    def request(self, command: int, *values: Value) -> list[Value]:
        assert (command, "usb" in values) == (5, True)
        return [CHANNEL, 17, 0, 0, SampleSpec(5, 2, 48_000), ChannelMap(b"\1\2"), 9, self._heard, False, 0]

    def receive(self, timeout_s: float) -> tuple[int, bytes] | None:
        assert timeout_s >= 0
        return self._packets.pop(0) if self._packets else None

    def close(self) -> None:
        """Close nothing."""


def tell(command: int, channel: int, *values: Value) -> tuple[int, bytes]:
    """A packet that the server sends without a request."""
    return CONTROL, pack(command, CONTROL, channel, *values)


@pytest.mark.parametrize(
    ("packet", "fault", "message"),
    [
        (tell(65, CHANNEL), "missing", "microphone 'usb': is gone; plug it in again"),
        (tell(79, CHANNEL, 4, "hdmi", False), "moved", "microphone 'usb': the sound server gave 'hdmi' in its place; plug in the first"),
    ],
)
def test_what_the_server_says_of_the_stream_is_heard(packet: tuple[int, bytes], fault: str, message: str) -> None:
    """When a stream is killed or moved, earlier samples are delivered and later ones are not."""
    harmless = [tell(77, CHANNEL, True), tell(65, CHANNEL + 1), tell(79, CHANNEL, 4, "usb", False), (CHANNEL + 1, SOUND.tobytes())]
    packets = [(CHANNEL, SOUND.tobytes()), *harmless, packet, (CHANNEL, SOUND.tobytes())]
    stream = PulseStream(FalseConnection("usb", packets), make_source("usb"))
    assert (stream.sample_rate_hz, stream.n_channels) == (48_000, 2)
    chunk = stream.read(0.0)
    assert chunk is not None
    np.testing.assert_array_equal(chunk.samples, [[0, 1], [2, 3], [4, 5]])
    with pytest.raises(CaptureError) as caught:
        stream.read(0.0)
    assert (caught.value.fault, str(caught.value)) == (fault, message)


def test_another_source_from_the_start_is_refused() -> None:
    """A stream that the server opens on another source is refused."""
    with pytest.raises(CaptureError) as caught:
        PulseStream(FalseConnection("hdmi", []), make_source("usb"))
    assert caught.value.fault == "moved"


class OddConnection(FalseConnection):
    """A server that gives the same answer to every request."""

    def __init__(self, answer: list[Value]) -> None:
        super().__init__("usb", [(CHANNEL, b"odd"), (CONTROL, pack(65))])
        self._answer = answer

    def request(self, command: int, *values: Value) -> list[Value]:
        return self._answer or super().request(command, *values)


@pytest.mark.parametrize(
    "answer",
    [[1], [1] * 12, *([0, 0, 0, 0, spec, None, 0, "usb"] for spec in (SampleSpec(5, 0, 16_000), SampleSpec(3, 2, 16_000)))],
)
def test_an_odd_answer_is_the_servers_fault(answer: list[Value]) -> None:
    """An answer that is short, of another type, without channels or in another encoding is the server's fault."""
    for ask in (_list_sources, lambda connection: PulseStream(connection, make_source("usb"))):
        with pytest.raises(CaptureError, match=r"the sound server at unix:/nowhere has gone \(it sent wrong data: "):
            ask(OddConnection(answer))


def test_odd_packets_are_the_servers_fault() -> None:
    """Half a sample, or a command without its stream, is the server's fault."""
    stream = PulseStream(OddConnection([]), make_source("usb"))
    for _ in range(2):
        with pytest.raises(CaptureError, match="it sent wrong data: "):
            stream.read(0.0)


class OneSource(FalseConnection):
    """A server with one source named `heard`."""

    def request(self, command: int, *values: Value) -> list[Value]:
        if command == 5:
            assert self._heard in values
            return [CHANNEL, 17, 0, 0, SampleSpec(5, 2, 48_000), ChannelMap(b"\1\2"), 9, self._heard, False, 0]
        row: list[Value] = [
            9,
            self._heard,
            "Mic",
            SampleSpec(3, 2, 48_000),
            ChannelMap(b"\1\2"),
            0,
            0,
            False,
            0xFFFFFFFF,
            None,
            0,
            "x",
            0,
            {},
            0,
        ]
        return row if command == 24 else ["pulse", "1", "user", "host", SampleSpec(3, 2, 48_000), "sink", self._heard]


class OneSourceServer(PulseServer):
    """The address of that server."""

    def _connect(self) -> PulseConnection:
        return OneSource("usb\n1", [(CHANNEL, SOUND.tobytes())])


def test_a_source_of_an_odd_name_is_opened_by_what_is_shown_of_it() -> None:
    """A source is chosen by its printable name, and requested by its real name."""
    stream = OneSourceServer("unix:/nowhere", {}).open(r"usb\n1")
    assert stream.read(0.0) is not None
