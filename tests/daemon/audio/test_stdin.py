"""Raw samples on a pipe."""

import contextlib
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aegan_monitor.audio.stdin import Pipe, SampleFormat, StdinCapture
from aegan_monitor.errors import CaptureError
from sound_files import RATE_HZ, read_all


@contextlib.contextmanager
def open_pipe(content: bytes, sizes: list[int] | None = None) -> Iterator[int]:
    """The reading end of a pipe whose writer sends `content` in pieces of these sizes, and then closes it."""
    reading, writing = os.pipe()

    def write() -> None:
        rest, pieces = content, iter(sizes or [])
        with os.fdopen(writing, "wb", buffering=0) as pipe, contextlib.suppress(BrokenPipeError):
            while rest:
                rest = rest[pipe.write(rest[: next(pieces, len(rest))]) :]

    writer = threading.Thread(target=write)
    writer.start()
    try:
        yield reading
    finally:
        os.close(reading)
        writer.join()


def open_capture(descriptor: int, sample_format: SampleFormat, block_samples: int = 100) -> StdinCapture:
    """A capture that has begun."""
    capture = StdinCapture(Pipe(descriptor), RATE_HZ, sample_format, block_samples, wait_s=10)
    capture.open()
    return capture


@pytest.fixture
def pipe_of() -> Iterator[Callable[[bytes], int]]:
    """Makes pipes with a content."""
    with contextlib.ExitStack() as pipes:
        yield lambda content: pipes.enter_context(open_pipe(content))


def test_s16le_is_scaled_to_full_scale(pipe_of: Callable[[bytes], int]) -> None:
    """16 bits become float32 from -1 up to just under 1."""
    blocks = read_all(open_capture(pipe_of(np.array([-32768, 0, 1, 32767], "<i2").tobytes()), "s16le"))
    assert blocks[0].samples.dtype == np.float32
    assert [block.samples.tolist() for block in blocks] == [[-1.0, 0.0, 1 / 32768, 32767 / 32768]]


def test_f32le_is_taken_as_it_is(pipe_of: Callable[[bytes], int]) -> None:
    """Floats are not changed, not even beyond full scale."""
    blocks = read_all(open_capture(pipe_of(np.array([-1.5, 0.25], "<f4").tobytes()), "f32le"))
    assert [block.samples.tolist() for block in blocks] == [[-1.5, 0.25]]


@given(st.integers(1, 1000), st.integers(1, 300), st.lists(st.integers(1, 50)))
def test_every_split_joins_to_the_same_samples(n_samples: int, block_samples: int, sizes: list[int]) -> None:
    """However the writer's pieces fall, blocks are full but the last, and nothing is lost."""
    values = np.arange(n_samples, dtype="<i2")
    with open_pipe(values.tobytes(), sizes) as descriptor:
        blocks = read_all(open_capture(descriptor, "s16le", block_samples))
    joined = np.concatenate([np.zeros(0, np.float32), *(block.samples for block in blocks)])
    np.testing.assert_array_equal(joined * 32768, values)
    assert [block.start_sample for block in blocks] == list(range(0, n_samples, block_samples))
    assert all(len(block.samples) == block_samples for block in blocks[:-1])


def test_a_writer_that_never_wrote_is_a_fault(pipe_of: Callable[[bytes], int]) -> None:
    """It may not have started; nothing at all is no recording that has ended."""
    with pytest.raises(CaptureError) as caught:
        open_capture(pipe_of(b""), "s16le").read()
    assert str(caught.value) == "standard input: ended before the first sample; check the program that writes to it"


@pytest.mark.parametrize(
    ("sample_format", "n_bytes", "expected"),
    [("s16le", 7, "expected 2 bytes for s16le, found 1"), ("f32le", 15, "expected 4 bytes for f32le, found 3")],
)
def test_end_within_a_sample_is_refused(pipe_of: Callable[[bytes], int], sample_format: SampleFormat, n_bytes: int, expected: str) -> None:
    """Whole samples still come; then the rest that is none is reported, once."""
    capture = open_capture(pipe_of(bytes(n_bytes)), sample_format)
    block = capture.read()
    assert block is not None
    assert len(block.samples) == 3
    with pytest.raises(CaptureError) as caught:
        capture.read()
    assert str(caught.value) == f"standard input: ended within a sample: {expected}; check that the writer sends {sample_format}"
    assert capture.read() is None


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 32768.0])
def test_what_is_no_sound_is_refused(pipe_of: Callable[[bytes], int], value: float) -> None:
    """NaN, infinity and integers taken for floats are reported with their place in the stream."""
    samples = np.zeros(250, "<f4")
    samples[123] = value
    capture = open_capture(pipe_of(samples.tobytes()), "f32le")
    capture.read()
    with pytest.raises(CaptureError) as caught:
        capture.read()
    assert str(caught.value) == (
        f"standard input: expected samples from -1 to 1, found {value:g} at sample 123; check that the writer sends f32le"
    )


