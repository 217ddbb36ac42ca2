"""`aegan-monitor demo`: a synthesised pump, a monitor, a broker and a subscriber."""

import logging
import sys
import tempfile
import threading
import time
from pathlib import Path

from aegan_monitor.audio.file import FileCapture
from aegan_monitor.audio.flac import encode_clip, quantise
from aegan_monitor.config.model import MonitorConfig
from aegan_monitor.demo.broker import run_broker
from aegan_monitor.demo.pump import Pump
from aegan_monitor.demo.subscriber import Subscriber
from aegan_monitor.detection.bundle import demo_bundle
from aegan_monitor.errors import EXIT_FAILED, AeganError
from aegan_monitor.service.monitor import Monitor

FAULT_FROM_S = 25.0
LONGEST_S = 60.0
SAMPLE_RATE_HZ = 16_000  # of the demo's bundle
ON_DELAY_S = 3.0
SUBSCRIBE_TIMEOUT_S = 20.0


def make_config(port: int, folder: Path, sound: Path) -> MonitorConfig:
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
                    "capture": {"kind": "file", "paths": [sound], "pace": "fast"},
                    "alarm": {"on_delay_s": ON_DELAY_S},
                }
            ],
        }
    )


def run_show(seed: int, speed: float = 1.0) -> int:
    """Run until the alarm, at `speed` times real time. Returns 1 if none comes, or one comes before the fault."""
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
            sound = Path(folder) / "pump.flac"
            pump = Pump(seed, SAMPLE_RATE_HZ, FAULT_FROM_S).read(round(LONGEST_S * SAMPLE_RATE_HZ))
            sound.write_bytes(encode_clip(quantise(pump), SAMPLE_RATE_HZ, "a synthesised pump", ""))
            clock, sleep = (lambda: speed * time.monotonic()), (lambda wait_s: time.sleep(wait_s / speed))
            capture = FileCapture([sound], SAMPLE_RATE_HZ, clock=clock, sleep=sleep)
            monitor = Monitor(make_config(port, Path(folder), sound), capture=lambda *_: capture)
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
