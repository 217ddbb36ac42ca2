"""Raw samples on a pipe."""

import io
from typing import BinaryIO

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aegan_monitor.capture.stdin import SampleFormat, StdinCapture
from aegan_monitor.errors import CaptureError
from aegan_monitor.types import Block

RATE_HZ = 16_000


class Trickle(io.RawIOBase):
    """A pipe whose writer sends its bytes in pieces of any size."""

    def __init__(self, content: bytes, sizes: list[int]) -> None:
        """Store."""
        self._content = content
        self._sizes = sizes

    def readable(self) -> bool:
        """A pipe is there to be read."""
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """The next piece, 0 bytes at the end."""
        n_bytes = min(len(buffer), len(self._content), self._sizes.pop(0) if self._sizes else 1_000_000)
        buffer[:n_bytes], self._content = self._content[:n_bytes], self._content[n_bytes:]
        return n_bytes


class Broken(io.RawIOBase):
    """A pipe that cannot be read."""

    def readable(self) -> bool:
        """It claims to be one."""
        return True

    def readinto(self, _: memoryview) -> int:  # type: ignore[override]
        """Fail as the system does."""
        raise OSError(5, "Input/output error")


def open_capture(stream: BinaryIO | io.RawIOBase, sample_format: SampleFormat, block_samples: int = 100) -> StdinCapture:
    """A capture that has begun."""
    capture = StdinCapture(stream, RATE_HZ, sample_format, block_samples)  # type: ignore[arg-type]
    capture.open()
    return capture


def read_all(capture: StdinCapture) -> list[Block]:
    """Every block up to the end."""
    blocks = []
    while (block := capture.read()) is not None:
        blocks.append(block)
    return blocks


def test_s16le_is_scaled_to_full_scale() -> None:
    """16 bits become float32 from -1 up to just under 1."""
    blocks = read_all(open_capture(io.BytesIO(np.array([-32768, 0, 1, 32767], "<i2").tobytes()), "s16le"))
    assert blocks[0].samples.dtype == np.float32
    assert [block.samples.tolist() for block in blocks] == [[-1.0, 0.0, 1 / 32768, 32767 / 32768]]


def test_f32le_is_taken_as_it_is() -> None:
    """Floats are not changed, not even beyond full scale."""
    blocks = read_all(open_capture(io.BytesIO(np.array([-1.5, 0.25], "<f4").tobytes()), "f32le"))
    assert [block.samples.tolist() for block in blocks] == [[-1.5, 0.25]]


@given(st.integers(0, 1000), st.integers(1, 300), st.lists(st.integers(1, 50)))
def test_every_split_joins_to_the_same_samples(n_samples: int, block_samples: int, sizes: list[int]) -> None:
    """However the writer's pieces fall, blocks are full but the last, and nothing is lost."""
    values = np.arange(n_samples, dtype="<i2")
    blocks = read_all(open_capture(Trickle(values.tobytes(), sizes), "s16le", block_samples))
    joined = np.concatenate([np.zeros(0, np.float32), *(block.samples for block in blocks)])
    np.testing.assert_array_equal(joined * 32768, values)
    assert [block.start_sample for block in blocks] == list(range(0, n_samples, block_samples))
    assert all(len(block.samples) == block_samples for block in blocks[:-1])


@pytest.mark.parametrize(
    ("sample_format", "n_bytes", "expected"),
    [("s16le", 7, "expected 2 bytes for s16le, found 1"), ("f32le", 15, "expected 4 bytes for f32le, found 3")],
)
def test_end_within_a_sample_is_refused(sample_format: SampleFormat, n_bytes: int, expected: str) -> None:
    """Whole samples still come; then the rest that is none is told, once."""
    capture = open_capture(io.BytesIO(bytes(n_bytes)), sample_format)
    block = capture.read()
    assert block is not None
    assert len(block.samples) == 3
    with pytest.raises(CaptureError) as caught:
        capture.read()
    assert str(caught.value) == f"standard input: ended within a sample: {expected}; check that the writer sends {sample_format}"
    assert capture.read() is None


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_no_number_is_refused(value: float) -> None:
    """NaN and infinity are told with their place in the stream."""
    samples = np.zeros(250, "<f4")
    samples[123] = value
    capture = open_capture(io.BytesIO(samples.tobytes()), "f32le")
    capture.read()
    with pytest.raises(CaptureError) as caught:
        capture.read()
    assert str(caught.value) == (
        "standard input: expected finite samples, found NaN or infinity at sample 123; check that the writer sends f32le"
    )


def test_opened_again_goes_on_behind_the_loss() -> None:
    """After a refused block the index counts its samples, and the next block is marked."""
    samples = np.zeros(250, "<f4")
    samples[123] = np.nan
    capture = open_capture(io.BytesIO(samples.tobytes()), "f32le")
    capture.read()
    with pytest.raises(CaptureError):
        capture.read()
    capture.close()
    capture.open()
    block = capture.read()
    assert block is not None
    assert (block.start_sample, len(block.samples), block.overflowed) == (200, 50, True)


def test_broken_pipe_is_told() -> None:
    """What the system says of the pipe is passed on."""
    with pytest.raises(CaptureError) as caught:
        open_capture(Broken(), "s16le").read()
    assert str(caught.value) == "standard input: cannot be read (Input/output error); check the program that writes to it"


def test_describe_tells_what_is_expected() -> None:
    """A person sees which bytes the writer has to send."""
    assert StdinCapture(io.BytesIO(), RATE_HZ, "s16le").describe() == "standard input (s16le, 16000 Hz, 1 channel)"
