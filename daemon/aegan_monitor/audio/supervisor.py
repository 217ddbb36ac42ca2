"""Supervises one capture: a thread reads it into the ring, reports faults, and opens it again."""

import contextlib
import logging
import math
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from aegan_monitor.audio.ring import Ring
from aegan_monitor.audio.sound_clock import SoundClock
from aegan_monitor.audio.source import Capture, DeviceCapture
from aegan_monitor.errors import CaptureError

log = logging.getLogger(__name__)

FIRST_RETRY_S = 0.25
LOOK_S = 0.5  # between two checks for new devices
ROOM_TIMEOUT_S = 0.5
STOP_S = 1.0
SURE_S = 0.3  # time for the reading thread to run after this process was frozen
STEADY_S = 10.0  # of sound, after which a fault is a new one
FIGURES = frozenset({"wrong_rate", "invalid", "constant"})  # each attempt finds another figure: not a new fault
PACED = frozenset({"silent", "constant"})  # the capture itself waits longer each time


def stop_all(supervisors: Sequence["CaptureSupervisor"], timeout_s: float = STOP_S) -> None:
    """Stop several within `timeout_s` in all; a thread that hangs in a device is abandoned."""
    for supervisor in supervisors:
        supervisor._stopping.set()
    deadline_s = time.monotonic() + timeout_s
    for supervisor in supervisors:
        if supervisor._thread.is_alive():
            supervisor._thread.join(max(0.0, deadline_s - time.monotonic()))


@dataclass(frozen=True, slots=True)
class SensorState:
    """`ok`, `starting` or the fault, its description in one line, and the step of a level that changed."""

    state: str
    detail: str = ""
    level_change_db: float | None = None


class CaptureSupervisor:
    """Owns the capture and the thread that reads it.

    With `live` (a microphone) the capture is reopened for ever, at growing intervals, or when a device has appeared. Otherwise
    (recordings, a pipe) the first error is final. With `waits` the thread waits for room in the ring; otherwise old samples are lost.
    No sample for `no_data_s` (infinity without a pace) is `stalled`. Gaps too frequent for an alarm (the ring's `GapRate`) are
    `overrun`. A capture is `ended` when all its samples were read from the ring.
    """

    def __init__(
        self,
        name: str,
        capture: Capture,
        ring: Ring,
        *,
        live: bool,
        waits: bool,
        no_data_s: float,
        retry_s: float,
        first_retry_s: float = FIRST_RETRY_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.error: CaptureError | None = None
        self._name, self._capture, self._ring = name, capture, ring
        self._device = capture if isinstance(capture, DeviceCapture) else None
        self._live, self._waits = live, waits
        self._no_data_s, self._retry_s, self._clock = no_data_s, retry_s, clock
        self._first_retry_s = min(first_retry_s, retry_s)
        self._sound_clock = SoundClock(capture.sample_rate_hz)
        self._state = SensorState("starting")
        self._ended = False
        self._last_news_s: float | None = None  # start, or the last block
        self._late_since_s: float | None = None  # first call that found samples late
        self._stopping = threading.Event()
        self._heard_since_s = math.inf
        self._thread = threading.Thread(target=self._run, name=f"capture {name}", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._last_news_s = self._clock()
        self._thread.start()

    def stop(self) -> None:
        """End the thread."""
        stop_all([self])

    def sensor(self) -> SensorState:
        """Present state of the input (any thread)."""
        if self._ended and self._ring.ended:
            return SensorState("ended", f"{self._capture.describe()} has ended")
        if self._is_stalled(self._clock()):
            remedy = "check its cable and the sound server" if self._live else "check the program that writes them"
            detail = f"no samples for {self._no_data_s:g} s from {self._capture.describe()}; {remedy}"
            return SensorState("stalled", detail)
        if self._state.state == "ok" and (window_samples := self._ring.overrun_window_samples):
            late_s = window_samples / self._capture.sample_rate_hz
            remedy = "reduce the load of this computer, and check the microphone's cable or hub"
            detail = f"{self._capture.describe()}: gaps so often that an alarm would take over {late_s:.0f} s; {remedy}"
            return SensorState("overrun", detail)
        return self._state

    @property
    def is_paced(self) -> bool:
        """Whether the capture has the pace of sound: samples that wait in the ring are late then."""
        return not self._waits

    @property
    def rate_deviation_ppm(self) -> float | None:
        """Deviation of the sample clock in ppm; None without a device, or until it is known (any thread)."""
        return self._device.rate_deviation_ppm if self._device else None

    def _is_stalled(self, now_s: float) -> bool:
        """Whether samples are late in two calls SURE_S apart: before the first, the reading thread may not have run."""
        waits_for_samples = self._state.state in ("ok", "starting") and not self._ended
        if not waits_for_samples or self._last_news_s is None or now_s - self._last_news_s <= self._no_data_s:
            self._late_since_s = None
            return False
        late_since_s = self._late_since_s  # once: any thread may set it meanwhile
        if late_since_s is None:
            late_since_s = self._late_since_s = now_s
        return now_s - late_since_s >= SURE_S

    def _run(self) -> None:
        wait_s = self._first_retry_s
        while not self._stopping.is_set():
            self._heard_since_s = math.inf
            try:
                self._capture.open()
                self._read_all()
                return
            except Exception as failure:  # noqa: BLE001 - without this thread the monitor would run without sound
                error = self._as_capture_error(failure)
                if error.fault in PACED or self._clock() - self._heard_since_s > STEADY_S:
                    wait_s = self._first_retry_s
                fault = SensorState(error.fault, str(error))
                if self._state != fault and (fault.state != self._state.state or fault.state not in FIGURES):
                    self._state = fault
                if not self._live:
                    self.error = error
                    self._ring.end()
                    return
            finally:
                self._close()
            has_news = self._wait(wait_s)
            wait_s = self._first_retry_s if has_news else min(2 * wait_s, self._retry_s)

    def _wait(self, wait_s: float) -> bool:
        """Wait for the next attempt; True as soon as a device has appeared or disappeared."""
        until_s = time.monotonic() + wait_s
        while (left_s := until_s - time.monotonic()) > 0 and not self._stopping.wait(min(left_s, LOOK_S)):
            with contextlib.suppress(Exception):  # as in `_run`; the next attempt reports it
                if self._device and self._device.has_news():
                    return True
        return False

    def _close(self) -> None:
        try:
            self._capture.close()
        except Exception as failure:
            log.error("%s: closing %s failed; please report this", self._name, self._capture.describe(), exc_info=failure)

    def _as_capture_error(self, fault: Exception) -> CaptureError:
        if isinstance(fault, CaptureError):
            return fault
        log.error("%s: please report this", self._name, exc_info=fault)
        return CaptureError(f"{self._capture.describe()}: reading it failed ({type(fault).__name__}: {fault})")

    def _read_all(self) -> None:
        while not self._stopping.is_set():
            block = self._capture.read()
            if block is None:
                self._ended = True
                self._ring.end()
                return
            if len(block.samples) == 0:
                continue
            self._last_news_s = self._clock()
            while self._waits and not self._ring.wait_for_room(len(block.samples), ROOM_TIMEOUT_S):
                self._last_news_s = self._clock()  # the ring is full: no fault of the capture
                if self._stopping.is_set():
                    return
            self._ring.write(self._sound_clock.stamp(block) if math.isfinite(self._no_data_s) else block)
            if self._state.state != "ok":
                log.info("%s: listening to %s", self._name, self._capture.describe())
                self._heard_since_s = self._clock()
                self._state = SensorState("ok")
