"""The microphone without PortAudio, and on a false one for what no sound server can be made to do."""

import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from aegan_monitor.capture.mic import MicrophoneCapture, list_devices
from aegan_monitor.errors import CaptureError
from aegan_monitor.types import FloatArray

RATE_HZ = 16_000


@dataclass(eq=False)
class FalseStream:
    """A stream that gives channel numbers as samples, and overflows when it is told to."""

    n_channels: int
    overflows: bool = False
    read_available: int = 2000
    value: float = 0.0  # added to every sample

    def start(self) -> None:
        """Nothing to do."""

    def close(self) -> None:
        """Nothing to do."""

    def read(self, n_samples: int) -> tuple[FloatArray, bool]:
        """What was asked for, and whether something before it was lost."""
        overflowed, self.overflows = self.overflows, False
        return np.tile(np.arange(self.n_channels, dtype=np.float32) + np.float32(self.value), (n_samples, 1)), overflowed


@dataclass
class FalsePortAudio:
    """What `capture.mic` uses of sounddevice: devices come and go between two starts, as in PortAudio."""

    plugged: list[str]  # names, the default first
    streams: list[FalseStream] = field(default_factory=list)
    seen: list[str] = field(default_factory=list)
    default: Any = field(default_factory=lambda: SimpleNamespace(hostapi=0))
    PortAudioError: type[Exception] = RuntimeError
    _initialized: int = 0

    def _initialize(self) -> None:
        self._initialized += 1
        self.seen = list(self.plugged)

    def _terminate(self) -> None:
        self._initialized -= 1

    def query_hostapis(self) -> tuple[dict[str, object], ...]:
        """The only one, and its default input."""
        return ({"name": "ALSA", "default_input_device": 1 if self.seen else -1},)

    def query_devices(self) -> list[dict[str, object]]:
        """A loudspeaker, and what was plugged in at the start."""
        common = {"hostapi": 0, "default_samplerate": 48_000.0}
        speaker = {"name": "speaker", "max_input_channels": 0, **common}
        return [speaker, *({"name": name, "max_input_channels": 2, **common} for name in self.seen)]

    def InputStream(self, _rate: int, _blocksize: int, device: int, channels: int, _dtype: str, latency: float) -> FalseStream:  # noqa: N802
        """A stream of a device that is still there."""
        assert latency > 0.1
        if self.seen[device - 1] not in self.plugged:
            raise RuntimeError("Device unavailable")
        self.streams.append(FalseStream(channels))
        return self.streams[-1]


@pytest.fixture
def portaudio(monkeypatch: pytest.MonkeyPatch) -> FalsePortAudio:
    """A false PortAudio in place of the real one."""
    false = FalsePortAudio(["USB Mic: Audio (hw:1,0)", "USB Mic: Audio 2 (hw:2,0)"])
    monkeypatch.setitem(sys.modules, "sounddevice", false)
    return false


def open_error(capture: MicrophoneCapture) -> str:
    """What a capture says when it does not open."""
    with pytest.raises(CaptureError) as caught:
        capture.open()
    return str(caught.value)


def test_channel_and_overflow_are_those_of_the_device(portaudio: FalsePortAudio) -> None:
    """The channel that was asked for is heard; the block behind an overflow says so, the next does not."""
    capture = MicrophoneCapture(None, 1, RATE_HZ)
    capture.open()
    first = capture.read()
    portaudio.streams[0].overflows = True
    second, third = capture.read(), capture.read()
    capture.close()
    blocks = [block for block in (first, second, third) if block is not None]
    assert all((block.samples == 1).all() for block in blocks)
    assert [(block.start_sample, block.overflowed) for block in blocks] == [(0, False), (1600, True), (3200, False)]


def test_no_device_is_told(portaudio: FalsePortAudio) -> None:
    """Where there is no input device at all, the default and a name are refused with that."""
    portaudio.plugged.clear()
    assert open_error(MicrophoneCapture(None, 0, RATE_HZ)) == (
        "there is no default input device; available: none, see aegan-monitor devices"
    )
    assert list_devices() == []


