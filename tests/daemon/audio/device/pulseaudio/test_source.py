"""Servers that are none, and streams of one that is."""

import contextlib
import os
import socket
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from aegan_monitor.audio.device.pulseaudio.connection import ANSWER_S, CONTROL, PulseConnection, split_host
from aegan_monitor.audio.device.pulseaudio.source import PulseServer, PulseStream, _list_sources
from aegan_monitor.audio.device.pulseaudio.tagstruct import ChannelMap, SampleSpec, Value, pack
from aegan_monitor.errors import CaptureError
from devices import make_source
from stopwatch import Stopwatch


@pytest.mark.parametrize("kind", ["tcp", "tcp4", "tcp6", ""])
@pytest.mark.parametrize(
    ("place", "found"),
    [
        ("host", ("host", 4713)),
        ("10.0.0.1:4714", ("10.0.0.1", 4714)),
        ("[::1]", ("::1", 4713)),
        ("[fe80::1%eth0]:4714", ("fe80::1%eth0", 4714)),
    ],
)
def test_a_server_in_the_network_has_a_host_and_a_port(kind: str, place: str, found: tuple[str, int]) -> None:
    """An address of IPv6 stands in brackets, since it has colons of its own."""
    assert split_host(f"{kind}:{place}" if kind else place) == found


def refuse(address: str) -> CaptureError:
    """Why no source can be listed."""
    with pytest.raises(CaptureError) as caught:
        PulseServer(address, {}).list_sources()
    return caught.value


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("unix:/nonexistent", "No such file or directory"),
        ("/nonexistent", "No such file or directory"),
        ("tcp:::1", "expected HOST, HOST:PORT or [IPV6]:PORT"),
    ],
)
def test_no_server_is_missing(address: str, reason: str) -> None:
    """With its address, and what to do."""
    error = refuse(address)
    assert str(error) == f"no sound server at {address} ({reason}); start it, or name its address in PULSE_SERVER"
    assert error.fault == "missing"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may connect to any socket")
def test_the_server_of_another_user_has_a_remedy_of_its_own(tmp_path: Path) -> None:
    """Its socket is in a folder that is closed to us: to start it would not help."""
    (tmp_path / "closed").mkdir(mode=0)
    assert "it is another user's: run as that user" in str(refuse(f"unix:{tmp_path}/closed/native"))


def test_each_address_is_tried_in_turn(tmp_path: Path) -> None:
    """The first at which a server listens counts; the message names the last."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "native"))
        listener.listen()
        named = f"unix:/nonexistent unix:{tmp_path}/native unix:/never"
        with pytest.raises(CaptureError, match=f"the sound server at unix:{tmp_path}/native does not answer"):
            PulseServer(environ={"PULSE_SERVER": named}).list_sources()
    with pytest.raises(CaptureError, match="no sound server at unix:/never"):
        PulseServer(environ={"PULSE_SERVER": "unix:/nonexistent unix:/never"}).list_sources()


@pytest.mark.parametrize(
    ("answer", "fault", "message"),
    [
        (None, "stalled", "does not answer; restart it, or see what it waits for"),
        (b"", "missing", "has gone (it has closed the connection); start it again"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "missing", "has gone (it sent 1213486160 bytes at once); start it again"),
        (
            b"\0\0\0\5" + b"\xff" * 4 + bytes(12) + b"?????",
            "missing",
            "has gone (it sent what it should not: unknown type '?' at byte 0); start it again",
        ),
    ],
)
def test_what_is_no_sound_server_is_told(tmp_path: Path, answer: bytes | None, fault: str, message: str) -> None:
    """One that hangs, one that ends, one that speaks another language: in time, in one line."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "native"))
        listener.listen()

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(1000)
                if answer is None:
                    ended.wait(10)
                else:
                    connection.sendall(answer)

        ended = threading.Event()
        thread = threading.Thread(target=serve)
        thread.start()
        with Stopwatch() as watch:
            error = refuse(f"unix:{tmp_path / 'native'}")
            assert watch.read_s() < ANSWER_S + 0.5
        ended.set()
        thread.join()
    assert (error.fault, str(error)) == (fault, f"the sound server at unix:{tmp_path / 'native'} {message}")


