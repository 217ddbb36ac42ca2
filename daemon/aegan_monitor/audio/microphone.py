"""One channel of a microphone, at the bundle's rate: found by identity, watched for what a dead one does, opened again when it breaks."""

import time
from collections.abc import Callable

import numpy as np
import soxr

from aegan_monitor.audio.device.dead_channel import FAULTS, FLAT_S, FlatWatch
from aegan_monitor.audio.device.discovery import Devices, InputDevice, is_identity
from aegan_monitor.audio.device.hold_off import Trust
from aegan_monitor.audio.device.shared_stream import Microphones, Seat
from aegan_monitor.audio.source import find_bad_sample
from aegan_monitor.errors import CaptureError
from aegan_monitor.types import Block, FloatArray

WAIT_S = 0.25  # so long a read waits at most
PROVEN_RATE_S, LONGEST_PROVEN_RATE_S = 8.0, 30.0  # hold-off after a wrong rate; more than the rate check needs to find one of 3 %
PROVEN_SOUND_S, LONGEST_PROVEN_SOUND_S = 1.5, 30.0  # and a channel that was flat: more than FLAT_S
FIRST_PATIENCE_S, LONGEST_PATIENCE_S = 4.0, 30.0  # with a flat channel, before its device is opened again

__all__ = ["InputDevice", "MicrophoneCapture", "list_devices"]

_microphones = Microphones()  # a device can be opened only once by a process


