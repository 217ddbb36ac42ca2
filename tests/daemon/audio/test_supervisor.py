"""The supervisor of a capture: opens it again after each fault, waits for room where nothing may be lost, and reports faults."""

import math
import threading
import time
from collections.abc import Callable

import pytest

from aegan_monitor.audio.ring import Ring
from aegan_monitor.audio.supervisor import STOP_S, CaptureSupervisor, SensorState, stop_all
from aegan_monitor.errors import CaptureError
from aegan_monitor.types import Block
from broker import wait_until as poll_until
from fakes import ScriptedCapture, block
from stopwatch import Stopwatch


def wait_until(holds: Callable[[], object]) -> None:
    """Poll for long enough."""
    poll_until(holds, "what the supervisor does")


def test_a_live_capture_is_opened_again_after_every_error() -> None:
    """Missing at first, broken later: both are reported, and the blocks go on with a gap."""
    gone = CaptureError("no such device; plug it in")
    capture = ScriptedCapture([[gone], [block(0), CaptureError("unplugged")], [block(5000), block(5512)]])
    ring = Ring(16_000, 512)
    supervisor = CaptureSupervisor("pump", capture, ring, live=True, waits=False, no_data_s=5, retry_s=0.01, first_retry_s=0.01)
    supervisor.start()
    wait_until(lambda: ring.ended or ring._closed)
    runs = [ring.read(1.0), ring.read(1.0)]
    assert [(run.start_sample, len(run.samples), run.after_gap) for run in runs if run] == [(0, 512, False), (5000, 1024, True)]
    assert capture.n_closed == 3
    supervisor.stop()


@pytest.mark.parametrize(("no_data_s", "is_timed"), [(5.0, True), (math.inf, False)])
def test_sound_has_a_time_unless_nothing_paces_it(no_data_s: float, is_timed: bool) -> None:
    """The blocks of a capture get the time of their sound; those of a recording that is read at full speed get none."""
    ring = Ring(16_000, 512)
    supervisor = CaptureSupervisor("pump", ScriptedCapture([[block(0)]]), ring, live=False, waits=True, no_data_s=no_data_s, retry_s=1)
    supervisor.start()
    run = ring.read(60.0)
    supervisor.stop()
    assert run is not None
    assert (run.began_s is not None, run.ended_s is not None) == (is_timed, is_timed)


def test_a_missing_device_is_a_sensor_fault() -> None:
    """With the line that says what to do."""
    capture = ScriptedCapture([[CaptureError("no such device; plug it in")]] * 1000)
    supervisor = CaptureSupervisor("pump", capture, Ring(1024, 512), live=True, waits=False, no_data_s=5, retry_s=0.01, first_retry_s=0.01)
    assert supervisor.sensor() == SensorState("starting")
    supervisor.start()
    wait_until(lambda: supervisor.sensor().state == "missing")
    assert supervisor.sensor().detail == "no such device; plug it in"
    assert supervisor.error is None
    supervisor.stop()


def test_no_samples_are_a_sensor_fault() -> None:
    """A device that hangs is `stalled`, and `ok` again with its next block."""
    clock = [0.0]
    hangs = threading.Event()

    class HangingCapture(ScriptedCapture):
        def read(self) -> Block | None:
            if len(self._now) == 1:
                hangs.wait(60)
            return super().read()

    supervisor = CaptureSupervisor(
        "pump",
        HangingCapture([[block(0), block(512)]]),
        Ring(4096, 512),
        live=True,
        waits=False,
        no_data_s=5,
        retry_s=1,
        clock=lambda: clock[0],
    )
    supervisor.start()
    wait_until(lambda: supervisor.sensor().state == "ok")
    clock[0] = 5.1
    assert supervisor.sensor().state == "ok"  # perhaps only this process was frozen
    clock[0] = 5.5
    assert supervisor.sensor().state == "stalled"
    assert supervisor.sensor().detail == "no samples for 5 s from a scripted capture; check its cable and the sound server"
    hangs.set()
    wait_until(lambda: supervisor.sensor().state == "ok")
    supervisor.stop()


def test_the_first_error_of_a_recording_is_final() -> None:
    """A finite capture is not tried again: its error ends the line."""
    error = CaptureError("a.wav: truncated")
    capture = ScriptedCapture([[block(0), error]])
    ring = Ring(4096, 512)
    supervisor = CaptureSupervisor("pump", capture, ring, live=False, waits=True, no_data_s=5, retry_s=1)
    supervisor.start()
    wait_until(lambda: supervisor.error)
    assert supervisor.error is error
    assert ring.read(1.0) is not None
    assert ring.ended
    supervisor.stop()