def test_whole_name_wins(portaudio: FalsePortAudio) -> None:
    """A name that is part of another's still names its own device."""
    portaudio.plugged[:] = ["pump left", "pump"]
    capture = MicrophoneCapture("pump", 0, RATE_HZ)
    capture.open()
    capture.close()
    assert capture.describe() == "microphone 'pump'"


def test_another_default_is_not_heard_in_silence(portaudio: FalsePortAudio) -> None:
    """When the default has become another device the capture refuses, until the first is back, under whatever card number."""
    capture = MicrophoneCapture(None, 0, RATE_HZ)
    capture.open()
    capture.close()
    portaudio.plugged[:] = ["Webcam (hw:1,0)"]
    assert open_error(capture) == (
        "microphone 'USB Mic: Audio (hw:1,0)': expected the same device again, found 'Webcam (hw:1,0)'; "
        "plug it in, or name the other and start anew"
    )
    portaudio.plugged.insert(0, "USB Mic: Audio (hw:3,0)")
    capture.open()
    capture.close()
    assert capture.describe() == "microphone 'USB Mic: Audio (hw:3,0)'"


def test_devices_are_not_looked_for_under_an_open_stream(portaudio: FalsePortAudio) -> None:
    """PortAudio is started anew only while no capture of this process is open, for that would end its stream."""
    listening, other = MicrophoneCapture("audio 2", 0, RATE_HZ), MicrophoneCapture("webcam", 0, RATE_HZ)
    listening.open()
    portaudio.plugged.append("Webcam (hw:3,0)")
    assert open_error(other).startswith("no input device matches 'webcam'")
    listening.close()
    other.open()
    other.close()


def test_refused_device_can_be_opened_later(portaudio: FalsePortAudio) -> None:
    """A device that vanishes between looking and opening is refused; what did not open holds nothing back."""
    listening, other = MicrophoneCapture("audio 2", 0, RATE_HZ), MicrophoneCapture("audio (hw:1", 0, RATE_HZ)
    listening.open()
    gone = portaudio.plugged.pop(0)
    assert open_error(other) == (
        f"microphone {gone!r}: does not open at 16000 Hz (Device unavailable); "
        "see that no other program holds it, or choose a device that has this rate (aegan-monitor devices)"
    )
    listening.close()
    portaudio.plugged.append(gone)
    other.open()
    other.close()


@pytest.mark.parametrize("value", [np.nan, np.inf, 32_767.0])
def test_what_is_no_sound_is_a_fault(portaudio: FalsePortAudio, value: float) -> None:
    """A driver that gives NaN or integers is told, and nothing of it gets into the line."""
    capture = MicrophoneCapture(None, 0, RATE_HZ)
    capture.open()
    portaudio.streams[0].value = value
    with pytest.raises(CaptureError) as caught:
        capture.read()
    assert str(caught.value) == (
        f"microphone 'USB Mic: Audio (hw:1,0)': expected samples from -1 to 1, found {value:g}; "
        "check the device's driver and the sound server"
    )
    capture.close()


@pytest.mark.parametrize("action", ["list_devices()", "MicrophoneCapture(None, 0, 16000).open()"])
def test_missing_portaudio_is_told(tmp_path: Path, action: str) -> None:
    """Without PortAudio the module still imports; listening and listing say what to install."""
    (tmp_path / "sounddevice.py").write_text('raise OSError("PortAudio library not found")\n')
    code = f"import aegan_monitor.capture.mic as mic\ntry: mic.{action}\nexcept mic.CaptureError as error: print(error)"
    env = {"PYTHONPATH": ":".join([str(tmp_path), *sys.path])}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=False, timeout=60)
    assert (done.stdout, done.stderr) == (
        "PortAudio is not installed (PortAudio library not found); install it: apt-get install libportaudio2\n",
        "",
    )