@pytest.mark.parametrize(
    ("header", "named"), [(b"RIFF\0\0\0\0WAVEfmt ", "a WAV header"), (b"RF64", "a RF64 header"), (b"fLaC\0\0\0\x22", "a FLAC header")]
)
@pytest.mark.parametrize(
    ("sample_format", "remedy"),
    [("s16le", "arecord -t raw -f S16_LE -r 16000 -c 1"), ("f32le", "ffmpeg -i FILE -ac 1 -ar 16000 -f f32le -")],
)
def test_a_file_on_the_pipe_is_refused(header: bytes, named: str, sample_format: SampleFormat, remedy: str) -> None:
    """Its header is no sound, and rate and channels may be others; the message has the command that is right, however the bytes come."""
    for sizes in ([], [1, 2], [3]):
        with open_pipe(header + bytes(400), sizes) as descriptor, pytest.raises(CaptureError) as caught:
            read_all(open_capture(descriptor, sample_format))
        assert named in str(caught.value)
        assert remedy in str(caught.value)


def test_a_trickle_does_not_hold_up_a_read() -> None:
    """A byte now and then: a read ends after `wait_s` with what has come, so that a stop is not kept waiting."""
    reading, writing = os.pipe()
    capture = StdinCapture(Pipe(reading), RATE_HZ, "s16le", 100_000, wait_s=0.1)
    capture.open()
    stopping = threading.Event()

    def trickle() -> None:
        while not stopping.wait(0.01):
            os.write(writing, b"\1")

    writer = threading.Thread(target=trickle, daemon=True)
    writer.start()
    block = capture.read()
    stopping.set()
    writer.join()
    assert block is not None
    assert len(block.samples) < 1000
    for descriptor in (reading, writing):
        os.close(descriptor)


def test_what_cannot_be_read_is_reported(tmp_path: Path) -> None:
    """What the system says of the descriptor is passed on."""
    folder = os.open(tmp_path, os.O_RDONLY)
    with pytest.raises(CaptureError) as caught:
        open_capture(folder, "s16le").read()
    os.close(folder)
    assert str(caught.value) == "standard input: cannot be read (Is a directory); check the program that writes to it"


def test_describe_says_what_is_expected() -> None:
    """A person sees which bytes the writer has to send."""
    assert StdinCapture(Pipe(0), RATE_HZ, "s16le").describe() == "standard input (s16le, 16000 Hz, 1 channel)"


def test_a_silent_writer_gives_blocks_without_samples() -> None:
    """So that whoever reads can stop; what came before is not held back, and nothing is lost."""
    reading, writing = os.pipe()
    capture = StdinCapture(Pipe(reading), RATE_HZ, "s16le", 100, wait_s=0.01)
    capture.open()
    os.write(writing, bytes(5))
    found = [capture.read(), capture.read()]
    assert [len(block.samples) for block in found if block] == [2, 0]
    os.write(writing, bytes(3))
    os.close(writing)
    found = [capture.read(), capture.read()]
    assert found[0] is not None
    assert (found[0].start_sample, len(found[0].samples), found[0].overflowed) == (2, 2, False)
    assert found[1] is None
    os.close(reading)


def test_a_pipe_that_has_ended_is_no_fault_after_a_reload(pipe_of: Callable[[bytes], int]) -> None:
    """It had begun for the capture before."""
    pipe = Pipe(pipe_of(bytes(4)))
    captures = [StdinCapture(pipe, RATE_HZ, "s16le", wait_s=10) for _ in range(2)]
    assert [len(block.samples) for block in read_all(captures[0])] == [2]
    assert captures[1].read() is None
