"""Shared bundles of machines, and the isolation of one machine's failing inference."""

import gc
import math
import shutil
import weakref
from collections.abc import Callable, Mapping
from itertools import pairwise
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pytest

from aegan_monitor.audio.supervisor import stop_all
from aegan_monitor.config.capture import FileCaptureConfig
from aegan_monitor.config.model import InferenceConfig, MachineConfig, MonitorConfig, load_config
from aegan_monitor.demo.pump import Pump
from aegan_monitor.detection.bundle import Bundle, demo_bundle
from aegan_monitor.errors import InferenceRunError
from aegan_monitor.inference.onnx_runtime import OrtSession
from aegan_monitor.inference.session import GraphSession
from aegan_monitor.messages.payloads import Score, Sensor
from aegan_monitor.messages.topics import Message, Topics
from aegan_monitor.outbox.outbox import Outbox
from aegan_monitor.service.command_queue import CommandQueue
from aegan_monitor.service.inference import GIVE_UP_S, LONGEST_RETRY_S, InferenceRetry, Sessions
from aegan_monitor.service.monitor import Monitor
from aegan_monitor.service.runtime import Line, make_line
from aegan_monitor.service.worker import Worker
from aegan_monitor.types import Block, FloatArray, Run, SegmentOutputs
from broker import find_free_port

RATE_HZ = 16_000
FAILING = "D_knn"  # the score of machines whose network fails
N_DECISIONS = 20
TURN_S = 5.0


class FailingSession(OrtSession):
    """A session that fails like a lost device while it is `broken`."""

    broken = True
    n_failed = 0

    def infer(self, segments: FloatArray) -> SegmentOutputs:
        """Infer, or fail while broken."""
        if self.broken:
            self.n_failed += 1
            raise InferenceRunError("embedding.onnx: ONNX Runtime failed on cuda:\nCUDA failure 719")
        return super().infer(segments)


class FailingSessions(Sessions):
    """Opens a FailingSession for machines that decide by FAILING."""

    def __init__(self, inference: InferenceConfig, folder: Path | None = None) -> None:
        super().__init__(inference, folder)
        self.failing: FailingSession | None = None

    def open(self, bundle: Bundle, score: str) -> GraphSession:
        """One failing session for all of these machines."""
        if score != FAILING:
            return super().open(bundle, score)
        self.failing = self.failing or FailingSession(bundle, ["embedding"])
        return self.failing


class PumpCapture:
    """A capture of pump sound, endless or of a given length."""

    def __init__(self, sample_rate_hz: int, n_samples: float = np.inf) -> None:
        self.sample_rate_hz = sample_rate_hz
        self._left, self._start, self._pump = n_samples, 0, Pump(0)

    def describe(self) -> str:
        return "a pump"

    def open(self) -> None:
        pass

    def read(self) -> Block | None:
        if self._left <= 0:
            return None
        block = Block(self._pump.read(RATE_HZ), self._start)
        self._start, self._left = self._start + RATE_HZ, self._left - RATE_HZ
        return block

    def close(self) -> None:
        pass


class HeardOutbox(Outbox):
    """An outbox that keeps what is published, by machine."""

    def __init__(self) -> None:
        super().__init__()
        self.scores: dict[str, list[Score]] = {"pump": [], "fan": []}
        self.sensors: dict[str, list[Sensor]] = {"pump": [], "fan": []}

    def put(self, *messages: Message, alarms: Mapping[str, bytes] = MappingProxyType({})) -> None:
        """Put the messages and keep them for the test."""
        for message in messages:
            name = message.topic.split("/")[2]
            if message.kind == "score":
                self.scores[name].append(Score.model_validate_json(message.payload))
            if message.kind == "sensor":
                self.sensors[name].append(Sensor.model_validate_json(message.payload))
        super().put(*messages, alarms=alarms)


def make(name: str, sessions: Sessions, clock: Callable[[], float], score: str | None = None) -> Line:
    """A machine that hears an endless pump as fast as it is read."""
    capture = FileCaptureConfig(kind="file", paths=[Path("pump.wav")], pace="fast")
    line = make_line(
        MachineConfig(name=name, bundle=demo_bundle(), capture=capture, score=score), sessions, lambda _, rate: PumpCapture(rate)
    )
    line.retry = InferenceRetry(clock)
    return line