NOTHING = bytes(4) + b"\0\0\0\3" + bytes(12)  # a packet of sound without any


def test_a_server_that_sends_all_but_the_answer_hangs(tmp_path: Path) -> None:
    """However much comes unasked the request ends in time: long before this server, which floods for some seconds and then hangs up."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "native"))
        listener.listen()

        def serve() -> None:
            connection, _ = listener.accept()
            ends_s = time.monotonic() + 5 * ANSWER_S
            with connection, contextlib.suppress(OSError):  # who asked has hung up
                while time.monotonic() < ends_s:
                    connection.sendall(5000 * NOTHING)

        thread = threading.Thread(target=serve)
        thread.start()
        error = refuse(f"unix:{tmp_path / 'native'}")
        thread.join()
    told = f"the sound server at unix:{tmp_path / 'native'} does not answer; restart it, or see what it waits for"
    assert (error.fault, str(error)) == ("stalled", told)


CHANNEL = 3
SOUND = np.arange(6, dtype="<f4")


class FalseConnection(PulseConnection):
    """A server that begins a stream of two channels, of the source `heard`, and then sends these packets."""

    def __init__(self, heard: str, packets: list[tuple[int, bytes]]) -> None:
        self._address, self._heard, self._packets = "unix:/nowhere", heard, packets

    def request(self, command: int, *values: Value) -> list[Value]:
        assert (command, "usb" in values) == (5, True)
        return [CHANNEL, 17, 0, 0, SampleSpec(5, 2, 48_000), ChannelMap(b"\1\2"), 9, self._heard, False, 0]

    def receive(self, timeout_s: float) -> tuple[int, bytes] | None:
        assert timeout_s >= 0
        return self._packets.pop(0) if self._packets else None

    def close(self) -> None:
        """Nothing to hang up."""


def tell(command: int, channel: int, *values: Value) -> tuple[int, bytes]:
    """A packet that the server sends unasked."""
    return CONTROL, pack(command, CONTROL, channel, *values)


@pytest.mark.parametrize(
    ("packet", "fault", "message"),
    [
        (tell(65, CHANNEL), "missing", "microphone 'usb': is gone; plug it in again"),
        (tell(79, CHANNEL, 4, "hdmi", False), "moved", "microphone 'usb': the sound server gave 'hdmi' in its place; plug in the first"),
    ],
)
def test_what_the_server_says_of_the_stream_is_heard(packet: tuple[int, bytes], fault: str, message: str) -> None:
    """Killed, or moved though it must not be: what came before is given, nothing of what follows."""
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
    """A server may take any other for one that has just gone."""
    with pytest.raises(CaptureError) as caught:
        PulseStream(FalseConnection("hdmi", []), make_source("usb"))
    assert caught.value.fault == "moved"


class OddConnection(FalseConnection):
    """A server that has one answer to everything."""

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
    """Too short, of other types, without channels, or another encoding (16-bit integers) than was asked for."""
    for ask in (_list_sources, lambda connection: PulseStream(connection, make_source("usb"))):
        with pytest.raises(CaptureError, match=r"the sound server at unix:/nowhere has gone \(it sent what it should not: "):
            ask(OddConnection(answer))


def test_odd_packets_are_the_servers_fault() -> None:
    """Half a sample, and a command without its stream."""
    stream = PulseStream(OddConnection([]), make_source("usb"))
    for _ in range(2):
        with pytest.raises(CaptureError, match="it sent what it should not: "):
            stream.read(0.0)


class OneSource(FalseConnection):
    """A server with a single source, whose name is `heard`."""

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
    """It."""

    def _connect(self) -> PulseConnection:
        return OneSource("usb\n1", [(CHANNEL, SOUND.tobytes())])


def test_a_source_of_an_odd_name_is_opened_by_what_is_shown_of_it() -> None:
    """The server is told the name as it is."""
    stream = OneSourceServer("unix:/nowhere", {}).open(r"usb\n1")
    assert stream.read(0.0) is not None
