"""Raw samples from a pipe, such as `arecord -t raw` or `ffmpeg -f s16le -`."""

from typing import BinaryIO, Literal

import numpy as np

from aegan_monitor.errors import CaptureError
from aegan_monitor.types import Block, FloatArray

SampleFormat = Literal["s16le", "f32le"]

_DTYPE_AND_FULL_SCALE: dict[SampleFormat, tuple[str, int]] = {"s16le": ("<i2", 32768), "f32le": ("<f4", 1)}


class StdinCapture:
    """One channel of headerless PCM; the rate is whatever the writer uses, and cannot be checked."""

    def __init__(self, stream: BinaryIO, sample_rate_hz: int, sample_format: SampleFormat, block_samples: int = 1600) -> None:
        """Store; a block is full unless the stream ends (1600 samples are 0.1 s at 16 kHz)."""
        self.sample_rate_hz = sample_rate_hz
        self._stream = stream
        self._sample_format = sample_format
        dtype, self._full_scale = _DTYPE_AND_FULL_SCALE[sample_format]
        self._dtype = np.dtype(dtype)
        self._block_samples = block_samples
        self._rest = b""
        self._next_sample = 0
        self._resumed = False

    def describe(self) -> str:
        """What is expected on the pipe."""
        return f"standard input ({self._sample_format}, {self.sample_rate_hz} Hz, 1 channel)"

    def open(self) -> None:
        """Go on where the stream is."""
        self._resumed = self._next_sample > 0

    def read(self) -> Block | None:
        """The next block; None when the writer has closed the pipe.

        Raises:
            CaptureError: The pipe broke, ended within a sample, or gave NaN or infinity.
        """
        width = self._dtype.itemsize
        content = self._read_bytes(self._block_samples * width)
        n_whole = len(content) // width
        self._rest = content[n_whole * width :]
        if n_whole:
            return self._deliver(np.frombuffer(content, self._dtype, n_whole).astype(np.float32) / np.float32(self._full_scale))
        if self._rest:
            n_bytes, self._rest = len(self._rest), b""
            raise CaptureError(
                f"standard input: ended within a sample: expected {width} bytes for {self._sample_format}, found {n_bytes}; "
                f"check that the writer sends {self._sample_format}"
            )
        return None

    def close(self) -> None:
        """Nothing to let go of: the stream belongs to whoever gave it."""

    def _read_bytes(self, n_bytes: int) -> bytes:
        parts, n_missing = [self._rest], n_bytes - len(self._rest)
        try:
            while n_missing and (part := self._stream.read(n_missing)):
                parts.append(part)
                n_missing -= len(part)
        except OSError as error:
            raise CaptureError(f"standard input: cannot be read ({error.strerror}); check the program that writes to it") from error
        return b"".join(parts)

    def _deliver(self, samples: FloatArray) -> Block:
        start, self._next_sample = self._next_sample, self._next_sample + len(samples)
        if not np.isfinite(samples).all():
            bad = start + int(np.argmin(np.isfinite(samples)))
            raise CaptureError(
                f"standard input: expected finite samples, found NaN or infinity at sample {bad}; "
                f"check that the writer sends {self._sample_format}"
            )
        overflowed, self._resumed = self._resumed, False
        return Block(samples, start, overflowed)
