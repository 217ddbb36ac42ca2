"""How deep a plant is simulated: from scores on, one decision a clip; or from sound on, with the demo's bundle."""

import dataclasses
import math
import random
from functools import cache
from typing import Protocol

import numpy as np

from aegan_monitor.alarm.judge import Judge
from aegan_monitor.alarm.machine import Machine
from aegan_monitor.audio.ring import Ring
from aegan_monitor.config.alarm import AlarmConfig
from aegan_monitor.config.model import InferenceConfig, MachineConfig
from aegan_monitor.decision.budget import Budget
from aegan_monitor.decision.budget_policy import BudgetPolicy
from aegan_monitor.decision.proof import WEAK_P_VALUE
from aegan_monitor.demo.pump import Pump
from aegan_monitor.detection.bundle import Bundle, demo_bundle
from aegan_monitor.detection.record import NormalBlocks
from aegan_monitor.inference.onnx_runtime import OrtSession
from aegan_monitor.service.inference import Sessions
from aegan_monitor.service.runtime import Line, make_line
from aegan_monitor.types import FloatArray
from fakes import ScriptedCapture, SilentListener
from story import SamplePipeline, open_demo

FRAME_RATE_HZ = 31  # at the depth of scores a sample is a frame, and its value the score
N_NORMAL = 1000  # normal scores that a plant draws from
SOUND_FAULT_S = 60.0  # within which the demo's fault is an active alarm
LOOP_STEPS = 15  # of sound, which is repeated


class Depth(Protocol):
    """What differs between the depths.

    Attributes:
        step_samples, step_s: Sound of a machine in a step of the plant.
        clip_s: Sound of a clip.
    """

    step_samples: int
    step_s: float
    clip_s: float

    def make_line(self, name: str, bundle: str) -> Line:
        """A machine that listens to no capture; another `bundle` is another basis of its alarm."""

    def sound(self, n_steps: int, size: float | None) -> FloatArray:
        """The sound of step `n_steps`, float32 `[step_samples]`; `size` is that of a fault, 0 to 1; None: it sounds normal."""

    def delay_s(self, size: float) -> float:
        """Heard sound within which a lasting fault of this size is an active alarm."""


class Scores:
    """A sample is a frame of the spectrogram; its value is the score. All else is the real code."""

    def __init__(self, rng: random.Random) -> None:
        self._rng, n_clips = rng, rng.choice((1, 1, 2))
        self._budget = Budget(rng.choice((1.0, 7.0, 70.0)))
        self._normal = np.random.default_rng(rng.randrange(2**32)).normal(size=N_NORMAL).astype(np.float32)
        calibration = self._normal[: rng.choice((60, 200)) * n_clips].reshape(-1, n_clips).max(axis=1)
        self._bundle = make_bundle(NormalBlocks(n_clips=n_clips, stretches=[calibration.tolist()]))
        self.fields = self._bundle.record
        self.step_samples = self.fields.clip.covered_frames
        self.step_s = self.clip_s = self.step_samples / FRAME_RATE_HZ
        policy = Judge(self.fields, self.fields.score, AlarmConfig(), self._budget).policy
        assert isinstance(policy, BudgetPolicy)
        self._policy = policy
        weakest, strongest = WEAK_P_VALUE, self._budget.gross_p_value(self.clip_s, 1)
        self._range = math.log(weakest), math.log(strongest)

    def make_line(self, name: str, bundle: str) -> Line:
        """See Depth."""
        ring = Ring(3 * self.step_samples, self.step_samples)
        judge = Judge(self.fields, self.fields.score, AlarmConfig(), self._budget)
        machine = Machine(name, SamplePipeline(self.fields.score, self.step_samples), judge, bundle)
        listener = SilentListener(name, ring, FRAME_RATE_HZ)
        config = MachineConfig(name=name, bundle=demo_bundle())
        return Line(machine, listener, ring, open_session(), FRAME_RATE_HZ, config, self._bundle)

    def sound(self, n_steps: int, size: float | None) -> FloatArray:  # noqa: ARG002 # of the protocol
        """See Depth."""
        score = self._normal[self._rng.randrange(N_NORMAL)] if size is None else self._score(size)
        return np.full(self.step_samples, score, np.float32)

    def delay_s(self, size: float) -> float:
        """See Depth; three blocks more, since the fault begins and the memory ends within one."""
        n_blocks = self._policy.count_blocks(self._policy.normal.p_value(float(self._score(size))))
        return math.inf if n_blocks is None else (n_blocks + 3) * self._policy.block_s

    def _score(self, size: float) -> np.float32:
        weakest, strongest = self._range
        return np.float32(self._policy.normal.score_at(math.exp(weakest + size * (strongest - weakest))))


class Sound:
    """The demo's pump and its bundle, from the ring on."""

    step_samples, step_s, clip_s = 65_536, 4.096, 9.728

    def __init__(self) -> None:
        self._sessions = Sessions(InferenceConfig())

    def make_line(self, name: str, bundle: str) -> Line:  # noqa: ARG002 # of the protocol
        """See Depth; there is one bundle."""
        config = MachineConfig(name=name, bundle=demo_bundle())
        line = make_line(config, self._sessions, lambda _, rate_hz: ScriptedCapture([], rate_hz))
        line.supervisor = SilentListener(name, line.ring)
        return line

    def sound(self, n_steps: int, size: float | None) -> FloatArray:
        """See Depth; the fault of the demo has one size."""
        start = n_steps % LOOP_STEPS * self.step_samples
        return pump_sound(size is not None)[start : start + self.step_samples]

    def delay_s(self, size: float) -> float:  # noqa: ARG002 # of the protocol
        """See Depth."""
        return SOUND_FAULT_S


def make_bundle(blocks: NormalBlocks) -> Bundle:
    """The demo's bundle with these normal blocks, a frame for a sample, and a decision a clip."""
    bundle = open_demo()
    record = bundle.record
    calibration = {place: each.model_copy(update={"blocks": blocks}) for place, each in record.calibration.items()}
    clip = dataclasses.replace(record.clip, decision_hop_frames=record.clip.covered_frames)
    features = dataclasses.replace(record.features, sample_rate_hz=FRAME_RATE_HZ, hop_samples=1)
    return dataclasses.replace(bundle, record=record.model_copy(update={"calibration": calibration, "clip": clip, "features": features}))


@cache
def open_session() -> OrtSession:
    """A session without a graph, which is not used."""
    return OrtSession(open_demo(), [])


@cache
def pump_sound(is_faulty: bool) -> FloatArray:
    """LOOP_STEPS steps of the demo's pump."""
    return Pump(seed=7, fault_from_s=0.0 if is_faulty else None).read(LOOP_STEPS * Sound.step_samples)
