"""The supervisor and its device: faults, news of a device, and the wait between two attempts."""

import time
from collections.abc import Callable

import numpy as np
import pytest

from aegan_monitor.audio.gap_rate import GapRate
from aegan_monitor.audio.ring import Ring
from aegan_monitor.audio.supervisor import CaptureSupervisor, SensorState
from aegan_monitor.errors import CaptureError
from aegan_monitor.types import Block
from broker import STEP_DEADLINE_S
from broker import wait_until as poll_until
from fakes import ScriptedCapture, block


def wait_until(holds: Callable[[], object]) -> None:
    """Poll for long enough."""
    poll_until(holds, "what the supervisor does")


class PluggableCapture(ScriptedCapture):
    """A device: it has news when the test says so."""

    news = False
    rate_deviation_ppm: float | None = 12.5

    def has_news(self) -> bool:
        return self.news


def test_the_fault_is_what_the_capture_says() -> None:
    """Not all is `missing`, and the state stays until there are samples again."""
    silent = CaptureError("only zeros", "silent")
    states: list[str] = []

    class Watched(PluggableCapture):
        def open(self) -> None:
            states.append(supervisor.sensor().state)
            super().open()

    capture = Watched([[silent], [block(0, 0), block(0, 0), silent], [block(0), block(512)]])
    ring = Ring(4096, 512)
    supervisor = CaptureSupervisor("pump", capture, ring, live=True, waits=False, no_data_s=5, retry_s=0.05, first_retry_s=0.05)
    supervisor.start()
    assert ring.read(STEP_DEADLINE_S) is not None
    assert states == ["starting", "silent", "silent"]
    wait_until(lambda: supervisor.sensor().state in ("ok", "ended"))  # the script is short
    supervisor.stop()


def test_a_device_that_has_come_is_not_kept_waiting() -> None:
    """In the midst of the longest wait."""
    capture = PluggableCapture([[CaptureError("gone")], [block(0), block(512)]])
    ring = Ring(4096, 512)
    supervisor = CaptureSupervisor("pump", capture, ring, live=True, waits=False, no_data_s=5, retry_s=1000, first_retry_s=1000)
    supervisor.start()
    wait_until(lambda: supervisor.sensor().state == "missing")
    assert ring.read(1.0) is None
    capture.news = True
    assert ring.read(STEP_DEADLINE_S) is not None
    supervisor.stop()


def test_a_device_that_has_come_may_need_a_moment() -> None:
    """After a long outage the attempts are close together again: the first comes before anybody may open it."""
    gone = CaptureError("gone")
    missing: list[list[Block | CaptureError]] = [[gone] for _ in range(6)]
    capture = PluggableCapture([*missing, [CaptureError("not yet")], [block(0), block(512)]])
    ring = Ring(4096, 512)
    supervisor = CaptureSupervisor("pump", capture, ring, live=True, waits=False, no_data_s=5, retry_s=1000, first_retry_s=0.1)
    supervisor.start()
    wait_until(lambda: len(capture._script) == 2)
    capture.news = True  # now, in a wait of 3.2 s; the next would be of 6.4 s
    wait_until(lambda: len(capture._script) == 1)
    capture.news = False
    assert ring.read(5.0) is not None
    supervisor.stop()


def test_the_clock_is_the_devices() -> None:
    """A recording has none."""
    captures = [PluggableCapture([]), ScriptedCapture([])]
    supervisors = [
        CaptureSupervisor("pump", capture, Ring(1024, 512), live=True, waits=False, no_data_s=5, retry_s=1) for capture in captures
    ]
    assert [supervisor.rate_deviation_ppm for supervisor in supervisors] == [12.5, None]


def test_whatever_a_device_raises_it_is_listened_for(caplog: pytest.LogCaptureFixture) -> None:
    """When it is looked for and when it is closed: the thread goes on."""

    class BrokenCapture(PluggableCapture):
        def has_news(self) -> bool:
            raise FileNotFoundError(2, "No such file or directory", "/proc/asound/card1")

        def close(self) -> None:
            super().close()
            raise ZeroDivisionError("driver")

    capture = BrokenCapture([[CaptureError("gone")], [CaptureError("gone")], [block(0), block(512)]])
    ring = Ring(4096, 512)
    supervisor = CaptureSupervisor("pump", capture, ring, live=True, waits=False, no_data_s=5, retry_s=0.01, first_retry_s=0.01)
    supervisor.start()
    assert ring.read(10.0) is not None
    assert "pump: closing a scripted capture failed; please report this" in caplog.text
    supervisor.stop()


def test_another_figure_is_no_news() -> None:
    """A wrong rate that is measured anew at each attempt is reported once, and tried less and less often."""
    script: list[list[Block | CaptureError]] = [[block(0, 0), CaptureError(f"found {n}", "wrong_rate")] for n in range(20)]
    capture = PluggableCapture(script)
    supervisor = CaptureSupervisor("pump", capture, Ring(4096, 512), live=True, waits=False, no_data_s=50, retry_s=100, first_retry_s=0.01)
    start_s = time.monotonic()
    supervisor.start()
    wait_until(lambda: len(script) <= 12)
    assert time.monotonic() - start_s > 0.3  # 0.01 + 0.02 + ... + 0.16
    assert supervisor.sensor() == SensorState("wrong_rate", "found 0")
    supervisor.stop()


def test_gaps_too_often_are_a_sensor_fault() -> None:
    """Whoever lost the samples; and the fault ends with sound enough for an alarm."""
    blocks = [Block(np.ones(500, np.float32), start, overflowed=start % 2000 == 1500) for start in range(0, 12_000, 500)]
    well = [block(12_000 + 500 * n, 500) for n in range(8)]
    ring = Ring(40_000, 500, 500, gap_rate=GapRate(3200, 500, 0))
    supervisor = CaptureSupervisor(
        "pump", PluggableCapture([[*blocks, *well, CaptureError("end")]]), ring, live=False, waits=False, no_data_s=5, retry_s=1
    )
    states = ["ok"]
    ring.notify = lambda: states.append(supervisor.sensor().state) if ring.read(0.0) else None
    supervisor.start()
    wait_until(lambda: supervisor.error)
    assert [state for n, state in enumerate(states) if n == 0 or state != states[n - 1]][:4] == ["ok", "starting", "ok", "overrun"]
    assert states[-2] == "ok"
    supervisor.stop()
