"""A monitor in a thread of the test, and a capture that blocks it on request."""

import contextlib
import threading
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import numpy as np

from aegan_monitor.config.model import load_config
from aegan_monitor.detection.bundle import demo_bundle
from aegan_monitor.service.command_queue import CommandQueue
from aegan_monitor.service.health import Snapshot
from aegan_monitor.service.make_parts import make_parts
from aegan_monitor.service.monitor import Monitor
from aegan_monitor.service.parts import Part
from aegan_monitor.types import Block
from broker import STEP_DEADLINE_S


@contextlib.contextmanager
def running(monitor: Monitor) -> Iterator[None]:
    """Run the monitor until the end of the block."""
    thread = threading.Thread(target=monitor.run)
    thread.start()
    try:
        yield
    finally:
        monitor.stop()
        thread.join(STEP_DEADLINE_S)
    assert not thread.is_alive()


def make_their_parts(path: Path) -> list[Part]:
    """The parts of a configuration; none is started, so health is never read."""
    config = load_config(path)
    return make_parts(config, _read_no_health, CommandQueue(), list, lambda _: None)


def _read_no_health(_: datetime) -> Snapshot:
    raise NotImplementedError


class HoldingCapture:
    """A capture of a few samples that then, on request, blocks whoever asks for its description."""

    def __init__(self, sample_rate_hz: int) -> None:
        self.sample_rate_hz = sample_rate_hz
        self.holds, self.held, self.released = threading.Event(), threading.Event(), threading.Event()
        self._next_sample = 0
        self._is_silent = False

    def describe(self) -> str:
        if self._is_silent:  # whoever reads asks behind samples alone, and is not held
            self.held.set()
            self.released.wait(60.0)
        return "a slow driver"

    def open(self) -> None:
        pass

    def read(self) -> Block | None:
        self._is_silent = self.holds.wait(0.005)
        samples = np.zeros(0 if self._is_silent else 1, np.float32)
        self._next_sample += len(samples)
        return Block(samples, self._next_sample - len(samples))

    def close(self) -> None:
        pass


def write_config(folder: Path, port: int, machine: str) -> Path:
    """A configuration with one machine that is soon stalled."""
    path = folder / f"{machine}.yaml"
    path.write_text(
        f"node: box\nmqtt: {{host: 127.0.0.1, port: {port}}}\noutbox: {{path: outbox.sqlite}}\n"
        f"machines: [{{name: {machine}, bundle: {demo_bundle()}, no_data_s: 0.2}}]\n"
    )
    return path