def test_the_failing_inference_of_one_machine_is_its_own_fault(caplog: pytest.LogCaptureFixture) -> None:
    """A failing inference is published, logged once and retried with back-off, while the other machine is judged."""
    now_s = 0.0
    sessions, outbox = FailingSessions(InferenceConfig()), HeardOutbox()
    worker = Worker(Topics("aegan", "hall"), outbox, CommandQueue(), lambda: now_s, lambda: now_s)
    lines = [make("fan", sessions, lambda: now_s, FAILING), make("pump", sessions, lambda: now_s)]
    for line in lines:
        worker.begin(line)
        worker.listen(line)
    try:
        while len(outbox.scores["pump"]) < N_DECISIONS:
            for line in lines:
                worker.turn(line, TURN_S)
            now_s += 1.0
        assert sessions.failing is not None
        assert 2 <= sessions.failing.n_failed <= math.log2(now_s + 1) + 1
        assert outbox.scores["fan"] == []
        states = [sensor.state for sensor in outbox.sensors["fan"]]
        assert states in (["inference"], ["ok", "inference"])  # the sensor is ok until the first segment is complete
        detail = outbox.sensors["fan"][-1].detail
        assert "failed on cuda: CUDA failure 719" in detail
        assert [record.message for record in caplog.records if "719" in record.message] == [f"fan: sensor inference: {detail}"]
        n_failed = sessions.failing.n_failed
        while sessions.failing.n_failed == n_failed:  # so that no attempt is under way
            now_s += LONGEST_RETRY_S
            worker.turn(lines[0], TURN_S)
        mended = lines[0].machine._end_sample
        sessions.failing.broken = False
        now_s += LONGEST_RETRY_S
        while not outbox.scores["fan"]:
            worker.turn(lines[0], TURN_S)
        assert [sensor.state for sensor in outbox.sensors["fan"]] == [*states, "ok"]
        assert outbox.scores["fan"][0].sample >= mended + lines[0].bundle.record.first_decision_samples  # none across what was discarded
    finally:
        stop_all([line.supervisor for line in lines])


def test_the_wait_doubles_up_to_its_longest_and_begins_anew_after_a_decision() -> None:
    """The wait doubles up to its limit and resets after a decision; sound in between is dropped as a gap."""
    now_s = 0.0
    retry, run = InferenceRetry(lambda: now_s), Run(np.zeros(1, np.float32), 7)
    attempts: list[float] = []
    for _ in range(2000):
        admitted = retry.admit(run)
        if admitted is not None:
            assert admitted.after_gap == bool(attempts)
            attempts.append(now_s)
            retry.fail(InferenceRunError("no memory"))
        assert retry.is_lost == (now_s >= GIVE_UP_S)
        now_s += 1.0
    assert [after - before for before, after in pairwise(attempts)][:9] == [1, 2, 4, 8, 16, 32, 64, 128, 256]
    assert {after - before for before, after in pairwise(attempts[9:])} == {LONGEST_RETRY_S}
    retry.succeed()
    assert (retry.error, retry.is_lost) == (None, False)
    retry.fail(MemoryError())
    assert str(retry.error) == "MemoryError"
    now_s += 1.0
    assert retry.admit(run) is not None
    assert retry.admit(run) == run


def configure(folder: Path, scores: dict[str, str]) -> MonitorConfig:
    """Machines that hear a recording of 30 s at full speed."""
    machines = ", ".join(
        f"{{name: {name}, bundle: {demo_bundle()}, score: {score}, capture: {{kind: file, paths: [pump.wav], pace: fast}}}}"
        for name, score in scores.items()
    )
    (folder / "monitor.yaml").write_text(
        f"node: hall\nmqtt: {{host: 127.0.0.1, port: {find_free_port()}}}\noutbox: {{path: outbox.sqlite}}\nmachines: [{machines}]\n"
    )
    return load_config(folder / "monitor.yaml")


@pytest.mark.parametrize("scores", [{"fan": FAILING}, {"fan": FAILING, "pump": "D_maha"}])
def test_a_recording_that_was_not_judged_ends_with_a_failure(tmp_path: Path, scores: dict[str, str]) -> None:
    """A recording that could not be scored makes `run` end with a failure, after the other machines have finished."""
    monitor = Monitor(configure(tmp_path, scores), capture=lambda _, rate: PumpCapture(rate, 30 * rate), make_sessions=FailingSessions)
    with pytest.raises(InferenceRunError, match="CUDA failure 719") as raised:
        monitor.run()
    assert raised.value.exit_code == 1
    judged = [line for line in monitor._setup.lines if line.machine.last_score]
    assert [line.machine.name for line in judged] == [name for name in scores if name == "pump"]
    assert all(line.machine.n_samples_scored > 25 * RATE_HZ for line in judged)


def test_machines_on_one_bundle_hold_its_arrays_once(tmp_path: Path) -> None:
    """Machines with equal bundles share arrays and scratch memory, which are freed with the last machine."""
    sessions = Sessions(InferenceConfig())
    folders = [shutil.copytree(demo_bundle(), tmp_path / name) for name in ("a", "b")]
    lines = [
        make_line(
            MachineConfig(name=f"m{n}", bundle=folders[n % 2], score="D_knn" if n == 3 else None),
            sessions,
            lambda _, rate: PumpCapture(rate),
        )
        for n in range(4)
    ]
    assert len({id(line.bundle) for line in lines}) == 1
    assert len({id(line.bundle.reference.clips.weighted) for line in lines}) == 1
    assert len({id(line.session) for line in lines}) == 1
    scratch = [line.machine.pipeline._logmel._windowed for line in lines]
    assert [each is scratch[0] for each in scratch] == [True, True, True, False]
    held: list[weakref.ref[object]] = [weakref.ref(lines[0].bundle), weakref.ref(lines[0].session), weakref.ref(scratch[0])]
    del scratch
    lines = lines[2:3]
    gc.collect()
    assert [each() is None for each in held] == [False] * 3
    lines.clear()
    gc.collect()
    assert [each() is None for each in held] == [True] * 3