def test_a_fast_recording_waits_for_room() -> None:
    """Nothing is dropped, however slowly the ring is read."""
    capture = ScriptedCapture([[block(512 * i) for i in range(50)]])
    ring = Ring(1024, 512)
    supervisor = CaptureSupervisor("pump", capture, ring, live=False, waits=True, no_data_s=5, retry_s=1)
    supervisor.start()
    n_read = 0
    while not ring.ended:
        run = ring.read(0.05)
        n_read += len(run.samples) if run else 0
    assert n_read == 50 * 512
    assert (ring.dropped_samples_total, ring.gaps_total) == (0, 0)
    supervisor.stop()


def test_a_device_that_never_opens_is_a_sensor_fault() -> None:
    """A hanging sound server is `stalled` after the same time."""
    clock, hangs = [0.0], threading.Event()

    class StuckCapture(ScriptedCapture):
        def open(self) -> None:
            hangs.wait(60)

    ring = Ring(1024, 512)
    supervisor = CaptureSupervisor("pump", StuckCapture([]), ring, live=True, waits=False, no_data_s=5, retry_s=1, clock=lambda: clock[0])
    supervisor.start()
    clock[0] = 5.1
    assert supervisor.sensor().state == "starting"
    clock[0] = 5.5
    assert supervisor.sensor().state == "stalled"
    hangs.set()
    supervisor.stop()


def test_a_fault_of_the_driver_does_not_end_the_listening(caplog: pytest.LogCaptureFixture) -> None:
    """Whatever a capture raises is reported, with its traceback, and it is opened again."""

    class FaultyCapture(ScriptedCapture):
        def open(self) -> None:
            super().open()
            if len(self._script) == 1:
                raise ZeroDivisionError("driver")

    ring = Ring(4096, 512)
    supervisor = CaptureSupervisor(
        "pump", FaultyCapture([[], [block(0)]]), ring, live=True, waits=False, no_data_s=5, retry_s=0.01, first_retry_s=0.01
    )
    supervisor.start()
    assert ring.read(10.0) is not None
    assert "ZeroDivisionError: driver" in caplog.text
    supervisor.stop()


@pytest.mark.parametrize(("no_data_s", "state"), [(5.0, "stalled"), (math.inf, "starting")])
def test_a_silent_pipe_is_a_sensor_fault(no_data_s: float, state: str) -> None:
    """Its blocks without samples are no news; what the world does not pace is never late."""
    clock = [0.0]

    class SilentCapture(ScriptedCapture):
        def read(self) -> Block | None:
            time.sleep(0.001)  # a real read waits, too; without it this thread would starve the others
            return block(0, 0)

    supervisor = CaptureSupervisor(
        "pump", SilentCapture([[]]), Ring(1024, 512), live=False, waits=True, no_data_s=no_data_s, retry_s=1, clock=lambda: clock[0]
    )
    supervisor.start()
    clock[0] = 5.1
    assert supervisor.sensor().state == "starting"
    clock[0] = 5.5
    assert supervisor.sensor().state == state
    if state == "stalled":
        assert supervisor.sensor().detail == "no samples for 5 s from a scripted capture; check the program that writes them"
    supervisor.stop()


def test_what_has_ended_is_reported_behind_its_last_sample() -> None:
    """It is no longer heard, and not stalled: nobody waits for it."""
    clock = [0.0]
    ring = Ring(1024, 512)
    supervisor = CaptureSupervisor(
        "pump", ScriptedCapture([[block(0)]]), ring, live=False, waits=True, no_data_s=5, retry_s=1, clock=lambda: clock[0]
    )
    supervisor.start()
    wait_until(lambda: ring._closed)
    assert supervisor.sensor().state == "ok"
    assert ring.read(1.0) is not None
    clock[0] = 5.1
    sensor = supervisor.sensor()
    assert (sensor.state, sensor.detail) == ("ended", "a scripted capture has ended")
    supervisor.stop()


def test_those_that_hang_are_waited_for_together() -> None:
    """However many: what comes after them has the same time."""
    hangs, opening = threading.Event(), threading.Semaphore(0)

    class HangingCapture(ScriptedCapture):
        def open(self) -> None:
            opening.release()
            hangs.wait(60.0)

    supervisors = [
        CaptureSupervisor("pump", HangingCapture([]), Ring(1024, 512), live=True, waits=False, no_data_s=5, retry_s=1) for _ in range(4)
    ]
    for supervisor in supervisors:
        supervisor.start()
        assert opening.acquire(timeout=10)
    with Stopwatch() as watch:
        start_s = time.monotonic()
        stop_all(supervisors)
        assert watch.read_s() < 2 * STOP_S
        assert time.monotonic() - start_s >= STOP_S
    hangs.set()


def test_one_that_never_began_is_stopped_at_once() -> None:
    """As when no thread could be made for it, and all that runs is ended in order."""
    CaptureSupervisor("pump", ScriptedCapture([]), Ring(1024, 512), live=True, waits=False, no_data_s=5, retry_s=1).stop()