class MicrophoneCapture:
    """One channel of one input device, without end; those that listen to the same device share its stream."""

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
        """Store.

        Args:
            device: Identity of the device, its name, or a part of its name in any case; None is the system's default.
            channel: Counted from 0.
            sample_rate_hz: Rate of the samples; the device's own is resampled to it.
            stall_s: Time without a sample after which the device counts as broken.
            clock: Monotonic seconds; tells how many samples were lost between two openings.
            devices: Where to look.
            microphones: What is open already.
        """
        self.sample_rate_hz = sample_rate_hz
        self._wanted, self._channel = device, channel
        self._stall_s, self._clock = stall_s, clock
        self._devices, self._microphones = devices or Devices(), microphones
        self._heard: InputDevice | None = None  # what was heard first, and must be heard again
        self._found: InputDevice | None = None
        self._seat: Seat | None = None
        self._next_sample = 0
        self._left_s: float | None = None  # when the last block came
        self._after_gap = False
        self._rate_trust = Trust(PROVEN_RATE_S, LONGEST_PROVEN_RATE_S)
        self._sound_trust = Trust(PROVEN_SOUND_S, LONGEST_PROVEN_SOUND_S)
        self._patience_s = FLAT_S
        self._seen: object = None

    @property
    def rate_deviation_ppm(self) -> float | None:
        """How much faster the device is than it says, in millionths; None until it is known."""
        seat = self._seat
        return seat.device.meter.deviation_ppm if seat else None

    def describe(self) -> str:
        """The device's name once it is known, else what is looked for."""
        device = self._heard or self._found
        name = device.name if device else self._wanted
        return f"microphone {name!r}" if name else "the default microphone"

    def has_news(self) -> bool:
        """Whether a device has come or gone since the last `open`: time to try again."""
        try:
            return self._devices.look(self._identity) != self._seen
        except CaptureError:  # a sound server that hangs
            return False

    def open(self) -> None:
        """Look for the device anew and listen.

        Raises:
            CaptureError: No such device or several, not the one that was heard before, it does not open, has no such channel,
                or a lower rate than `sample_rate_hz`.
        """
        try:
            self._seen = None
            self._seen = self._devices.look(self._identity)
            device = self._devices.find(self._identity)
            if self._heard and not is_identity(self._identity) and device.name != self._heard.name:
                raise CaptureError(f"{self.describe()}: is gone, and {device.name!r} is not what was heard; plug it in, or name the other")
            self._found = device
            seat = self._microphones.join(
                device.identity, self.describe(), lambda: self._devices.open(device), self._stall_s, self._patience_s
            )
            try:
                self._refuse_unfit(seat.device.n_channels, seat.device.sample_rate_hz)
            except CaptureError:
                seat.leave()
                raise
        except CaptureError:
            self._patience_s = FLAT_S
            raise
        self._seat = seat
        self._begin(seat.device.sample_rate_hz)

    def _refuse_unfit(self, n_channels: int, device_rate_hz: int) -> None:
        if self._channel >= n_channels:
            raise CaptureError(
                f"{self.describe()}: expected a channel from 0 to {n_channels - 1}, found {self._channel}; choose one of these"
            )
        if device_rate_hz < self.sample_rate_hz:
            raise CaptureError(
                f"{self.describe()}: expected {self.sample_rate_hz} Hz or more, found {device_rate_hz} Hz: sound above "
                f"{device_rate_hz // 2} Hz cannot be heard; choose another microphone (a Bluetooth headset is one of 8 kHz) or its profile",
                "low_rate",
            )

    def read(self) -> Block | None:
        """What has arrived, after waiting for it; never None. Without samples while nothing came, or nothing that can be trusted.

        Raises:
            CaptureError: The device is gone, gives nothing, only zeros or one value, has a wrong rate, or gave NaN or
                what is far beyond full scale.
        """
        seat = self._seat
        if seat is None:
            raise CaptureError(f"{self.describe()}: is not open")
        try:
            chunk = seat.read(WAIT_S)
        except CaptureError as error:
            if error.fault in FAULTS:
                raise self._fail_flat() from error
            self._patience_s = FLAT_S
            if error.fault == "wrong_rate":
                self._rate_trust.lose(self._clock())
            raise
        if chunk is None:
            return self._deliver([])
        if chunk.overflowed:
            self._begin(seat.device.sample_rate_hz, alive=self._watch.alive)
        samples = np.ascontiguousarray(chunk.samples[:, self._channel])
        if (bad := find_bad_sample(samples)) is not None:
            raise CaptureError(
                f"{self.describe()}: expected samples from -1 to 1, found {samples[bad]:g}; check the device's driver and the sound server",
                "invalid",
            )
        living = self._watch.push(samples)
        if self._watch.flat_s >= self._patience_s:
            raise self._fail_flat()
        now_s = self._clock()
        is_right = self._rate_trust.believe(seat.device.meter.measured_s, now_s)
        return self._deliver(living if self._sound_trust.believe(self._watch.living_s, now_s) and is_right else [])

    def close(self) -> None:
        """Listen no more."""
        seat, self._seat, self._resampler = self._seat, None, None
        if seat is not None:
            seat.leave()

    @property
    def _identity(self) -> str | None:
        """What is looked for: as it was asked for, or for the default, which may be another tomorrow, what was heard first."""
        return self._heard.identity if self._heard and self._wanted is None else self._wanted

    def _fail_flat(self) -> CaptureError:
        self._patience_s = min(max(2 * self._patience_s, FIRST_PATIENCE_S), LONGEST_PATIENCE_S)
        self._sound_trust.lose(self._clock())
        return self._watch.error(self.describe())

    def _begin(self, device_rate_hz: int, *, alive: bool = False) -> None:
        """Forget what came before: nothing of it may be heard together with what follows."""
        self._watch = FlatWatch(device_rate_hz, alive=alive)
        self._resampler = soxr.ResampleStream(device_rate_hz, self.sample_rate_hz, 1) if device_rate_hz != self.sample_rate_hz else None
        self._after_gap = self._left_s is not None

    def _deliver(self, living: list[FloatArray]) -> Block:
        samples = np.concatenate([np.zeros(0, np.float32), *living])
        if self._resampler is not None and living:
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
        self._heard, self._patience_s = self._heard or self._found, FLAT_S
        return block


def list_devices() -> list[InputDevice]:
    """All input devices.

    Raises:
        CaptureError: As `Devices.list_all` tells.
    """
    return Devices().list_all()
