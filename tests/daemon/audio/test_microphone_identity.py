"""At each opening a microphone is the same device and channel as before, or is refused."""

import pytest

from aegan_monitor.audio.device.discovery import Devices, InputDevice
from aegan_monitor.audio.device.shared_stream import Microphones
from aegan_monitor.audio.device.stream import Stream
from aegan_monitor.audio.microphone import MicrophoneCapture
from aegan_monitor.errors import CaptureError
from devices import FalseStream, Lab, flat, make_source, ramp

RATE_HZ = 16_000


def test_a_channel_that_is_not_there_is_refused() -> None:
    """A missing channel is refused, and the device is closed."""
    lab = Lab([], channel=2)
    assert lab.refuse() == "microphone 'USB Mic': expected a channel from 0 to 1, found 2; choose one of these"


def test_another_default_is_not_heard_in_silence() -> None:
    """The first default device is kept: another default is not heard, and the first is taken when it returns."""
    lab = Lab([ramp(100), CaptureError("unplugged")], [ramp(100)])
    lab.capture.open()
    lab.read()
    assert lab.fail().fault == "missing"
    lab.capture.close()
    mic, lab.server.sources = lab.server.sources, [make_source("webcam", default=True)]
    assert lab.refuse() == "no source 'usb'"
    assert lab.capture.describe() == "microphone 'USB Mic'"
    lab.server.sources = [*(mic or []), make_source("webcam", default=True)]
    lab.capture.open()
    lab.read()
    lab.capture.close()
    assert lab.server.opened == ["usb", "usb"]


def test_a_default_that_gave_nothing_binds_nobody() -> None:
    """A default device that gave only zeros is not kept."""
    lab = Lab([flat(20_000)], [ramp(800, 100)] * 40)
    lab.server.sources = [make_source("line-in", default=True)]
    lab.capture.open()
    assert lab.fail().fault == "silent"
    lab.capture.close()
    lab.server.sources = [make_source("usb", default=True)]
    lab.capture.open()
    lab.read()
    lab.capture.close()
    assert lab.server.opened == ["line-in", "usb"]


class Moved(Devices):
    """A device finder whose result the test sets."""

    now = InputDevice("USB PnP", "ALSA", 2, 16_000.0, False, "usb:1-1.4")

    def look(self, wanted: str | None) -> object:
        return wanted

    def find(self, wanted: str | None) -> InputDevice:
        assert wanted == "USB"
        return self.now

    def open(self, device: InputDevice) -> Stream:
        return FalseStream([ramp(100), CaptureError(f"unplugged {device.identity}")])


def test_a_name_may_move_to_another_port() -> None:
    """The only device of a name is heard at another port; one that matches a part of the name is not."""
    devices = Moved()
    capture = MicrophoneCapture("USB", 0, RATE_HZ, devices=devices, microphones=Microphones(lambda: 0.0))
    for identity in ("usb:1-1.4", "usb:1-1.3"):
        devices.now = InputDevice("USB PnP", "ALSA", 2, 16_000.0, False, identity)
        capture.open()
        capture.read()
        with pytest.raises(CaptureError, match=f"unplugged {identity}"):
            capture.read()
        capture.close()
    devices.now = InputDevice("USB webcam", "ALSA", 2, 16_000.0, False, "usb:1-1.4")
    with pytest.raises(CaptureError) as caught:
        capture.open()
    assert str(caught.value) == ("microphone 'USB PnP': is gone, and 'USB webcam' is not what was heard; plug it in, or name the other")
