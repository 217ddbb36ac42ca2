"""A machine's capture, supervisor and ring as in the daemon, and checks that it hears one tone only."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

import pulse
from aegan_monitor.audio.device.discovery import Devices
from aegan_monitor.audio.device.pulseaudio.source import PulseServer
from aegan_monitor.audio.device.shared_stream import Microphones
from aegan_monitor.audio.microphone import MicrophoneCapture
from aegan_monitor.audio.ring import Ring
from aegan_monitor.audio.supervisor import CaptureSupervisor
from aegan_monitor.types import FloatArray, Run
from stopwatch import wait_within

RATE_HZ = 16_000
RIGHT_HZ, WRONG_HZ = 1000, 3000
DEADLINE_S = 30.0


@dataclass
class Machine:
    """A machine's capture, supervisor and ring as the daemon has them, without the rest of the line."""

    server: pulse.PulseServer | None
    device: str | None
    channel: int = 0
    microphones: Microphones = field(default_factory=Microphones)
    devices: Devices | None = None

    def __post_init__(self) -> None:
        """Start with no thread."""
        devices = self.devices or Devices(PulseServer(self.server.address if self.server else None, {}))
        self.capture = MicrophoneCapture(self.device, self.channel, RATE_HZ, devices=devices, microphones=self.microphones)
        self.ring = Ring(30 * RATE_HZ, 512)
        self.supervisor = CaptureSupervisor("pump", self.capture, self.ring, live=True, waits=False, no_data_s=3.0, retry_s=30.0)

    def wait_for(self, state: str, within_s: float = DEADLINE_S) -> str:
        """Wait until the sensor has that state; returns its detail."""
        wait_within(
            within_s, lambda: self.supervisor.sensor().state == state, lambda: f"{state} expected, found {self.supervisor.sensor()}"
        )
        return self.supervisor.sensor().detail

    def read_all(self) -> list[Run]:
        """All samples in the ring."""
        found = []
        while (run := self.ring.read(0.0)) is not None:
            found.append(run)
        return found

    def hear(self, seconds: float) -> FloatArray:
        """This much sound from now on, without a gap."""
        self.read_all()
        heard: list[FloatArray] = []
        deadline_s = time.monotonic() + seconds + DEADLINE_S
        while sum(map(len, heard)) < seconds * RATE_HZ:
            assert time.monotonic() < deadline_s, self.supervisor.sensor()
            run = self.ring.read(0.2)
            if run is not None:
                assert not run.after_gap
                heard.append(run.samples)
        return np.concatenate(heard)


@contextmanager
def listening(machine: Machine) -> Iterator[Machine]:
    """Capture until the end of the block."""
    machine.supervisor.start()
    try:
        yield machine
    finally:
        machine.supervisor.stop()


def count_open() -> tuple[int, int]:
    """Numbers of threads and file descriptors of this process."""
    return threading.active_count(), len(list(Path("/proc/self/fd").iterdir()))


def level_at(samples: FloatArray, frequency_hz: float) -> float:
    """Amplitude of a tone in `samples`, with a Hann window."""
    window = np.hanning(len(samples))
    wave = np.exp(-2j * np.pi * frequency_hz / RATE_HZ * np.arange(len(samples)))
    return float(2 * abs(window * samples @ wave) / window.sum())


def assert_only_right(runs: list[Run]) -> None:
    """Every tenth of a second contains the right tone and not the wrong one."""
    for run in runs:
        for start in range(0, len(run.samples) - 1600, 1600):
            part = run.samples[start : start + 1600]
            assert level_at(part, RIGHT_HZ) > 0.3, (run.start_sample, start)
            assert level_at(part, WRONG_HZ) < 0.01, (run.start_sample, start)
