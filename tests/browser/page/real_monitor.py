"""`aegan-monitor run` with the page, hearing the demo's pump through a pipe; its bearing fails on request."""

import contextlib
import subprocess
import sys
import threading
from pathlib import Path
from typing import Self

import numpy as np

from aegan_monitor.demo.pump import Pump
from aegan_monitor.detection.bundle import demo_bundle
from broker import find_free_port

RATE_HZ, PIECE_S, SPEED = 16_000, 0.1, 3.0
READY_S = 12.0  # of sound that is there at once: the first decision needs 10 s


class RealMonitor:
    """The process. `fail` breaks the bearing; `kill` ends it as a power cut does, and `start` starts it again."""

    def __init__(self, folder: Path, mqtt_port: int) -> None:
        self.log = folder / "log"
        self.port = find_free_port()
        self._config = folder / "monitor.yaml"
        self._config.write_text(
            f"node: hall\nmqtt: {{host: 127.0.0.1, port: {mqtt_port}}}\noutbox: {{path: outbox.sqlite}}\n"
            f"web: {{port: {self.port}, allowed_hosts: [monitor.test]}}\n"
            f"machines: [{{name: pump, bundle: {demo_bundle()}, alarm: {{on_delay_s: 3}}, "
            "capture: {kind: stdin, sample_format: s16le}}]\n"
        )
        self._has_failed, self._ending = threading.Event(), threading.Event()
        self.start()

    def __enter__(self) -> Self:
        """Return self."""
        return self

    def __exit__(self, *_: object) -> None:
        """Kill it."""
        self.kill()

    def start(self) -> None:
        """Start it."""
        self._ending = threading.Event()
        command = [sys.executable, "-m", "aegan_monitor.cli", "run", "--config", str(self._config)]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stderr=log)
        self._thread = threading.Thread(target=self._feed, args=(self._process, self._ending))
        self._thread.start()

    def fail(self) -> None:
        """Break the bearing."""
        self._has_failed.set()

    def kill(self) -> None:
        """Kill it."""
        self._process.kill()
        self._process.wait(30.0)
        self._ending.set()
        self._thread.join(30.0)

    def _feed(self, process: "subprocess.Popen[bytes]", ending: threading.Event) -> None:
        assert process.stdin is not None
        normal, faulty = Pump(5, RATE_HZ), Pump(5, RATE_HZ, 0.0)
        with contextlib.suppress(BrokenPipeError), process.stdin as pipe:
            n_samples = round(READY_S * RATE_HZ)
            while not ending.is_set():
                pump = faulty if self._has_failed.is_set() else normal
                pipe.write((32767 * np.clip(pump.read(n_samples), -1, 1)).astype("<i2").tobytes())
                pipe.flush()
                n_samples = round(PIECE_S * RATE_HZ)
                ending.wait(PIECE_S / SPEED)
