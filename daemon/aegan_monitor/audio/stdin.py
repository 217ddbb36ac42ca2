"""Raw samples from a pipe, such as `arecord -t raw` or `ffmpeg -f s16le -`."""

import os
import select
import time
from dataclasses import dataclass
from typing import Literal

import numpy as np

from aegan_monitor.audio.source import find_bad_sample
from aegan_monitor.errors import CaptureError
from aegan_monitor.types import Block, FloatArray

SampleFormat = Literal["s16le", "f32le"]

_DTYPE_AND_FULL_SCALE: dict[SampleFormat, tuple[str, int]] = {"s16le": ("<i2", 32768), "f32le": ("<f4", 1)}
_ARECORD_FORMAT: dict[SampleFormat, str] = {"s16le": "S16_LE", "f32le": "FLOAT_LE"}
_HEADERS = {b"RIFF": "WAV", b"RF64": "RF64", b"BW64": "BW64", b"fLaC": "FLAC", b"OggS": "Ogg", b"FORM": "AIFF"}
_HEADER_BYTES = 4


@dataclass(slots=True)
class Pipe:
    """A descriptor, and the state that a reload hands on: bytes read after the last whole sample, and whether a sample has come."""

    descriptor: int
    rest: bytes = b""
    has_begun: bool = False


class StdinCapture:
    """One channel of headerless PCM, whose rate cannot be checked.

    It reads the descriptor itself: a thread that waits inside Python's own standard input would block the exit.
    """

    def __init__(
        self, pipe: Pipe, sample_rate_hz: int, sample_format: SampleFormat, block_samples: int = 1600, wait_s: float = 0.25
    ) -> None:
        """Store. A block holds the samples of `wait_s`, `block_samples` at most (1600 are 0.1 s at 16 kHz)."""
        self.sample_rate_hz = sample_rate_hz
        self._pipe, self._sample_format, self._block_samples, self._wait_s = pipe, sample_format, block_samples, wait_s
        dtype, self._full_scale = _DTYPE_AND_FULL_SCALE[sample_format]
        self._dtype = np.dtype(dtype)
        self._next_sample = 0

    def describe(self) -> str:
        """The expected format."""
        return f"standard input ({self._sample_format}, {self.sample_rate_hz} Hz, 1 channel)"

    def open(self) -> None:
        """Do nothing: the pipe is open."""

    def read(self) -> Block | None:
        """The next block; None when the writer has closed the pipe.

        Raises:
            CaptureError: The pipe broke, starts with the header of a file, ended before the first sample or within one, or delivered NaN
                or samples far beyond full scale.
        """
        width = self._dtype.itemsize
        content, ended = self._read_bytes(max(_HEADER_BYTES, self._block_samples * width))
        if not self._pipe.has_begun:
            if len(content) < _HEADER_BYTES and not ended:
                self._pipe.rest = content
                return Block(np.zeros(0, np.float32), 0)
            self._refuse_header(content)
        n_whole = min(self._block_samples, len(content) // width)
        self._pipe.rest = content[n_whole * width :]
        self._pipe.has_begun = self._pipe.has_begun or n_whole > 0
        if n_whole or not ended:
            return self._deliver(np.frombuffer(content, self._dtype, n_whole).astype(np.float32) / np.float32(self._full_scale))
        if self._pipe.rest:
            n_bytes, self._pipe.rest = len(self._pipe.rest), b""
            raise CaptureError(
                f"standard input: ended within a sample: expected {width} bytes for {self._sample_format}, found {n_bytes}; "
                f"check that the writer sends {self._sample_format}"
            )
        if not self._pipe.has_begun:
            raise CaptureError("standard input: ended before the first sample; check the program that writes to it")
        return None

    def close(self) -> None:
        """Do nothing: the pipe belongs to the caller."""

    def _refuse_header(self, content: bytes) -> None:
        if (found := _HEADERS.get(content[:_HEADER_BYTES])) is None:
            return
        raw = f"arecord -t raw -f {_ARECORD_FORMAT[self._sample_format]} -r {self.sample_rate_hz} -c 1"
        convert = f"ffmpeg -i FILE -ac 1 -ar {self.sample_rate_hz} -f {self._sample_format} -"
        raise CaptureError(f"{self.describe()}: expected raw samples, found a {found} header; write raw samples: {raw}, or {convert}")

    def _read_bytes(self, n_bytes: int) -> tuple[bytes, bool]:
        """Bytes that come within `wait_s`, up to `n_bytes`, and whether the writer has closed the pipe."""
        content, deadline_s = self._pipe.rest, time.monotonic() + self._wait_s
        poll = select.poll()
        poll.register(self._pipe.descriptor, select.POLLIN)
        try:
            while len(content) < n_bytes and poll.poll(1000 * max(0.0, deadline_s - time.monotonic())):
                part = os.read(self._pipe.descriptor, n_bytes - len(content))
                content += part
                if not part:
                    return content, True
        except OSError as error:
            raise CaptureError(f"standard input: cannot be read ({error.strerror}); check the program that writes to it") from error
        return content, False

    def _deliver(self, samples: FloatArray) -> Block:
        start, self._next_sample = self._next_sample, self._next_sample + len(samples)
        if (bad := find_bad_sample(samples)) is not None:
            raise CaptureError(
                f"standard input: expected samples from -1 to 1, found {samples[bad]:g} at sample {start + bad}; "
                f"check that the writer sends {self._sample_format}"
            )
        return Block(samples, start)
