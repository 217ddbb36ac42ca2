"""Sound cards without hardware: imitated `/proc` and `/sys` trees, and a fake sounddevice."""

from pathlib import Path
from types import SimpleNamespace
from typing import Self

import numpy as np


def plug(root: Path, number: int, card_id: str, *, usb_path: str = "", serial: str = "", devices: tuple[int, ...] = (0,)) -> None:
    """Add a card as the kernel shows it."""
    card = root / "proc" / "asound" / f"card{number}"
    for device in devices:
        (card / f"pcm{device}c").mkdir(parents=True)
        (card / f"pcm{device}c" / "info").write_text(f"card: {number}\ndevice: {device}\nid: USB Audio\nname: USB Audio\n")
    (card / "pcm0p").mkdir(parents=True)
    (card / "id").write_text(f"{card_id}\n")
    (root / "proc" / "asound" / "cards").touch()
    place = root / "sys" / "devices" / ("pci0/usb1" if usb_path else "platform") / (usb_path or card_id)
    interface = place / f"{usb_path}:1.0" if usb_path else place
    interface.mkdir(parents=True)
    if usb_path:
        (place / "idVendor").write_text("0d8c\n")
    if serial:
        (place / "serial").write_text(f"{serial}\n")
    link = root / "sys" / "class" / "sound" / f"card{number}"
    link.mkdir(parents=True)
    (link / "device").symlink_to(interface)


class FalsePortAudioError(Exception):
    """An error as sounddevice raises it."""


class FalseSoundDevice:
    """The part of sounddevice that the child uses."""

    PortAudioError = FalsePortAudioError
    default = SimpleNamespace(hostapi=0)

    def __init__(self, *names: str, n_channels: int = 2) -> None:
        self._names, self._n_channels = names, n_channels

    def query_hostapis(self) -> tuple[dict[str, object], ...]:
        return ({"name": "ALSA", "default_input_device": 1 if self._names else -1},)

    def query_devices(self) -> list[dict[str, object]]:
        common = {"hostapi": 0, "default_samplerate": 48_000.0}
        return [
            {"name": "speaker", "max_input_channels": 0, **common},
            *({"name": name, "max_input_channels": self._n_channels, **common} for name in self._names),
        ]

    def RawInputStream(self, rate_hz: float, _blocksize: int, _device: int, channels: int, _dtype: str, latency: float) -> "FalseStream":  # noqa: N802
        assert latency > 0.1
        return FalseStream(rate_hz, channels)


class FalseStream:
    """A stream of two chunks, the second after an overflow, that is then unplugged."""

    def __init__(self, rate_hz: float, n_channels: int) -> None:
        self.samplerate = rate_hz
        self._n_channels, self._n_read = n_channels, 0

    def __enter__(self) -> Self:
        """Nothing to do."""
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing to do."""

    def read(self, n_samples: int) -> tuple[bytes, bool]:
        self._n_read += 1
        if self._n_read > 2:
            raise FalsePortAudioError("Unanticipated host error\nsecond line")
        return np.full((n_samples, self._n_channels), self._n_read, np.float32).tobytes(), self._n_read == 2


_NOISY = """
import random, time

class PortAudioError(Exception):
    pass

class default:
    hostapi = 0

def query_hostapis():
    return ({"name": "ALSA", "default_input_device": 0},)

def query_devices():
    return [{"name": "USB Mic", "max_input_channels": 1, "hostapi": 0, "default_samplerate": 16000.0}]

class RawInputStream:
    samplerate = 16000.0

    def __init__(self, *_, **__):
        self._due_s = time.monotonic()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def read(self, n_samples):
        self._due_s += n_samples / self.samplerate
        time.sleep(max(0.0, self._due_s - time.monotonic()))
        return b"".join(random.randbytes(3) + b"\\x3c" for _ in range(n_samples)), False
"""


def write_noisy_sounddevice(folder: Path) -> Path:
    """Write a `sounddevice` module for PYTHONPATH whose only device gives endless noise of about -36 dBFS."""
    (folder / "sounddevice.py").write_text(_NOISY)
    return folder
