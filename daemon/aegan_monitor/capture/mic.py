"""A microphone through PortAudio; the only place that knows sounddevice, and it imports it when it is needed."""

import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from aegan_monitor.capture import find_bad_sample
from aegan_monitor.errors import CaptureError
from aegan_monitor.types import Block

_BUFFER_S = 0.5  # PortAudio's own choice, 35 ms, loses samples on a busy machine
_CARD_NUMBER = re.compile(r" \(hw:\d+,\d+\)$")  # ALSA gives a device another one when it is plugged in again

_lock = threading.Lock()  # PortAudio's list of devices belongs to the whole process
_open_streams: set[Any] = set()


@dataclass(frozen=True, slots=True)
class InputDevice:
    """A device that one can listen to; `is_default` where the system would listen by itself."""

    name: str
    host_api: str
    n_channels: int
    default_sample_rate_hz: float
    is_default: bool


class MicrophoneCapture:
    """One channel of one input device, without end."""

    def __init__(
        self,
        device: str | None,
        channel: int,
        sample_rate_hz: int,
        block_samples: int = 1600,
        stall_s: float = 10.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Store.

        Args:
            device: Part of the device's name in any case, or its whole name; None is the system's default.
            channel: Counted from 0.
            sample_rate_hz: Rate that the device must deliver.
            block_samples: The most that one block holds (1600 are 0.1 s at 16 kHz).
            stall_s: Time without a sample after which the device counts as broken.
            clock: Monotonic seconds; tells how many samples were lost between two openings.
        """
        self.sample_rate_hz = sample_rate_hz
        self._wanted = device
        self._channel = channel
        self._block_samples = block_samples
        self._stall_s = stall_s
        self._clock = clock
        self._name: str | None = None  # what was heard first, and must be heard again
        self._stream: Any = None
        self._next_sample = 0
        self._left_s: float | None = None
        self._resumed = False

    def describe(self) -> str:
        """The device's name once it is known, else what is looked for."""
        name = self._name or self._wanted
        return f"microphone {name!r}" if name else "the default microphone"

    def open(self) -> None:
        """Look for the device anew and listen.

        Raises:
            CaptureError: No PortAudio, no such device or several, not the one that was heard before, no such channel or rate.
        """
        sounddevice = _import_sounddevice()
        with _lock:
            devices = _scan(sounddevice)
            index = self._choose(devices)
            name, n_channels = devices[index].name, devices[index].n_channels
            if self._channel >= n_channels:
                raise CaptureError(
                    f"microphone {name!r}: expected a channel from 0 to {n_channels - 1}, found {self._channel}; choose one of these"
                )
            try:
                stream = sounddevice.InputStream(self.sample_rate_hz, 0, index, self._channel + 1, "float32", latency=_BUFFER_S)
                try:
                    stream.start()
                except sounddevice.PortAudioError:
                    stream.close()
                    raise
            except sounddevice.PortAudioError as error:
                raise CaptureError(
                    f"microphone {name!r}: does not open at {self.sample_rate_hz} Hz ({_first_line(error)}); "
                    "see that no other program holds it, or choose a device that has this rate (aegan-monitor devices)"
                ) from error
            _open_streams.add(stream)
        self._stream, self._name = stream, name
        if self._left_s is not None:
            self._next_sample += round((self._clock() - self._left_s) * self.sample_rate_hz)
            self._resumed = True

    def read(self) -> Block | None:
        """What has arrived, after waiting for it; never None.

        Raises:
            CaptureError: The device is gone, gave nothing for `stall_s`, or gave NaN or what is far beyond full scale.
        """
        deadline_s = self._clock() + self._stall_s
        portaudio_error = _import_sounddevice().PortAudioError
        try:
            # A plain read would wait for ever where the sound server hangs.
            while (n_samples := min(self._stream.read_available, self._block_samples)) == 0:
                if self._clock() > deadline_s:
                    raise CaptureError(
                        f"{self.describe()}: expected sound, found none for {self._stall_s:g} s; check the device and the sound server"
                    )
                time.sleep(self._block_samples / self.sample_rate_hz / 2)
            channels, overflowed = self._stream.read(n_samples)
        except portaudio_error as error:
            raise CaptureError(f"{self.describe()}: stopped ({_first_line(error)}); check that it is plugged in") from error
        self._left_s = self._clock()
        samples = channels[:, self._channel].copy()
        if (bad := find_bad_sample(samples)) is not None:
            raise CaptureError(
                f"{self.describe()}: expected samples from -1 to 1, found {samples[bad]:g}; check the device's driver and the sound server"
            )
        block = Block(samples, self._next_sample, overflowed or self._resumed)
        self._next_sample += n_samples
        self._resumed = False
        return block

    def close(self) -> None:
        """Stop listening."""
        if self._stream is not None:
            self._stream.close()
            with _lock:
                _open_streams.remove(self._stream)
            self._stream = None

    def _choose(self, devices: dict[int, InputDevice]) -> int:
        """The one device that is meant, and that is the one heard before."""
        if self._wanted is None:
            matches = [index for index, device in devices.items() if device.is_default]
            missing = "there is no default input device"
        else:
            matches = _match(self._wanted, devices)
            missing = f"no input device matches {self._wanted!r}"
        if not matches:
            raise CaptureError(f"{missing}; available: {_names(devices, list(devices))}, see aegan-monitor devices")
        if len(matches) > 1:
            raise CaptureError(f"several input devices match {self._wanted!r}: {_names(devices, matches)}; give the whole name of one")
        name = devices[matches[0]].name
        if self._name is not None and _CARD_NUMBER.sub("", name) != _CARD_NUMBER.sub("", self._name):
            raise CaptureError(
                f"{self.describe()}: expected the same device again, found {name!r}; plug it in, or name the other and start anew"
            )
        return matches[0]


def list_devices() -> list[InputDevice]:
    """All input devices.

    Raises:
        CaptureError: PortAudio is missing or cannot start.
    """
    sounddevice = _import_sounddevice()
    with _lock:
        return list(_scan(sounddevice).values())


def _match(wanted: str, devices: dict[int, InputDevice]) -> list[int]:
    """Devices of exactly that name, or else those that have it in their name, in any case."""
    exact = [index for index, device in devices.items() if device.name == wanted]
    return exact or [index for index, device in devices.items() if wanted.casefold() in device.name.casefold()]


def _names(devices: dict[int, InputDevice], indices: list[int]) -> str:
    return ", ".join(repr(devices[index].name) for index in indices) or "none"


def _scan(sounddevice: Any) -> dict[int, InputDevice]:
    """Input devices by PortAudio's index.

    PortAudio looks for devices only when it starts. So it is started anew; not while a stream of ours is open, which that would end.
    """
    try:
        if not _open_streams:
            if sounddevice._initialized:
                sounddevice._terminate()
            sounddevice._initialize()
        host_apis = sounddevice.query_hostapis()
        default_index = host_apis[sounddevice.default.hostapi]["default_input_device"]  # -1: none
        found = {i: device for i, device in enumerate(sounddevice.query_devices()) if device["max_input_channels"] > 0}
    except sounddevice.PortAudioError as error:
        raise CaptureError(f"PortAudio does not start ({_first_line(error)}); check the sound system") from error
    return {
        i: InputDevice(
            name=device["name"],
            host_api=host_apis[device["hostapi"]]["name"],
            n_channels=device["max_input_channels"],
            default_sample_rate_hz=device["default_samplerate"],
            is_default=i == default_index,
        )
        for i, device in found.items()
    }


def _import_sounddevice() -> Any:
    try:
        import sounddevice  # noqa: PLC0415 - raises OSError where PortAudio is missing
    except OSError as error:
        raise CaptureError(f"PortAudio is not installed ({_first_line(error)}); install it: apt-get install libportaudio2") from error
    return sounddevice


def _first_line(error: BaseException) -> str:
    return str(error).partition("\n")[0]
