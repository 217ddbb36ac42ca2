"""Where the sound server is, what proves that we may listen, and servers that are none."""

import socket
import threading
import time
from pathlib import Path

import pytest

from aegan_monitor.capture.pulse import PulseServer
from aegan_monitor.capture.pulse_connection import ANSWER_S, find_address, read_cookie
from aegan_monitor.errors import CaptureError


@pytest.mark.parametrize(
    ("environ", "address"),
    [
        ({"PULSE_SERVER": "unix:/a/b"}, "unix:/a/b"),
        ({"PULSE_SERVER": "{0123}unix:/a/b tcp:host"}, "unix:/a/b"),
        ({"PULSE_SERVER": "tcp:host:4713", "XDG_RUNTIME_DIR": "/x"}, "tcp:host:4713"),
        ({"PULSE_RUNTIME_PATH": "/x"}, "unix:/x/native"),
        ({"XDG_RUNTIME_DIR": "/nonexistent/1"}, "unix:/nonexistent/1/pulse/native"),
        ({"PULSE_SERVER": ""}, "unix:/run/pulse/native"),
    ],
)
def test_the_address_is_where_pulseaudios_own_library_looks(environ: dict[str, str], address: str) -> None:
    """The variable first, then the user's server, then the system's."""
    assert find_address(environ) == address


def test_the_cookie_is_a_whole_one(tmp_path: Path) -> None:
    """A file of another length is none, as is a missing one."""
    assert read_cookie({"HOME": str(tmp_path)}) == bytes(256)
    (tmp_path / ".pulse-cookie").write_bytes(bytes([7]) * 256)
    assert read_cookie({"HOME": str(tmp_path)}) == bytes([7]) * 256
    (tmp_path / "short").write_bytes(b"short")
    assert read_cookie({"HOME": str(tmp_path), "PULSE_COOKIE": str(tmp_path / "short")}) == bytes([7]) * 256


def refuse(address: str) -> CaptureError:
    """Why no source can be listed."""
    with pytest.raises(CaptureError) as caught:
        PulseServer(address, {}).list_sources()
    return caught.value


@pytest.mark.parametrize(
    ("address", "reason"), [("unix:/nonexistent", "No such file or directory"), ("/nonexistent", "No such file or directory")]
)
def test_no_server_is_missing(address: str, reason: str) -> None:
    """With its address, and what to do."""
    error = refuse(address)
    assert str(error) == f"no sound server at {address} ({reason}); start it, or name its address in PULSE_SERVER"
    assert error.fault == "missing"


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
        start_s = time.monotonic()
        error = refuse(f"unix:{tmp_path / 'native'}")
        assert time.monotonic() - start_s < ANSWER_S + 0.5
        ended.set()
        thread.join()
    assert (error.fault, str(error)) == (fault, f"the sound server at unix:{tmp_path / 'native'} {message}")
