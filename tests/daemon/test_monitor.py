"""The running daemon and systemd's watchdog: it is fed while every machine is judged or told to be deaf, and not otherwise."""

import contextlib
import os
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from aegan_monitor.capture import Capture
from aegan_monitor.config import MachineConfig, load_config
from aegan_monitor.demo import bundle_path
from aegan_monitor.errors import CaptureError
from aegan_monitor.monitor import Monitor
from aegan_monitor.notify import Notifier
from aegan_monitor.types import Block
from broker import find_free_port, wait_until

HURRY = 100.0  # the watchdog's clock runs so many times faster
FED = b"WATCHDOG=1"
FEED_S = 0.05
LATE = "pump: its sensor is well, but nothing was decided for"


class TricklingCapture:
    """A sample at a time, without a gap, and so few that no clip is ever complete; `gone` unplugs it."""

    def __init__(self, sample_rate_hz: int) -> None:
        self.sample_rate_hz = sample_rate_hz
        self.gone = threading.Event()
        self._n_blocks = 0

    def describe(self) -> str:
        return "a loose plug"

    def open(self) -> None:
        if self.gone.is_set():
            raise CaptureError("a loose plug: no such device; plug it in")

    def read(self) -> Block | None:
        if self.gone.wait(0.005):
            raise CaptureError("a loose plug: stopped; plug it in")
        self._n_blocks += 1
        return Block(np.zeros(1, np.float32), self._n_blocks - 1)

    def close(self) -> None:
        pass


@pytest.fixture
def systemd(tmp_path: Path) -> Iterator[socket.socket]:
    """What the daemon tells; a queue of datagrams."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as bound:
        bound.bind(str(tmp_path / "notify"))
        bound.setblocking(False)
        yield bound


def heard(systemd: socket.socket) -> list[bytes]:
    """All that was told since the last time."""
    found = []
    with contextlib.suppress(BlockingIOError):
        while True:
            found.append(systemd.recv(4096))
    return found


def test_deaf_or_hung_is_not_fed_and_told_to_be_deaf_is(
    systemd: socket.socket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A sensor that is well while nothing is ever decided; then the sensor's fault is told, and all is in order."""
    monkeypatch.setenv("WATCHDOG_USEC", f"{round(4e6 * FEED_S)}")
    monkeypatch.setenv("WATCHDOG_PID", str(os.getpid()))
    path = tmp_path / "monitor.yaml"
    path.write_text(
        f"mqtt: {{host: 127.0.0.1, port: {find_free_port()}}}\noutbox: {{path: outbox.sqlite}}\n"
        f"machines: [{{name: pump, bundle: {bundle_path()}, retry_s: 0.1}}]\n"
    )
    captures: list[TricklingCapture] = []

    def make_capture(_: MachineConfig, sample_rate_hz: int) -> Capture:
        captures.append(TricklingCapture(sample_rate_hz))
        return captures[0]

    notifier = Notifier(str(tmp_path / "notify"))
    monitor = Monitor(load_config(path), capture=make_capture, notifier=notifier, clock=lambda: HURRY * time.monotonic())
    running = threading.Thread(target=monitor.run)
    running.start()
    try:
        wait_until(lambda: LATE in caplog.text, "a machine over its time")
        before = heard(systemd)
        assert FED in before
        assert before.index(b"READY=1") < before.index(FED)
        time.sleep(10 * FEED_S)  # in which nothing must come
        assert FED not in heard(systemd)
        captures[0].gone.set()
        wait_until(lambda: FED in heard(systemd), "food")
        assert caplog.text.count(LATE) == 1
    finally:
        monitor.stop()
        running.join(10.0)
    assert not running.is_alive()
