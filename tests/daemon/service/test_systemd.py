"""Notifications to systemd, on a real datagram socket."""

import contextlib
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from aegan_monitor.service.systemd import Notifier, watchdog_interval_s


@pytest.fixture
def receiver() -> Iterator[socket.socket]:
    """A datagram socket that is not bound yet."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as bound:
        bound.settimeout(5.0)
        yield bound


@pytest.mark.parametrize("abstract", [False, True], ids=["path", "abstract"])
def test_each_call_is_one_datagram(receiver: socket.socket, tmp_path: Path, abstract: bool) -> None:
    """Each call sends one datagram of sd_notify(3), over a socket in the file system or the abstract namespace."""
    address = f"@{uuid4()}" if abstract else str(tmp_path / "notify")
    receiver.bind(address.replace("@", "\0", 1) if abstract else address)
    notifier = Notifier(address)
    notifier.send("READY=1")
    notifier.status("pump normal,\n cpu in use")
    notifier.send("WATCHDOG=1")
    notifier.send("STOPPING=1")
    assert [receiver.recv(4096) for _ in range(4)] == [b"READY=1", b"STATUS=pump normal, cpu in use", b"WATCHDOG=1", b"STOPPING=1"]


def test_a_status_cannot_smuggle_another_assignment(receiver: socket.socket, tmp_path: Path) -> None:
    """A line break in a status becomes a space, so it cannot start another variable."""
    receiver.bind(str(tmp_path / "notify"))
    Notifier(str(tmp_path / "notify")).status("x\nMAINPID=1")
    assert receiver.recv(4096) == b"STATUS=x MAINPID=1"


@pytest.mark.parametrize("address", [None, ""])
def test_without_a_socket_it_is_silent(address: str | None) -> None:
    """Outside systemd nothing happens."""
    Notifier(address).send("READY=1")


def test_a_socket_that_has_gone_is_no_error(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A removed socket is logged at debug level only."""
    caplog.set_level("DEBUG", "aegan_monitor.service.systemd")
    Notifier(str(tmp_path / "gone")).send("WATCHDOG=1")
    assert caplog.messages == [f"systemd's socket {tmp_path / 'gone'} cannot be written ([Errno 2] No such file or directory)"]


def test_a_socket_that_nobody_reads_does_not_stop_the_monitor(receiver: socket.socket, tmp_path: Path) -> None:
    """A full socket delays each message by at most one second, then the message is dropped."""
    receiver.bind(str(tmp_path / "notify"))
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as filler:
        filler.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while True:
                filler.sendto(b"x", str(tmp_path / "notify"))
    Notifier(str(tmp_path / "notify")).send("WATCHDOG=1")


def test_a_reload_reports_when_it_began(receiver: socket.socket, tmp_path: Path) -> None:
    """RELOADING=1 and MONOTONIC_USEC are sent in one datagram."""
    receiver.bind(str(tmp_path / "notify"))
    before = time.monotonic_ns() // 1000
    Notifier(str(tmp_path / "notify")).reloading()
    first, second = receiver.recv(4096).decode().split("\n")
    assert first == "RELOADING=1"
    name, value = second.split("=")
    assert name == "MONOTONIC_USEC"
    assert before <= int(value) <= time.monotonic_ns() // 1000


@pytest.mark.parametrize(
    ("environment", "interval_s"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "60000000"}, 60.0),
        ({"WATCHDOG_USEC": "60000000", "WATCHDOG_PID": "7"}, 60.0),
        ({"WATCHDOG_USEC": "60000000", "WATCHDOG_PID": "8"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
    ],
)
def test_the_watchdog_is_fed_where_systemd_wants_it(environment: dict[str, str], interval_s: float | None) -> None:
    """Only the process named by WATCHDOG_PID (7 here) feeds the watchdog."""
    assert watchdog_interval_s(environment, 7) == interval_s
