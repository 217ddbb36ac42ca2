"""Recordings as a stream: what is read, and when."""

from pathlib import Path

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aegan_monitor.audio.file import FileCapture
from aegan_monitor.audio.source import Capture
from aegan_monitor.types import Block
from sound_files import RATE_HZ, noise, write


def read_all(capture: Capture) -> list[Block]:
    """Every block up to the end."""
    blocks = []
    while (block := capture.read()) is not None:
        blocks.append(block)
    return blocks


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(1, 9000), st.sampled_from(["wav", "flac"])), min_size=1, max_size=4), st.integers(500, 10_000))
def test_recordings_join_to_one_stream(tmp_path: Path, sizes: list[tuple[int, str]], block_samples: int) -> None:
    """Whatever the sizes of blocks and recordings, the stream is the recordings one behind the other."""
    parts = [noise(n_samples, seed=i) for i, (n_samples, _) in enumerate(sizes)]
    paths = [write(tmp_path / f"{i}.{sizes[i][1]}", part) for i, part in enumerate(parts)]
    capture = FileCapture(paths, RATE_HZ, "fast", block_samples)
    capture.open()
    blocks = read_all(capture)
    assert capture.read() is None
    capture.close()
    np.testing.assert_array_equal(np.concatenate([block.samples for block in blocks]), np.concatenate(parts))
    assert [block.start_sample for block in blocks] == [0, *np.cumsum([len(block.samples) for block in blocks])[:-1]]
    assert all(0 < len(block.samples) <= block_samples and not block.overflowed for block in blocks)


def test_loop_begins_again(tmp_path: Path) -> None:
    """A looped capture has no end, and its sample index goes on."""
    paths = [write(tmp_path / "a.wav", noise(100)), write(tmp_path / "b.wav", noise(50, seed=1))]
    capture = FileCapture(paths, RATE_HZ, "fast", block_samples=100, loop=True)
    capture.open()
    blocks = [capture.read() for _ in range(5)]
    capture.close()
    assert [block.start_sample for block in blocks if block] == [0, 100, 150, 250, 300]
    assert blocks[4] is not None
    np.testing.assert_array_equal(blocks[4].samples, noise(100))


class FakeTime:
    """A clock that moves only while somebody sleeps or a test moves it."""

    def __init__(self) -> None:
        """Start at an hour that is not 0."""
        self.now_s = 5000.0

    def clock(self) -> float:
        """The present."""
        return self.now_s

    def sleep(self, duration_s: float) -> None:
        """Let time pass."""
        self.now_s += duration_s


def test_realtime_is_the_pace_of_a_microphone(tmp_path: Path) -> None:
    """A block comes when its last sample is due; after a delay the next come at once until time is caught up with."""
    fake = FakeTime()
    path = write(tmp_path / "pump.wav", noise(5 * RATE_HZ))
    capture = FileCapture([path], RATE_HZ, "realtime", RATE_HZ, clock=fake.clock, sleep=fake.sleep)
    capture.open()
    capture.read()
    assert fake.now_s == 5001.0
    fake.now_s += 2.5
    arrivals_s = []
    for _ in range(4):
        capture.read()
        arrivals_s.append(fake.now_s)
    assert arrivals_s == [5003.5, 5003.5, 5004.0, 5005.0]
    assert capture.read() is None
    capture.close()


def test_fast_never_sleeps(tmp_path: Path) -> None:
    """At full speed nobody asks what time it is."""

    def refuse(_: float) -> None:
        raise AssertionError("slept")

    capture = FileCapture([write(tmp_path / "pump.wav", noise(100))], RATE_HZ, "fast", sleep=refuse)
    capture.open()
    assert len(read_all(capture)) == 1


def test_describe_names_the_first(tmp_path: Path) -> None:
    """A person recognises the capture by its first recording."""
    assert FileCapture([tmp_path / "a.wav"], RATE_HZ).describe() == f"{tmp_path / 'a.wav'}"
    assert FileCapture([tmp_path / f"{name}.wav" for name in "abc"], RATE_HZ).describe() == f"{tmp_path / 'a.wav'} and 2 more"
