"""A fake sound server and a fake PortAudio, whose devices and samples the test sets."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from aegan_monitor.audio.device.alsa import AlsaCards
from aegan_monitor.audio.device.discovery import Devices
from aegan_monitor.audio.device.portaudio import PortAudio
from aegan_monitor.audio.device.pulseaudio.connection import NoServerError
from aegan_monitor.audio.device.pulseaudio.source import PulseServer, Source
from aegan_monitor.audio.device.pulseaudio.tagstruct import ChannelMap
from aegan_monitor.audio.device.shared_stream import Microphones
from aegan_monitor.audio.device.stream import Chunk, Stream
from aegan_monitor.audio.microphone import MicrophoneCapture
from aegan_monitor.errors import CaptureError
from aegan_monitor.types import Block

Item = Chunk | CaptureError
RATE_HZ = 16_000


def make_source(name: str, description: str = "", *, monitor: bool = False, default: bool = False, index: int = 0) -> Source:
    """A source of two channels at 16 kHz."""
    return Source(index, name, description or name, 2, 16_000, ChannelMap(b"\1\2"), monitor, default)


@dataclass(eq=False)
class FalseStream:
    """A stream that gives the items of the test, then nothing until it is closed."""

    items: list[Item] = field(default_factory=list)
    sample_rate_hz: int = 16_000
    n_channels: int = 2
    closed: bool = False
    passed_s: float = 0.0  # while what was given sounded

    def read(self, timeout_s: float) -> Chunk | None:
        """The next item; an error is raised."""
        assert not self.closed
        item = self.items.pop(0) if self.items else None
        if isinstance(item, CaptureError):
            raise item
        if item is None:
            time.sleep(min(timeout_s, 0.01))
        else:
            self.passed_s += len(item.samples) / self.sample_rate_hz
        return item

    def close(self) -> None:
        """Record the closing."""
        self.closed = True


class FalseServer(PulseServer):
    """A sound server with the `sources` that the test sets; None: no server answers."""

    def __init__(self, *sources: Source, stream: Callable[[str], Stream] = lambda _: FalseStream()) -> None:
        super().__init__("unix:/nowhere")
        self.sources: list[Source] | None = list(sources)
        self.opened: list[str] = []
        self.hangs = False
        self._stream = stream

    def list_sources(self) -> list[Source]:
        if self.hangs:
            raise CaptureError("the sound server hangs", "stalled")
        if self.sources is None:
            raise NoServerError("no sound server")
        return self.sources

    def open(self, name: str) -> Stream:  # type: ignore[override] # a stream of ours in place of the server's
        if name not in [source.name for source in self.list_sources()]:
            raise CaptureError(f"no source {name!r}")
        self.opened.append(name)
        return self._stream(name)


class FalsePortAudio(PortAudio):
    """PortAudio with devices of these names, the first being the default; None: not installed."""

    def __init__(self, *names: str, stream: Callable[[str], Stream] = lambda _: FalseStream()) -> None:
        super().__init__(["false"])
        self.names: list[str] | None = list(names)
        self.opened: list[str] = []
        self._stream = stream

    def list_devices(self) -> list[dict[str, Any]]:
        if self.names is None:
            raise CaptureError("PortAudio is not installed")
        common = {"host_api": "ALSA", "n_channels": 2, "default_sample_rate_hz": 48_000.0}
        return [{"index": index, "name": name, "is_default": index == 0, **common} for index, name in enumerate(self.names)]

    def open(self, name: str, place: str) -> Stream:  # type: ignore[override] # likewise
        self.opened.append(place)
        return self._stream(name)


def ramp(n_samples: int, start: float = 1.0, *, overflowed: bool = False) -> Chunk:
    """Distinct samples: `start`, `start` + 1, ... thousandths in channel 0, their negatives in channel 1."""
    values = ((start + np.arange(n_samples)) / 1000).astype(np.float32)
    return Chunk(np.stack([values, -values], axis=1), overflowed)


def flat(n_samples: int, value: float = 0.0) -> Chunk:
    """One constant value in both channels."""
    return Chunk(np.full((n_samples, 2), value, np.float32))


class Lab:
    """A microphone on a fake sound server with its own clock; each opening gives the next list of items."""

    def __init__(self, *openings: list[Item], wanted: str | None = None, channel: int = 0, device_rate_hz: int = RATE_HZ) -> None:
        self.now_s = 100.0
        self.openings = list(openings)
        self.stream: FalseStream | None = None
        self.rate_hz = device_rate_hz
        self.server = FalseServer(make_source("usb", "USB Mic", default=True), stream=self.open_stream)
        devices = Devices(self.server, AlsaCards(Path("/nonexistent")), FalsePortAudio())
        self.capture = MicrophoneCapture(
            wanted, channel, RATE_HZ, stall_s=5.0, clock=lambda: self.now_s, devices=devices, microphones=Microphones(self.tell_time)
        )

    def open_stream(self, _: str) -> FalseStream:
        """Open the next stream."""
        self.stream = FalseStream(self.openings.pop(0) if self.openings else [], self.rate_hz)
        return self.stream

    def tell_time(self) -> float:
        """The time of the device's clock, so that its rate is right."""
        return self.stream.passed_s if self.stream else 0.0

    def read(self, n_blocks: int = 1) -> list[Block]:
        """The blocks with samples."""
        found: list[Block] = []
        while len(found) < n_blocks:
            block = self.capture.read()
            assert block is not None
            found += [block] if len(block.samples) else []
        return found

    def fail(self) -> CaptureError:
        """Read until the error."""
        try:
            while True:
                self.capture.read()
        except CaptureError as error:
            return error

    def refuse(self) -> str:
        """The error of opening."""
        with pytest.raises(CaptureError) as caught:
            self.capture.open()
        return str(caught.value)
