"""`aegan-monitor demo`: a synthesised pump, a monitor, a broker and a subscriber."""

import logging
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

from aegan_monitor.config.model import MachineConfig, MonitorConfig
from aegan_monitor.demo.broker import run_broker
from aegan_monitor.demo.pump import Pump
from aegan_monitor.demo.subscriber import Subscriber
from aegan_monitor.detection.bundle import demo_bundle
from aegan_monitor.errors import EXIT_FAILED, AeganError
from aegan_monitor.service.monitor import Monitor
from aegan_monitor.types import Block

FAULT_FROM_S = 25.0
LONGEST_S = 60.0
SAMPLE_RATE_HZ = 16_000  # of the demo's bundle
BLOCK_SAMPLES = 1600
ON_DELAY_S = 3.0
SUBSCRIBE_TIMEOUT_S = 20.0


class PumpCapture:
    """Capture that delivers the synthesised pump at the pace of a microphone."""

    def __init__(
        self,
        seed: int,
        sample_rate_hz: int,
        fault_from_s: float,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.sample_rate_hz = sample_rate_hz
        self._seed = seed
        self._pump = Pump(seed, sample_rate_hz, fault_from_s)
        self._clock, self._sleep = clock, sleep
        self._began_s = 0.0
        self._next_sample = 0

    def describe(self) -> str:
        """Name of the source."""
        return f"a synthesised pump (seed {self._seed})"

    def open(self) -> None:
        """Start the clock."""
        self._began_s = self._clock() - self._next_sample / self.sample_rate_hz

    def read(self) -> Block | None:
        """The next 0.1 s of sound, at the time at which a microphone would deliver it."""
        block = Block(self._pump.read(BLOCK_SAMPLES), self._next_sample)
        self._next_sample += BLOCK_SAMPLES
        self._sleep(max(0.0, self._began_s + self._next_sample / self.sample_rate_hz - self._clock()))
        return block

    def close(self) -> None:
        """Do nothing: there is no device."""


def make_config(port: int, folder: Path) -> MonitorConfig:
    """The configuration of the demonstration, as `monitor.yaml` would have it."""
    return MonitorConfig.model_validate(
        {
            "node": "demo",
            "mqtt": {"host": "127.0.0.1", "port": port, "protocol": "3.1.1"},
            "outbox": {"path": folder / "outbox.sqlite"},
            "machines": [
                {
                    "name": "pump",
                    "bundle": demo_bundle(),
                    "capture": {"kind": "stdin", "sample_format": "f32le"},
                    "alarm": {"on_delay_s": ON_DELAY_S},
                }
            ],
        }
    )


def run_show(seed: int, speed: float = 1.0) -> int:
    """Run until the alarm, at `speed` times real time. Returns 1 if none comes, or one comes before the fault."""

    def make_capture(_: MachineConfig, rate_hz: int) -> PumpCapture:
        return PumpCapture(seed, rate_hz, FAULT_FROM_S, lambda: speed * time.monotonic(), lambda wait_s: time.sleep(wait_s / speed))

    logging.basicConfig(level=logging.WARNING, format="monitor     %(message)s", stream=sys.stdout)
    logging.getLogger("aegan_monitor").setLevel(logging.INFO)
    print(
        f"A pump runs. At {FAULT_FROM_S:g} s its bearing fails, at the same loudness. The monitor was trained on normal pumps only.",
        flush=True,
    )
    subscriber = Subscriber("aegan/demo")
    with run_broker() as port, tempfile.TemporaryDirectory() as folder:
        subscriber.start(port)
        try:
            if not subscriber.subscribed.wait(SUBSCRIBE_TIMEOUT_S):
                raise AeganError("demo: the subscriber cannot reach the broker; try again")
            monitor = Monitor(make_config(port, Path(folder)), capture=make_capture)
            worker = threading.Thread(target=monitor.run, name="monitor")
            worker.start()
            try:
                subscriber.wait(LONGEST_S)
            finally:
                monitor.stop()
                worker.join()
        finally:
            subscriber.stop()
    passed = subscriber.raised_sample is not None and subscriber.raised_sample >= round(FAULT_FROM_S * SAMPLE_RATE_HZ)
    verdict = "the alarm came after the fault and reached the subscriber" if passed else "FAILED: no alarm, or one before the fault"
    print(f"demo: {verdict}", flush=True)
    return 0 if passed else EXIT_FAILED
