"""One channel of a microphone: identity at each opening, faults, rate, and sample times."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from aegan_monitor.audio.device.alsa import AlsaCards
from aegan_monitor.audio.device.discovery import Devices
from aegan_monitor.audio.device.shared_stream import Microphones
from aegan_monitor.audio.microphone import MicrophoneCapture
from aegan_monitor.errors import CaptureError
from devices import FalsePortAudio, FalseServer, FalseStream, Item, Lab, flat, make_source, ramp

if TYPE_CHECKING:
    from aegan_monitor.types import Block

RATE_HZ = 16_000


def read_fault(capture: MicrophoneCapture) -> str:
    """Read until the capture fails."""
    try:
        while True:
            capture.read()
    except CaptureError as error:
        return error.fault


@pytest.mark.parametrize(("channel", "sign"), [(0, 1), (1, -1)])
def test_channel_and_overflow_are_those_of_the_device(channel: int, sign: int) -> None:
    """The configured channel is heard, and only the block after an overflow is marked."""
    lab = Lab([ramp(100), ramp(100, 200), ramp(100, 300, overflowed=True), ramp(100, 400)], channel=channel)
    lab.capture.open()
    blocks = lab.read(4)
    assert all((np.sign(block.samples) == sign).all() for block in blocks)
    assert [(block.start_sample, len(block.samples), block.overflowed) for block in blocks] == [
        (0, 99, False),  # one sample alone may be of a dead channel
        (99, 100, False),
        (199, 100, True),
        (299, 100, False),
    ]
    lab.capture.close()


def test_the_lost_time_is_in_the_sample_index() -> None:
    """Opened again after seven seconds, the first block includes them in its index, and only it is marked."""
    lab = Lab([ramp(1000), CaptureError("unplugged")], [ramp(1000), ramp(1000, 2000)])
    lab.capture.open()
    lab.read()
    lab.fail()
    lab.capture.close()
    lab.now_s += 7.0
    lab.capture.open()
    blocks = lab.read(2)
    assert [(block.start_sample, block.overflowed) for block in blocks] == [(999 + 7 * RATE_HZ - 999, True), (999 + 7 * RATE_HZ, False)]
    lab.capture.close()


def test_the_lost_time_counts_once_though_the_resampler_is_late() -> None:
    """The delay of the resampler does not change the index of the first sample."""
    lab = Lab([ramp(4800), CaptureError("unplugged")], [ramp(10, start) for start in range(1, 5000, 10)], device_rate_hz=48_000)
    lab.capture.open()
    [before] = lab.read()
    lab.fail()
    lab.capture.close()
    lab.now_s += 7.0
    lab.capture.open()
    [after] = lab.read()
    lab.capture.close()
    assert after.overflowed
    assert after.start_sample + len(after.samples) == before.start_sample + len(before.samples) + 7 * RATE_HZ


@pytest.mark.parametrize(("value", "fault"), [(0.0, "silent"), (0.3, "constant")])
def test_a_dead_channel_is_reported_and_opened_again(value: float, fault: str) -> None:
    """A dead channel is reported after a second and delivers nothing until a growing hold-off has passed."""
    lab = Lab([ramp(1000), *[flat(8000, value)] * 3], [flat(8000, value)] * 30, [*[flat(8000, value)] * 4, *[ramp(800, 100)] * 40])
    lab.capture.open()
    assert len(lab.read()[0].samples) >= 999
    assert lab.fail().fault == fault
    lab.capture.close()
    lab.capture.open()
    assert lab.fail().fault == fault
    assert lab.capture._subscription is not None
    lab.capture.close()
    lab.now_s += 20
    lab.capture.open()
    [block] = lab.read()
    assert block.overflowed
    assert len(block.samples) == 800
    lab.capture.close()


@pytest.mark.parametrize("value", [np.nan, np.inf, 32_767.0])
def test_what_is_no_sound_is_a_fault(value: float) -> None:
    """NaN or integers from a driver are a fault and are not delivered."""
    lab = Lab([flat(100, value)])
    lab.capture.open()
    error = lab.fail()
    assert error.fault == "invalid"
    assert str(error) == (
        f"microphone 'USB Mic': expected samples from -1 to 1, found {value:g}; check the device's driver and the sound server"
    )
    lab.capture.close()


@pytest.mark.parametrize("device_rate_hz", [16_000, 44_100, 48_000])
def test_the_rate_becomes_the_bundles(device_rate_hz: int) -> None:
    """Resampling keeps the pitch, counts samples at the bundle's rate, and restarts after a gap."""
    times_s = np.arange(3 * device_rate_hz) / device_rate_hz
    tone = np.sin(2 * np.pi * 1000 * times_s + 0.1).astype(np.float32)
    chunks: list[Item] = [ramp(0)]
    for start in range(0, len(tone), device_rate_hz // 20):
        chunk = ramp(0)
        part = tone[start : start + device_rate_hz // 20]
        chunk.samples.resize((len(part), 2), refcheck=False)
        chunk.samples[:] = part[:, None]
        chunks.append(chunk)
    lab = Lab(chunks, device_rate_hz=device_rate_hz)
    lab.capture.open()
    blocks: list[Block] = []
    while sum(len(block.samples) for block in blocks) < 2.9 * RATE_HZ:
        blocks += lab.read()
    lab.capture.close()
    assert [block.start_sample for block in blocks] == list(np.cumsum([0, *[len(block.samples) for block in blocks]])[:-1])
    heard = np.concatenate([block.samples for block in blocks])[2000:34_000]
    spectrum = np.abs(np.fft.rfft(heard * np.hanning(len(heard))))
    assert np.argmax(spectrum) == pytest.approx(1000 * len(heard) / RATE_HZ, abs=1)
    assert np.sqrt(np.mean(heard**2)) == pytest.approx(np.sqrt(0.5), rel=1e-3)


def test_a_device_that_is_too_slow_is_refused() -> None:
    """A device with a lower rate than the bundle is refused and closed."""
    lab = Lab([ramp(100)], device_rate_hz=8000)
    with pytest.raises(CaptureError, match="sound above 4000 Hz cannot be heard; choose another microphone") as caught:
        lab.capture.open()
    assert caught.value.fault == "low_rate"
    assert lab.stream is not None
    assert lab.stream.closed


def test_a_wrong_rate_must_prove_itself_right() -> None:
    """After a rate fault nothing is delivered until the rate was right for eight seconds."""
    lab = Lab([CaptureError("too fast", "wrong_rate")], [ramp(800, 100) for _ in range(150)])
    lab.capture.open()
    assert lab.fail().fault == "wrong_rate"
    lab.capture.close()
    lab.capture.open()
    for _ in range(150):
        block = lab.capture.read()
        assert block is not None
        assert len(block.samples) == 0
    assert lab.stream is not None
    lab.stream.items += [ramp(800, 100) for _ in range(90)]
    lab.read()
    lab.capture.close()


def test_a_hanging_server_is_no_news() -> None:
    """Only a device that has appeared since the last attempt is news, and a hanging server is not."""
    lab = Lab([ramp(100), CaptureError("unplugged")])
    lab.capture.open()
    assert not lab.capture.has_news()
    lab.server.hangs = True
    assert not lab.capture.has_news()
    lab.server.hangs = False
    lab.server.sources = []
    assert lab.capture.has_news()
    lab.capture.close()


@pytest.mark.process
def test_missing_portaudio_does_not_hinder_the_import(tmp_path: Path) -> None:
    """A microphone of a sound server works without PortAudio and sounddevice."""
    (tmp_path / "sounddevice.py").write_text('raise OSError("PortAudio library not found")\n')
    code = "import aegan_monitor.audio.microphone as mic, sys; print('sounddevice' in sys.modules)"
    env = {"PYTHONPATH": ":".join([str(tmp_path), *sys.path])}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=False, timeout=60)
    assert (done.stdout, done.stderr) == ("False\n", "")


def test_a_gated_microphone_is_silent_and_stays_it() -> None:
    """A microphone with single isolated samples stays open and delivers nothing."""
    tick: list[Item] = [*[flat(800)] * 24, ramp(800, 100)]
    lab = Lab([flat(20_000)], tick * 8)
    lab.capture.open()
    assert lab.fail().fault == "silent"
    lab.capture.close()
    lab.capture.open()
    for _ in range(8 * 25):
        block = lab.capture.read()
        assert block is not None
        assert len(block.samples) == 0
    lab.capture.close()


def test_a_device_whose_channels_are_all_stuck_is_opened_again() -> None:
    """Each of its captures fails at the same sample, so that the last one closes the device."""
    opened: list[FalseStream] = []

    def open_stream(_: str) -> FalseStream:
        opened.append(FalseStream([flat(8000)] * 3))
        return opened[-1]

    server = FalseServer(make_source("usb", "USB Mic", default=True), stream=open_stream)
    microphones = Microphones(lambda: opened[-1].passed_s if opened else 0.0)
    devices = Devices(server, AlsaCards(Path("/nonexistent")), FalsePortAudio())
    captures = [MicrophoneCapture(None, channel, RATE_HZ, 5.0, devices=devices, microphones=microphones) for channel in (0, 1)]
    with ThreadPoolExecutor() as threads:
        for n_opened in (1, 2):
            for capture in captures:
                capture.open()
            opened[-1].items += [flat(8000)] * 12
            assert list(threads.map(read_fault, captures)) == ["silent", "silent"]
            for capture in captures:
                capture.close()
            assert [stream.closed for stream in opened] == [True] * n_opened
