"""Connections to peers that are no sound server, and streams of one that is."""

import contextlib
import os
import socket
import threading
import time
from pathlib import Path

import pytest

from aegan_monitor.audio.device.pulseaudio.connection import ANSWER_S, split_host
from aegan_monitor.audio.device.pulseaudio.source import PulseServer
from aegan_monitor.errors import CaptureError
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
    """A TCP address has a host and a port; an IPv6 address stands in brackets."""
    assert split_host(f"{kind}:{place}" if kind else place) == found


def refuse(address: str) -> CaptureError:
    """The error of listing sources."""
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
    """Without a server the error names the address and the remedy."""
    error = refuse(address)
    assert str(error) == f"no sound server at {address} ({reason}); start it, or name its address in PULSE_SERVER"
    assert error.fault == "missing"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may connect to any socket")
def test_the_server_of_another_user_has_a_remedy_of_its_own(tmp_path: Path) -> None:
    """A socket in another user's folder gives a remedy other than starting a server."""
    (tmp_path / "closed").mkdir(mode=0)
    assert "it is another user's: run as that user" in str(refuse(f"unix:{tmp_path}/closed/native"))


def test_each_address_is_tried_in_turn(tmp_path: Path) -> None:
    """The first address with a server is used; the error names the last."""
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
        (None, "stalled", "does not answer; restart it"),
        (b"", "missing", "has gone (it has closed the connection); start it again"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "missing", "has gone (it sent 1213486160 bytes at once); start it again"),
        (
            b"\0\0\0\5" + b"\xff" * 4 + bytes(12) + b"?????",
            "missing",
            "has gone (it sent wrong data: unknown type '?' at byte 0); start it again",
        ),
    ],
)
def test_what_is_no_sound_server_is_reported(tmp_path: Path, answer: bytes | None, fault: str, message: str) -> None:
    """A peer that hangs, disconnects or speaks another protocol gives one line in time."""
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
    """A request ends in time although the server floods it with other packets."""
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
    reported = f"the sound server at unix:{tmp_path / 'native'} does not answer; restart it"
    assert (error.fault, str(error)) == ("stalled", reported)
