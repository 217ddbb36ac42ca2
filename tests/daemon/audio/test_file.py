"""Recordings as a stream: which samples are delivered, and when."""

from pathlib import Path

import numpy as np
import soxr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aegan_monitor.audio.file import FileCapture
from sound_files import RATE_HZ, noise, read_all, write


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(1, 9000), st.sampled_from(["wav", "flac"])), min_size=1, max_size=4), st.integers(500, 10_000))
def test_recordings_join_to_one_stream(tmp_path: Path, sizes: list[tuple[int, str]], block_samples: int) -> None:
    """Recordings are joined without change, for any sizes of blocks and recordings."""
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


def test_recordings_of_several_rates_are_one_stream_of_one_rate(tmp_path: Path) -> None:
    """A recording of 48 kHz between two of 16 kHz is resampled, and the sample index goes on through all three."""
    paths = [write(tmp_path / f"{number}.wav", noise(rate_hz), rate_hz) for number, rate_hz in enumerate((RATE_HZ, 48_000, RATE_HZ))]
    capture = FileCapture(paths, RATE_HZ, "fast", block_samples=3000)
    capture.open()
    blocks = read_all(capture)
    capture.close()
    assert [block.start_sample for block in blocks] == [0, *np.cumsum([len(block.samples) for block in blocks])[:-1]]
    expected = np.concatenate([noise(RATE_HZ), soxr.resample(noise(48_000), 48_000, RATE_HZ), noise(RATE_HZ)])
    np.testing.assert_allclose(np.concatenate([block.samples for block in blocks]), expected, atol=1e-6)


def test_loop_begins_again(tmp_path: Path) -> None:
    """A looped capture has no end, and its sample index continues."""
    paths = [write(tmp_path / "a.wav", noise(100)), write(tmp_path / "b.wav", noise(50, seed=1))]
    capture = FileCapture(paths, RATE_HZ, "fast", block_samples=100, loop=True)
    capture.open()
    blocks = [capture.read() for _ in range(5)]
    capture.close()
    assert [block.start_sample for block in blocks if block] == [0, 100, 150, 250, 300]
    assert blocks[4] is not None
    np.testing.assert_array_equal(blocks[4].samples, noise(100))


class FakeTime:
    """A clock that moves only by sleeping or by the test."""

    def __init__(self) -> None:
        """Start at a time other than 0."""
        self.now_s = 5000.0

    def clock(self) -> float:
        """The present time."""
        return self.now_s

    def sleep(self, duration_s: float) -> None:
        """Let time pass."""
        self.now_s += duration_s


def test_realtime_is_the_pace_of_a_microphone(tmp_path: Path) -> None:
    """A packet comes when its last sample is due; after a delay the following packets catch up."""
    fake = FakeTime()
    path = write(tmp_path / "pump.wav", noise(RATE_HZ))
    capture = FileCapture([path], RATE_HZ, "realtime", clock=fake.clock, sleep=fake.sleep)
    capture.open()
    blocks, arrivals_s = [], []
    while block := capture.read():
        blocks.append(block)
        arrivals_s.append(round(fake.now_s - 5000.0, 6))
        fake.now_s += 0.22 if len(blocks) == 4 else 0.0
    assert arrivals_s == [0.1, 0.2, 0.3, 0.4, 0.62, 0.62, *(round(0.1 * n, 6) for n in range(7, 11))]
    assert [block.start_sample for block in blocks] == list(range(0, RATE_HZ, RATE_HZ // 10))
    np.testing.assert_array_equal(np.concatenate([block.samples for block in blocks]), noise(RATE_HZ))
    capture.close()


def test_fast_never_sleeps(tmp_path: Path) -> None:
    """At full speed the capture uses no clock."""

    def refuse(_: float) -> None:
        raise AssertionError("slept")

    capture = FileCapture([write(tmp_path / "pump.wav", noise(100))], RATE_HZ, "fast", sleep=refuse)
    capture.open()
    assert len(read_all(capture)) == 1


def test_describe_names_the_first(tmp_path: Path) -> None:
    """The description names the first recording."""
    assert FileCapture([tmp_path / "a.wav"], RATE_HZ).describe() == f"{tmp_path / 'a.wav'}"
    assert FileCapture([tmp_path / f"{name}.wav" for name in "abc"], RATE_HZ).describe() == f"{tmp_path / 'a.wav'} and 2 more"
