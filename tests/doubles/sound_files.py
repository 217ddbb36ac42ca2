"""Sound files as recorders, pipes and crashes leave them."""

from pathlib import Path

import numpy as np
import soundfile

from aegan_monitor.audio.source import Capture
from aegan_monitor.types import Block, FloatArray

RATE_HZ = 16_000
FLAC_TOTAL_AT = 8 + 13  # low 4 bits of this byte and the 4 bytes behind it: samples in total


def noise(n_samples: int, seed: int = 0, n_channels: int | None = None) -> FloatArray:
    """Random samples that 16 bits represent exactly, `[n_samples]` or `[n_samples, n_channels]`."""
    shape = n_samples if n_channels is None else (n_samples, n_channels)
    values: FloatArray = (np.random.default_rng(seed).integers(-32768, 32768, shape) / 32768).astype(np.float32)
    return values


def write(path: Path, samples: FloatArray, rate_hz: int = RATE_HZ, **options: str) -> Path:
    """Write a recording; its suffix gives the format unless `options` do."""
    options = {"format": path.suffix[1:].upper(), **options}
    with path.open("w+b") as file:  # by its descriptor: the name need not be UTF-8
        soundfile.write(file, samples, rate_hz, **options)
    return path


def set_data_size(path: Path, n_bytes: int) -> Path:
    """Overwrite the size of a WAV's data chunk."""
    content = path.read_bytes()
    at = content.index(b"data") + 4
    path.write_bytes(content[:at] + n_bytes.to_bytes(4, "little") + content[at + 4 :])
    return path


def set_flac_total(path: Path, n_samples: int) -> Path:
    """Overwrite the total number of samples in a FLAC's header; 0 means unknown."""
    content = bytearray(path.read_bytes())
    content[FLAC_TOTAL_AT] = (content[FLAC_TOTAL_AT] & 0xF0) | (n_samples >> 32)
    content[FLAC_TOTAL_AT + 1 : FLAC_TOTAL_AT + 5] = (n_samples & 0xFFFFFFFF).to_bytes(4, "big")
    path.write_bytes(content)
    return path


def read_all(capture: Capture) -> list[Block]:
    """Every block up to the end."""
    blocks = []
    while (block := capture.read()) is not None:
        blocks.append(block)
    return blocks
