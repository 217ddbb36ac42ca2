"""Captures one channel of a microphone at the bundle's rate: finds the device by identity, and detects its faults."""

import time
from collections.abc import Callable

import numpy as np
import soxr

from aegan_monitor.audio.device.dead_channel import STUCK_S, StuckSignalDetector
from aegan_monitor.audio.device.discovery import Devices, InputDevice, find_kind
from aegan_monitor.audio.device.hold_off import HoldOff
from aegan_monitor.audio.device.shared_stream import Microphones, Subscription
from aegan_monitor.audio.source import find_bad_sample
from aegan_monitor.errors import CaptureError
from aegan_monitor.types import Block, FloatArray

WAIT_S = 0.25  # longest wait of a read
RATE_HOLD_OFF_S, LONGEST_RATE_HOLD_OFF_S = 8.0, 30.0  # the longest is more than the rate check needs to find 3 %
SOUND_HOLD_OFF_S, LONGEST_SOUND_HOLD_OFF_S = 1.5, 30.0  # more than STUCK_S
FIRST_PATIENCE_S, LONGEST_PATIENCE_S = 4.0, 30.0  # time with a stuck channel before its device is opened again

_microphones = Microphones()  # a device can be opened only once by a process


class MicrophoneCapture:
    """One channel of one input device, endless. Captures of the same device share its stream."""

    def __init__(
        self,
        device: str | None,
        channel: int,
        sample_rate_hz: int,
        stall_s: float = 1.5,
        clock: Callable[[], float] = time.monotonic,
        devices: Devices | None = None,
        microphones: Microphones = _microphones,
    ) -> None:
        """Store the parameters.

        Args:
            device: Identity of the device, its name, or a part of its name in any case; None is the system's default.
            channel: Channel of the device, from 0.
            sample_rate_hz: Rate to which the samples are resampled.
            stall_s: Time without a sample after which the device is `stalled`.
            clock: Monotonic seconds; measures the samples lost between two openings.
            devices, microphones: Those of this computer, and the open ones.
        """
        self.sample_rate_hz = sample_rate_hz
        self._wanted, self._channel = device, channel
        self._stall_s, self._clock = stall_s, clock
        self._devices, self._microphones = devices or Devices(), microphones
        self._heard: InputDevice | None = None  # the device of the first sample; no other replaces it
        self._found: InputDevice | None = None
        self._subscription: Subscription | None = None
        self._next_sample = 0
        self._left_s: float | None = None  # when the last block came
        self._after_gap = False
        self._rate_hold_off = HoldOff(RATE_HOLD_OFF_S, LONGEST_RATE_HOLD_OFF_S)
        self._sound_hold_off = HoldOff(SOUND_HOLD_OFF_S, LONGEST_SOUND_HOLD_OFF_S)
        self._patience_s = STUCK_S
        self._seen: object = None

    @property
    def rate_deviation_ppm(self) -> float | None:
        """Deviation of the sample clock from the nominal rate, in ppm; None until it is known."""
        subscription = self._subscription
        return subscription.device.meter.deviation_ppm if subscription else None

    def describe(self) -> str:
        """The name of the device once it is known, else what the configuration names."""
        device = self._heard or self._found
        name = device.name if device else self._wanted
        return f"microphone {name!r}" if name else "the default microphone"

    def has_news(self) -> bool:
        """Whether a device has appeared or disappeared since the last `open`."""
        try:
            return self._devices.look(self._identity) != self._seen
        except CaptureError:  # a sound server that hangs
            return False

    def open(self) -> None:
        """Find the device and start to read.

        Raises:
            CaptureError: There is no such device, or several; it is not the one that was heard before, it does not open, has no such
                channel, or a lower rate than `sample_rate_hz`.
        """
        patience_s, self._patience_s = self._patience_s, STUCK_S
        self._seen = None
        self._seen = self._devices.look(self._identity)
        device = self._devices.find(self._identity)
        if self._heard and not find_kind(self._identity) and device.name != self._heard.name:
            raise CaptureError(f"{self.describe()}: is gone, and {device.name!r} is not what was heard; plug it in, or name the other")
        self._found = device
        subscription = self._microphones.join(device.identity, self.describe(), lambda: self._devices.open(device), self._stall_s)
        try:
            self._refuse_unfit(subscription.device.n_channels, subscription.device.sample_rate_hz)
        except CaptureError:
            subscription.leave()
            raise
        self._patience_s = patience_s
        self._subscription = subscription
        self._begin(subscription.device.sample_rate_hz)

    def _refuse_unfit(self, n_channels: int, device_rate_hz: int) -> None:
        if self._channel >= n_channels:
            raise CaptureError(
                f"{self.describe()}: expected a channel from 0 to {n_channels - 1}, found {self._channel}; choose one of these"
            )
        if device_rate_hz < self.sample_rate_hz:
            raise CaptureError(
                f"{self.describe()}: expected {self.sample_rate_hz} Hz or more, found {device_rate_hz} Hz: sound above "
                f"{device_rate_hz // 2} Hz cannot be heard; choose another microphone, or a profile of the headset with a higher rate",
                "low_rate",
            )

    def read(self) -> Block | None:
        """Wait for samples; never None. The block is empty if none came, or during a hold-off.

        Raises:
            CaptureError: The device is gone, delivers nothing or only one value, has a wrong rate, or delivered NaN or samples far
                beyond full scale.
        """
        subscription = self._subscription
        if subscription is None:
            raise CaptureError(f"{self.describe()}: is not open")
        try:
            chunk = subscription.read(WAIT_S)
        except CaptureError as error:
            self._patience_s = STUCK_S
            if error.fault == "wrong_rate":
                self._rate_hold_off.begin(self._clock())
            raise
        if chunk is None:
            return self._deliver([])
        if chunk.overflowed:
            self._begin(subscription.device.sample_rate_hz, alive=self._watch.alive)
        samples = np.ascontiguousarray(chunk.samples[:, self._channel])
        if (bad := find_bad_sample(samples)) is not None:
            raise CaptureError(
                f"{self.describe()}: expected samples from -1 to 1, found {samples[bad]:g}; check the device's driver and the sound server",
                "invalid",
            )
        alive = self._watch.push(samples)
        now_s = self._clock()
        if self._watch.stuck_s >= self._patience_s:
            self._patience_s = min(max(2 * self._patience_s, FIRST_PATIENCE_S), LONGEST_PATIENCE_S)
            self._sound_hold_off.begin(now_s)
            raise self._watch.error(self.describe())
        is_right = self._rate_hold_off.has_passed(subscription.device.meter.measured_s, now_s)
        return self._deliver(alive if self._sound_hold_off.has_passed(self._watch.alive_s, now_s) and is_right else [])

    def close(self) -> None:
        """Stop reading; the last capture closes the device."""
        subscription, self._subscription, self._resampler = self._subscription, None, None
        if subscription is not None:
            subscription.leave()

    @property
    def _identity(self) -> str | None:
        """The configured device; for the default, which may change, the one that was heard first."""
        return self._heard.identity if self._heard and self._wanted is None else self._wanted

    def _begin(self, device_rate_hz: int, *, alive: bool = False) -> None:
        """Start a stretch without the detector's and the resampler's state from before the gap."""
        self._watch = StuckSignalDetector(device_rate_hz, alive=alive)
        self._resampler = soxr.ResampleStream(device_rate_hz, self.sample_rate_hz, 1) if device_rate_hz != self.sample_rate_hz else None
        self._after_gap = self._left_s is not None

    def _deliver(self, alive: list[FloatArray]) -> Block:
        samples = np.concatenate([np.zeros(0, np.float32), *alive])
        if self._resampler is not None and alive:
            samples = self._resampler.resample_chunk(samples)
        if len(samples) == 0:
            return Block(samples, self._next_sample)
        now_s = self._clock()
        if self._after_gap and self._left_s is not None:
            lost = round((now_s - self._left_s) * self.sample_rate_hz) - len(samples)
            self._next_sample += max(0, lost)
        block = Block(samples, self._next_sample, self._after_gap)
        self._next_sample += len(samples)
        self._left_s, self._after_gap = now_s, False
        self._heard, self._patience_s = self._heard or self._found, STUCK_S
        return block
