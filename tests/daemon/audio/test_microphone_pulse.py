"""The microphone on a real PulseAudio: exact samples, and its device names."""

import time
from pathlib import Path

import numpy as np
import pytest
import soundfile

from aegan_monitor.audio.device.discovery import Devices
from aegan_monitor.audio.device.pulseaudio.source import PulseServer
from aegan_monitor.audio.device.shared_stream import Microphones
from aegan_monitor.audio.microphone import MicrophoneCapture
from aegan_monitor.errors import CaptureError
from pulse import PulseServer as RealServer

pytestmark = pytest.mark.mic

RATE_HZ = 16_000
DEADLINE_S = 30.0


def make_capture(pulse: RealServer, device: str, channel: int = 0) -> MicrophoneCapture:
    """A capture that uses this server only."""
    devices = Devices(PulseServer(pulse.address, {}))
    return MicrophoneCapture(device, channel, RATE_HZ, devices=devices, microphones=Microphones())


def test_played_samples_are_heard_bit_by_bit(pulse: RealServer, tmp_path: Path) -> None:
    """Samples played into the sink are captured unchanged and without a gap."""
    played = np.random.default_rng(0).integers(-32768, 32768, 3 * RATE_HZ).astype(np.int16)
    played[:11] = [*[0] * 10, 1]  # nothing is heard of zeros before the first sound
    soundfile.write(tmp_path / "pump.wav", played, RATE_HZ)
    capture = make_capture(pulse, "pulse:mic.monitor")
    capture.open()
    heard: list[np.ndarray] = []
    deadline_s = time.monotonic() + DEADLINE_S
    with pulse.playing(tmp_path / "pump.wav"):
        while sum(map(len, heard)) < len(played) - 10:
            assert time.monotonic() < deadline_s
            try:
                block = capture.read()
            except CaptureError as error:  # zeros, until the player has begun
                assert error.fault == "silent"  # noqa: PT017 - and nothing else
                capture.close()
                capture.open()
                continue
            assert block is not None
            assert block.start_sample == sum(map(len, heard))
            assert not block.overflowed
            heard.append(block.samples)
    assert capture.describe() == "microphone 'mic.monitor'"
    capture.close()
    np.testing.assert_array_equal(np.concatenate(heard)[: len(played) - 10], played[10:] / np.float32(32768))


NULL = "'Monitor of Null Output' (pulse:mic.monitor)"


@pytest.mark.parametrize(
    ("device", "channel", "message"),
    [
        ("bathtub", 0, f"no input device matches 'bathtub'; available: {NULL}, see aegan-monitor devices"),
        ("null", 0, f"no input device matches 'null'; available: {NULL}, see aegan-monitor devices"),
        ("pulse:bathtub", 0, "the sound server has no source 'bathtub'; available: 'mic.monitor'; plug the microphone in"),
        ("mic.monitor", 1, "microphone 'Monitor of Null Output': expected a channel from 0 to 0, found 1; choose one of these"),
    ],
)
def test_a_wrong_device_is_refused(pulse: RealServer, device: str, channel: int, message: str) -> None:
    """A missing device, a monitor named in part, and a missing channel are refused."""
    with pytest.raises(CaptureError) as caught:
        make_capture(pulse, device, channel).open()
    assert str(caught.value) == message


def test_sources_are_listed(pulse: RealServer) -> None:
    """Sources are listed with identity, channels and rate; the default is marked."""
    pulse.add_sink("interface", 48_000, 8)
    found = Devices(PulseServer(pulse.address, {})).list_all()
    assert [(device.identity, device.n_channels, device.default_sample_rate_hz, device.is_default) for device in found] == [
        ("pulse:mic.monitor", 1, 16_000, True),
        ("pulse:interface.monitor", 8, 48_000, False),
    ]
