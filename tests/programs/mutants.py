"""Tries spoiled configurations and bundles one after the other, in a process whose memory and time are bounded; a JSON line each.

python tests/programs/mutants.py config|bundle FOLDER BUNDLE FIRST LAST     (with tests on PYTHONPATH)
"""

import contextlib
import faulthandler
import io
import json
import logging
import resource
import sys
import time
import traceback
import warnings
from pathlib import Path

from aegan_monitor.audio.source import Capture
from aegan_monitor.config.model import MachineConfig, load_config
from aegan_monitor.demo.pump import Pump
from aegan_monitor.program import run_command
from aegan_monitor.service.monitor import Monitor
from aegan_monitor.types import Block
from spoil import spoil_bundle, spoil_config
from stopwatch import Stopwatch

LONGEST_S = 100.0  # then the process ends with a dump of its threads
MOST_MEMORY_BYTES = 6_000_000_000  # of addresses; what is really used is far less
SOUND_S = 12


class Recorded:
    """A capture of a few seconds of sound."""

    def __init__(self, sample_rate_hz: int) -> None:
        self.sample_rate_hz = sample_rate_hz
        self._blocks = iter(list[Block]())

    def describe(self) -> str:
        return "a pump"

    def open(self) -> None:
        self._blocks = iter([Block(Pump(1).read(SOUND_S * 16_000), 0, overflowed=False)])

    def read(self) -> Block | None:
        return next(self._blocks, None)

    def close(self) -> None:
        pass


class Tracebacks(logging.Handler):
    """A log handler that keeps records with a traceback, which are unexpected errors."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if record.exc_info:
            self.found.append(self.format(record))


def make_capture(_: MachineConfig, sample_rate_hz: int) -> Capture:
    """The same capture for every machine."""
    return Recorded(sample_rate_hz)


def monitor(config: Path) -> int:
    """Run the monitor as `aegan-monitor run` does, without signals."""
    Monitor(load_config(config), capture=make_capture).run()
    return 0


def attempt(kind: str, folder: Path, bundle: Path, number: int, logged: Tracebacks) -> dict[str, object]:
    """Try one mutant."""
    logged.found.clear()
    place = folder / f"{kind}{number}"
    place.mkdir()
    (place / "password").write_text("secret")
    config = place / "monitor.yaml"
    if kind == "config":
        (place / "bundle").symlink_to(bundle)
        what = spoil_config(place, number)
    else:
        what = spoil_bundle(bundle, place / "bundle", number)
        config.write_text(
            "mqtt: {host: 127.0.0.1, port: 9}\noutbox: {path: outbox.sqlite}\n"
            "machines: [{name: pump, bundle: bundle, capture: {kind: file, paths: [loop.wav], pace: fast}}]\n"
        )
    code, reported, began_s = None, io.StringIO(), time.process_time()
    faulthandler.dump_traceback_later(LONGEST_S, exit=True)
    with contextlib.redirect_stderr(reported), Stopwatch() as watch:
        try:
            code = run_command("aegan-monitor", lambda: monitor(config))
        except BaseException:  # noqa: BLE001 - whatever it is, the test shall tell it
            reported.write(traceback.format_exc())
        took_s = watch.read_s()
    faulthandler.cancel_dump_traceback_later()
    lines = [*reported.getvalue().splitlines(), *logged.found]
    seconds = {"processor_s": round(time.process_time() - began_s, 3), "took_s": round(took_s, 3)}
    return {"number": number, "what": what, "code": code, "reported": lines, **seconds}


def largest_rss_bytes() -> int:
    """The largest memory of this process (`getrusage` may report its parent's)."""
    [line] = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1]) * 1024


def main() -> None:
    """Try the mutants from FIRST to before LAST."""
    kind, folder, bundle, first, last = sys.argv[1:]
    resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY_BYTES, MOST_MEMORY_BYTES))
    logged = Tracebacks()
    logging.basicConfig(handlers=[logged])
    warnings.simplefilter("always")
    for number in range(int(first), int(last)):
        done = attempt(kind, Path(folder), Path(bundle), number, logged)
        print(json.dumps({**done, "largest_rss_bytes": largest_rss_bytes()}), flush=True)


if __name__ == "__main__":
    main()
