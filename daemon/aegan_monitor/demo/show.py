"""`aegan-monitor demo`: a synthesised pump, a monitor, a broker and a subscriber."""

import logging
import sys
import tempfile
import threading
import time
from pathlib import Path

from aegan_monitor.audio.file import FileCapture
from aegan_monitor.audio.flac import encode_clip, quantise
from aegan_monitor.demo.broker import find_free_port, run_broker
from aegan_monitor.demo.configuration import SAMPLE_RATE_HZ, explain_lack_of_page, make_config
from aegan_monitor.demo.pump import Pump
from aegan_monitor.demo.subscriber import Subscriber
from aegan_monitor.errors import EXIT_FAILED, AeganError
from aegan_monitor.service.monitor import Monitor

FAULT_FROM_S = 20.0
LONGEST_S = 60.0  # an alarm comes within 30 s
SUBSCRIBE_TIMEOUT_S = 20.0
INTRODUCTION = f"""\
A pump runs. At {FAULT_FROM_S:g} s its bearing fails, at the same loudness. The monitor was trained on normal pumps only, and may raise
one false alarm a week. The score says how unlike normal sound the last 10 s are. At 100 % of evidence the alarm is raised.
A gross fault that lasts alarms within 30 s.
"""


def show_log() -> None:
    """Print what the monitor logs on stdout, beside what the subscriber prints."""
    logging.basicConfig(level=logging.WARNING, format="monitor     %(message)s", stream=sys.stdout)
    logging.getLogger("aegan_monitor").setLevel(logging.INFO)


def run_show(seed: int, speed: float = 1.0) -> int:
    """Run until the alarm, at `speed` times real time. Returns 1 if none comes, or one comes before the fault."""
    show_log()
    lack = explain_lack_of_page()
    page_port = None if lack else find_free_port()
    page = lack or f"the page: http://127.0.0.1:{page_port}/ until the demo ends; `aegan-monitor demo --live` stays until Ctrl-C"
    print(INTRODUCTION + page, end="\n\n", flush=True)
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
            monitor = Monitor(make_config(["pump"], port, page_port, Path(folder), pace="fast"), capture=lambda *_: capture)
            worker = threading.Thread(target=monitor.run, name="monitor")
            worker.start()
            try:
                subscriber.wait(LONGEST_S)
            finally:
                monitor.stop()
                worker.join()
        finally:
            subscriber.stop()
    delay_s = -1.0 if subscriber.raised_sample is None else subscriber.raised_sample / SAMPLE_RATE_HZ - FAULT_FROM_S
    if delay_s < 0:
        print("demo: FAILED: no alarm, or one before the fault", flush=True)
        return EXIT_FAILED
    print(f"demo: the alarm came {delay_s:.0f} s after the fault and reached the subscriber", flush=True)
    return 0
