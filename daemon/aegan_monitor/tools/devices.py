"""`aegan-monitor devices`: which microphones there are, and how loud each of them is now."""

import dataclasses
import json
import math
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from aegan_monitor.audio.device.discovery import InputDevice, match_devices
from aegan_monitor.audio.level import draw_bar, measure_level
from aegan_monitor.audio.microphone import MicrophoneCapture
from aegan_monitor.audio.ring import Ring
from aegan_monitor.audio.source import Capture
from aegan_monitor.audio.supervisor import CaptureSupervisor, stop_all
from aegan_monitor.detection.features import FeatureParameters
from aegan_monitor.errors import CaptureError

LOOK_S = 0.05  # between two looks whether it is to end
_UP = "\x1b[{}A"  # cursor up so many lines
_CLEAR_LINE = "\x1b[K"


def describe_device(device: InputDevice) -> str:
    """One line for people; values that the sound server does not report are left out."""
    channels = [f"{device.n_channels} channel(s)"] if device.n_channels else []
    rate = [f"{device.default_sample_rate_hz:g} Hz"] if device.default_sample_rate_hz else []
    if 0 < device.default_sample_rate_hz < FeatureParameters().sample_rate_hz:
        rate.append(f"nothing above {device.default_sample_rate_hz / 2:g} Hz can be heard")
    marks = ["default"] * device.is_default + ["what is played, no microphone"] * device.is_monitor
    marked = f"  ({', '.join(marks)})" if marks else ""
    return f"{device.identity}  {device.name}: {', '.join([*channels, *rate, device.host_api])}{marked}"


def dump_device(device: InputDevice) -> str:
    """A JSON object; `device` is the value for `capture.device`, and 0 stands for what the sound server does not report."""
    fields = {"device": device.identity, **dataclasses.asdict(device)}
    return json.dumps({name: value for name, value in fields.items() if name not in ("identity", "place")}, ensure_ascii=False)


def choose_devices(devices: Sequence[InputDevice], wanted: str | None) -> list[InputDevice]:
    """Those that `capture.device` would mean by it, be they several; all where nothing is wanted.

    Raises:
        CaptureError: There is none.
    """
    if not devices:
        raise CaptureError("no microphone found; plug one in, or check the sound server")
    if wanted is None:
        return list(devices)
    found = match_devices(wanted, devices)
    if not found:
        raise CaptureError(f"no input device matches {wanted!r}; available: {', '.join(device.identity for device in devices)}")
    return found


@dataclass(slots=True)
class _Channel:
    device: str
    number: int
    supervisor: CaptureSupervisor
    ring: Ring


class Meter:
    """Listens to channels of devices and shows their levels again and again."""

    def __init__(
        self,
        devices: Sequence[InputDevice],
        n_channels: int,
        show: Callable[[str], object],
        *,
        redraws: bool,
        interval_s: float,
        capture: Callable[[str, int, int], Capture] = MicrophoneCapture,
    ) -> None:
        """With `redraws` the lines are overwritten, otherwise each interval prints new ones.

        `capture` takes identity, channel and sample rate in Hz.
        """
        self._print, self._redraws, self._interval_s = show, redraws, interval_s
        self._stopping = False  # no Event, see stop_on_signals
        self._channels = []
        for device in devices:
            rate_hz = round(device.default_sample_rate_hz) or 48_000  # the device's own, at which it clips, if it is known
            for channel in range(min(n_channels, device.n_channels or n_channels)):
                ring = Ring(round(rate_hz * max(1.0, 2 * interval_s)), 1)
                source = capture(device.identity, channel, rate_hz)
                supervisor = CaptureSupervisor(device.name, source, ring, live=True, waits=False, no_data_s=2.0, retry_s=2.0)
                self._channels.append(_Channel(device.identity, channel, supervisor, ring))

    def stop(self) -> None:
        """End soon (any thread, or a signal)."""
        self._stopping = True

    def run(self, duration_s: float = math.inf) -> None:
        """Show until stopped, or for so long."""
        until_s = time.monotonic() + duration_s
        for channel in self._channels:
            channel.supervisor.start()
        first = True
        try:
            while self._wait(until_s):
                self._draw(first=first)
                first = False
        finally:
            stop_all([channel.supervisor for channel in self._channels])

    def _wait(self, until_s: float) -> bool:
        """Wait for the interval, or until the end; False when the end is over, or it was stopped meanwhile."""
        now_s = time.monotonic()
        due_s = min(now_s + self._interval_s, until_s)
        while not self._stopping and (left_s := due_s - time.monotonic()) > 0:
            time.sleep(min(left_s, LOOK_S))
        return now_s < until_s and not self._stopping

    def _draw(self, *, first: bool) -> None:
        """The channels of each device below its identity (which may fill a line), over what was drawn before."""
        lines = []
        for channel in self._channels:
            lines += [channel.device] if channel.number == 0 else []
            lines.append(f"  channel {channel.number}  {self._show(channel)}")
        if self._redraws:
            width = shutil.get_terminal_size().columns - 1  # a line that wraps could not be redrawn
            lines = [f"{line[:width]}{_CLEAR_LINE}" for line in lines]
            lines[0] = ("" if first else _UP.format(len(lines))) + lines[0]
        for line in lines:
            self._print(line)

    def _show(self, channel: _Channel) -> str:
        """What came since the last time, or why nothing did."""
        heard = []
        while (run := channel.ring.read(0.0)) is not None:
            heard.append(run.samples)
        if not heard:
            sensor = channel.supervisor.sensor()
            return f"{sensor.state}: {sensor.detail}" if sensor.detail else "no sound yet"
        level = measure_level(np.concatenate(heard))
        return str(level) if level.is_constant else f"{level}  {draw_bar(level.rms_dbfs)}"
