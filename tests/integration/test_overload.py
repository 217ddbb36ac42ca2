"""A computer that is too slow for a while: the daemon leaves segments out, drops no sound, and evaluates all again."""

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aegan_monitor.audio.ring import Ring
from aegan_monitor.config.model import InferenceConfig, load_config
from aegan_monitor.demo.pump import Pump
from aegan_monitor.detection.bundle import Bundle, demo_bundle
from aegan_monitor.inference.onnx_runtime import OrtSession
from aegan_monitor.inference.session import GraphSession
from aegan_monitor.service.inference import Sessions
from aegan_monitor.service.monitor import Monitor
from aegan_monitor.service.shedding import CALM_S, STRIDES
from aegan_monitor.types import Block, FloatArray, SegmentOutputs
from broker import find_free_port, wait_until
from monitoring import running
from stopwatch import Stopwatch

SPEED = 8.0  # sound and clock run so many times as fast
RATE_HZ = 16_000
BLOCK = RATE_HZ // 10
SEGMENT_S = 0.7  # of sound, which a segment takes while the computer is slow; there is one every 0.512 s, and a decision for two


class PacedPump:
    """A pump that is heard at the pace of a clock."""

    def __init__(self, clock: Callable[[], float], sample_rate_hz: int) -> None:
        self.sample_rate_hz = sample_rate_hz
        self._clock, self._pump, self._next_sample = clock, Pump(0), 0

    def describe(self) -> str:
        return "a pump"

    def open(self) -> None:
        self._began_s = self._clock()

    def read(self) -> Block | None:
        self._next_sample += BLOCK
        while self._clock() - self._began_s < self._next_sample / RATE_HZ:
            time.sleep(0.002)
        return Block(self._pump.read(BLOCK), self._next_sample - BLOCK)

    def close(self) -> None:
        pass


class SlowSession(OrtSession):
    """A session that takes SEGMENT_S for each segment while it `is_slow`."""

    def __init__(self, bundle: Bundle, clock: Callable[[], float]) -> None:
        super().__init__(bundle, ["embedding"])
        self.is_slow = threading.Event()
        self._clock = clock

    def infer(self, segments: FloatArray) -> SegmentOutputs:
        """Infer, and wait."""
        ready_s = self._clock() + len(segments) * SEGMENT_S
        while self.is_slow.is_set() and self._clock() < ready_s:
            time.sleep(0.002)
        return super().infer(segments)


def test_it_leaves_segments_out_while_the_computer_is_slow(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Sound is neither dropped nor judged less often. Health and log say what is left out, and once that nothing is any more."""
    config = tmp_path / "monitor.yaml"
    config.write_text(
        f"mqtt: {{host: 127.0.0.1, port: {find_free_port()}}}\noutbox: {{path: outbox.sqlite}}\n"
        f"machines: [{{name: pump, bundle: {demo_bundle()}, score: D_knn}}]\n"
    )
    with Stopwatch() as watch:

        def clock() -> float:
            return SPEED * watch.read_s()

        class SlowSessions(Sessions):
            def open(self, *_: object) -> GraphSession:
                return session

        session = SlowSession(Sessions(InferenceConfig()).load_bundle(demo_bundle()), clock)
        monitor = Monitor(load_config(config), capture=lambda _, rate: PacedPump(clock, rate), make_sessions=SlowSessions, clock=clock)
        [line] = monitor._setup.lines
        machine = line.machine

        def problem() -> str:
            return monitor._health.read(datetime.now(UTC)).health.overload_problem

        with running(monitor):
            wait_until(lambda: machine.n_clips_scored > 2, "scores")
            assert machine.pipeline.n_left_out == 0
            session.is_slow.set()
            wait_until(lambda: machine.pipeline.stride == STRIDES[1], "what is left out")
            assert "one segment in 2" in problem()
            wait_until(lambda: line.behind_s < CALM_S, "the end of what waited")
            session.is_slow.clear()
            wait_until(lambda: machine.pipeline.stride == 1, "every segment")
            assert problem() == ""
            n_left_out, n_clips = machine.pipeline.n_left_out, machine.n_clips_scored
            wait_until(lambda: machine.n_clips_scored > n_clips + 4, "further scores")
            assert machine.pipeline.n_left_out == n_left_out > 0
        assert (line.ring.dropped_samples_total, line.ring.gaps_total) == (0, 0)
        clip, features = line.bundle.record.clip, line.bundle.record.features
        later = machine.n_samples_scored - line.bundle.record.first_decision_samples
        assert machine.n_clips_scored == 1 + later // (clip.decision_hop_frames * features.hop_samples)
    assert caplog.text.count("this computer is too slow") == caplog.text.count("the daemon keeps up again") == 1


@given(hop=st.integers(1, 50), first=st.integers(0, 60), blocks=st.lists(st.integers(1, 9), max_size=60))
def test_a_reader_in_time_is_not_late(hop: int, first: int, blocks: list[int]) -> None:
    """However long a hop is, what waits for its end is not late; a block that has just come is all that may be."""
    ring, n_written, n_read = Ring(200, hop, first_samples=first), 0, 0
    for n_samples in blocks:
        ring.write(Block(np.zeros(n_samples, np.float32), n_written))
        n_written += n_samples
        assert ring.n_late <= n_samples
        run = ring.read(timeout_s=0)
        n_read += 0 if run is None else len(run.samples)
        assert ring.n_late == 0
    ring.write(Block(np.zeros(3 * hop, np.float32), n_written))
    assert ring.n_late == n_written - n_read + 2 * hop
