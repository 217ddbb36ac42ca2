"""`aegan-monitor demo --live`: three pumps until Ctrl-C, with faults that the page switches on and off."""

import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from aegan_monitor.demo.broker import find_free_port, run_broker
from aegan_monitor.demo.configuration import SAMPLE_RATE_HZ, explain_lack_of_page, make_config
from aegan_monitor.demo.pump import Pump
from aegan_monitor.demo.show import show_log
from aegan_monitor.demo.subscriber import Subscriber
from aegan_monitor.errors import AeganError
from aegan_monitor.service.monitor import Monitor
from aegan_monitor.types import Block

NAMES = ("pump-1", "pump-2", "pump-3")
BLOCK_SAMPLES = 4000  # 0.25 s
INTRODUCTION = """\
Three pumps run. The monitor was trained on normal pumps of this kind, and may raise one false alarm a week for all of them together.
The page:   open http://127.0.0.1:{page_port}/, choose a pump, and break its bearing. The alarm comes within 30 s.
A terminal: aegan-monitor watch --host 127.0.0.1 --port {mqtt_port} --protocol 3.1.1
Ctrl-C ends it. Nothing is kept.
"""


class PumpCapture:
    """A pump at `speed` times the pace of a microphone. Its bearing is broken while `faults` says so."""

    def __init__(self, name: str, pump: Pump, faults: Mapping[str, bool], speed: float) -> None:
        self.sample_rate_hz = SAMPLE_RATE_HZ
        self._name, self._pump, self._faults, self._speed = name, pump, faults, speed
        self._next_sample = 0
        self._opened_s = 0.0

    def describe(self) -> str:
        """What is heard."""
        return f"the synthesised {self._name}"

    def open(self) -> None:
        """Start the clock."""
        self._opened_s = time.monotonic()

    def read(self) -> Block:
        """The next block, once its last sample is due."""
        self._pump.set_faulty(self._faults[self._name])
        block = Block(self._pump.read(BLOCK_SAMPLES), self._next_sample)
        self._next_sample += BLOCK_SAMPLES
        due_s = self._opened_s + self._next_sample / SAMPLE_RATE_HZ / self._speed
        time.sleep(max(0.0, due_s - time.monotonic()))
        return block

    def close(self) -> None:
        """Nothing is open."""


def run_live(seed: int, speed: float, stop_on_signals: Callable[[Callable[[], object]], None]) -> int:
    """Run until a signal, at `speed` times real time.

    Args:
        seed, speed: Random seed of the first pump; the others have the next ones. Times real time.
        stop_on_signals: Makes Ctrl-C and SIGTERM call a function.

    Raises:
        AeganError: The page or the broker is not installed.
    """
    if lack := explain_lack_of_page():
        raise AeganError(f"demo: {lack}")
    show_log()
    faults = dict.fromkeys(NAMES, False)
    pumps = {name: Pump(seed + number, SAMPLE_RATE_HZ) for number, name in enumerate(NAMES)}
    subscriber = Subscriber("aegan/demo", ("event", "sensor"))
    with run_broker() as mqtt_port, tempfile.TemporaryDirectory() as folder:
        page_port = find_free_port()
        config = make_config(NAMES, mqtt_port, page_port, Path(folder), pace="realtime")
        monitor = Monitor(config, capture=lambda each, _: PumpCapture(each.name, pumps[each.name], faults, speed), demo_faults=faults)
        stop_on_signals(monitor.stop)
        print(INTRODUCTION.format(page_port=page_port, mqtt_port=mqtt_port), flush=True)
        subscriber.start(mqtt_port)
        try:
            monitor.run()
        finally:
            subscriber.stop()
    return 0
