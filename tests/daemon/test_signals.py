"""Signal handlers may be interrupted by any signal at any line."""

import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from aegan_monitor.audio.ring import Ring
from aegan_monitor.audio.supervisor import CaptureSupervisor
from aegan_monitor.config.model import load_config
from aegan_monitor.detection.bundle import demo_bundle
from aegan_monitor.service.monitor import Monitor
from aegan_monitor.service.reload import Reloader
from aegan_monitor.tools.devices import Meter
from aegan_monitor.tools.record.clip_folder import ClipFolder
from aegan_monitor.tools.record.clip_writer import ClipWriter
from aegan_monitor.tools.record.recorder import Recorder
from broker import find_free_port
from fakes import ScriptedCapture

DEADLINE_S = 30.0  # a handler that waits for itself waits for ever


def interrupt(action: Callable[[], object], by: Callable[[], object]) -> bool:
    """Run `action` with `by` before each of its lines, as a signal handler; returns whether it ended."""

    def trace(_frame: FrameType, _event: str, _argument: object) -> Any:
        by()
        return trace

    def run() -> None:
        sys.settrace(trace)
        try:
            action()
        finally:
            sys.settrace(None)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(DEADLINE_S)
    return not thread.is_alive()


def make_monitor(folder: Path) -> Callable[[], object]:
    """The daemon's monitor."""
    path = folder / "monitor.yaml"
    path.write_text(
        f"mqtt: {{port: {find_free_port()}}}\noutbox: {{path: outbox.sqlite}}\nmachines: [{{name: pump, bundle: {demo_bundle()}}}]\n"
    )
    return Monitor(load_config(path)).stop


def make_reloader(_: Path) -> Callable[[], object]:
    """The reloader, which SIGHUP calls."""
    return Reloader(lambda setup: setup).request


def make_meter(_: Path) -> Callable[[], object]:
    """The meter of `devices --meter`."""
    return Meter([], 1, print, redraws=False, interval_s=1.0).stop


def make_recorder(folder: Path) -> Callable[[], object]:
    """The recorder of `record`."""
    ring = Ring(1024, 1)
    supervisor = CaptureSupervisor("pump", ScriptedCapture([]), ring, live=False, waits=False, no_data_s=1.0, retry_s=1.0)
    return Recorder(supervisor, ring, ClipWriter(ClipFolder(folder, "pump"), 16_000, print, keep_free_bytes=0), 16_000, print).stop


@pytest.mark.parametrize("make", [make_monitor, make_reloader, make_meter, make_recorder])
def test_a_handler_may_be_interrupted_by_itself(make: Callable[[Path], Callable[[], object]], tmp_path: Path) -> None:
    """A handler that interrupts itself does not deadlock."""
    ask = make(tmp_path)
    assert interrupt(ask, ask)


def test_a_reload_is_requested_while_one_begins() -> None:
    """A reload requested while another begins neither deadlocks nor is lost."""
    setup: Any = None  # nothing looks at it
    reloader = Reloader(lambda before: before)
    reloader.request()
    assert interrupt(lambda: reloader.begin(setup), reloader.request)
    while not reloader.finish()[0]:
        pass
    assert reloader.begin(setup)
