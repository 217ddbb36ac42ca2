"""The runtime objects of one machine, built from its configuration: bundle, session, capture, ring, pipeline, alarm."""

import logging
import math
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache

from aegan_monitor.alarm.judge import Judge, find_blocks
from aegan_monitor.alarm.machine import Machine
from aegan_monitor.audio.file import FileCapture
from aegan_monitor.audio.gap_rate import GapRate
from aegan_monitor.audio.microphone import MicrophoneCapture
from aegan_monitor.audio.ring import Ring
from aegan_monitor.audio.source import Capture
from aegan_monitor.audio.stdin import Pipe, StdinCapture
from aegan_monitor.audio.supervisor import CaptureSupervisor, SensorState
from aegan_monitor.config.capture import FileCaptureConfig, MicCaptureConfig, StdinCaptureConfig
from aegan_monitor.config.model import MachineConfig, OperatingStateConfig
from aegan_monitor.decision.budget import ONE_A_WEEK, Budget
from aegan_monitor.decision.budget_policy import BudgetPolicy
from aegan_monitor.decision.policy import Policy
from aegan_monitor.decision.proof import commission, show_hours, show_rate
from aegan_monitor.decision.sound.integrity import Integrity
from aegan_monitor.decision.sound.normal_states import NormalStates
from aegan_monitor.decision.sound.states import StateTracker, Times
from aegan_monitor.detection.bundle import Bundle
from aegan_monitor.detection.fusion import score_names
from aegan_monitor.detection.record import BundleFields
from aegan_monitor.detection.threshold import choose_place
from aegan_monitor.errors import AeganError, ConfigError, InferenceError
from aegan_monitor.inference.session import GraphSession
from aegan_monitor.messages.model import Payload
from aegan_monitor.service.inference import InferenceRetry, Sessions
from aegan_monitor.types import Run

log = logging.getLogger(__name__)

RING_S = 30.0
LONGEST_RUN_S = 4.0  # about MAX_BATCH segments: a late turn needs no more memory
SLACK_S = 20.0  # of a machine's deadline: a busy processor may leave samples in the ring
HEARD = frozenset({"ok", "overrun"})  # sensor states in which samples reach the pipeline


@dataclass(slots=True, eq=False)
class Line:
    """One machine, its supervisor thread, and what they were built from."""

    machine: Machine
    supervisor: CaptureSupervisor
    ring: Ring
    session: GraphSession
    sample_rate_hz: int
    config: MachineConfig
    bundle: Bundle
    policy: Policy | None = None
    proof: tuple[Budget, list[str]] | None = None  # what `describe_proof` has found, and for which budget
    made_s: float = field(default_factory=time.monotonic)
    retry: InferenceRetry = field(default_factory=InferenceRetry)

    @property
    def deadline_s(self) -> float:
        """Seconds within which a decision falls, or the sensor is `stalled`: a whole clip, after the longest silence of a sensor."""
        clip_s = self.bundle.record.first_decision_samples / self.sample_rate_hz
        silence_s = 2 * self.config.no_data_s if math.isfinite(self.config.no_data_s) else 0.0  # as in make_supervisor
        return silence_s + clip_s + SLACK_S

    @property
    def behind_s(self) -> float:
        """Seconds of sound that could have been judged and was not; 0 for recordings that are read as fast as they are judged."""
        return self.ring.n_late / self.sample_rate_hz if self.supervisor.is_paced else 0.0

    def hear(self, run: Run, time: datetime, now_s: float) -> list[Payload]:
        """Score a run, as `Machine.hear`; a failure of the inference is this machine's fault alone, and is retried."""
        admitted = self.retry.admit(run)
        if admitted is None:
            return []
        n_before = self.machine.n_clips_scored
        try:
            payloads = self.machine.hear(admitted, time, now_s)
        except (InferenceError, MemoryError) as error:
            self.retry.fail(error)
            return []
        if self.machine.n_clips_scored > n_before:
            self.retry.succeed()
        return payloads

    def sensor(self) -> SensorState:
        """What can be said of the input now, of its inference and of its sound (any thread)."""
        state, error, fault = self.supervisor.sensor(), self.retry.error, self.machine.fault
        if state.state not in HEARD:
            return state
        if error:
            return SensorState("inference", f"{error}; it is retried")
        return SensorState(fault.state, fault.detail, fault.level_change_db) if fault else state

    def describe_proof(self) -> list[str]:
        """Lines of the commissioning report; none without a budget of false alarms. Any thread; it takes a while."""
        if not isinstance(self.policy, BudgetPolicy):
            return []
        if self.proof is None or self.proof[0] != self.policy.budget:
            self.proof = self.policy.budget, commission(self.policy).describe()
        return self.proof[1]

    @property
    def error(self) -> AeganError | None:
        """Why a finite capture was not heard or not judged to its end."""
        return self.supervisor.error or (self.retry.error if self.ring.ended else None)

    @property
    def is_lost(self) -> bool:
        """Whether its inference fails, and no retry helps: for a long time, or there is no more sound to try with."""
        return self.retry.is_lost or (self.retry.error is not None and self.ring.ended)


def choose_score(machine: MachineConfig, bundle: Bundle) -> str:
    """The configured score, or the bundle's.

    Raises:
        ConfigError: The bundle has no such score, or no threshold for the configured place.
    """
    place = machine.alarm.place
    if place and place not in bundle.record.calibration:
        raise ConfigError(
            f"machine {machine.name}: alarm.place: {place}, but {bundle.folder} has a threshold for place "
            f"{choose_place(bundle.record.calibration)} alone; remove the key, or train again with the recipe robust of this version"
        )
    score, names = machine.score or bundle.record.score, score_names(bundle.record)
    if machine.alarm.policy == "budget" and score in names and find_blocks(bundle.record, score, machine.alarm) is None:
        raise ConfigError(
            f"machine {machine.name}: alarm.policy: budget, but {bundle.folder} has no blocks of normal sound for {score}; "
            "remove the key, or train again with this version and let the bundle choose the score"
        )
    if score not in names:
        raise ConfigError(f"machine {machine.name}: score: {score!r} is none of {', '.join(names)}")
    return score


def make_capture(machine: MachineConfig, sample_rate_hz: int) -> Capture:
    """The machine's capture, not yet open.

    Raises:
        ConfigError: It is standard input, which is closed.
    """
    capture = machine.capture
    if isinstance(capture, MicCaptureConfig):
        return MicrophoneCapture(capture.device, capture.channel, sample_rate_hz, stall_s=machine.no_data_s)
    if isinstance(capture, FileCaptureConfig):
        return FileCapture(capture.paths, sample_rate_hz, capture.pace, loop=capture.loop, channel=capture.channel)
    if sys.stdin is None:  # the calling program has closed it (`<&-`)
        raise ConfigError(
            f"machine {machine.name}: capture.kind: stdin, but standard input is closed; start it as WRITER | aegan-monitor run ..."
        )
    return StdinCapture(find_standard_input(), sample_rate_hz, capture.sample_format)


@cache
def find_standard_input() -> Pipe:
    """Standard input of this process; all captures share it."""
    return Pipe(sys.stdin.fileno())


def make_line(
    config: MachineConfig,
    sessions: Sessions,
    capture: Callable[[MachineConfig, int], Capture] = make_capture,
    budget: Budget = ONE_A_WEEK,
) -> Line:
    """Build the runtime objects of one machine; nothing runs yet.

    Raises:
        ConfigError, BundleError, InferenceError: As the parts raise.
    """
    bundle = sessions.load_bundle(config.bundle)
    score = choose_score(config, bundle)
    session = sessions.open(bundle, score)
    pipeline = sessions.make_pipeline(bundle, score)
    alarm, known = config.alarm, bundle.record.calibration
    place, default = choose_place(known, alarm.place), choose_place(known)  # the default is not named: version 0.2 did not, either
    basis = f"{bundle.record.record_sha256} {score} {alarm.quantile} {alarm.margin}" + (f" {place}" if place != default else "")
    judge = Judge(bundle.record, score, alarm, budget, bundle.reference)
    on_delay_s = alarm.on_delay_s
    if isinstance(judge.policy, BudgetPolicy):  # evidence outlasts another budget, and gaps
        basis, on_delay_s = f"{bundle.record.record_sha256} {score} budget {place}", 0.0
    machine = Machine(
        config.name,
        pipeline,
        judge,
        basis,
        latched=alarm.latched,
        recurrence_s=alarm.recurrence_s,
        states=make_tracker(bundle.record, config.operating_state),
        integrity=Integrity(judge.sample_rate_hz, bundle.record.first_decision_samples, bundle.record.normal_sound),
    )
    log.info("%s: %s", config.name, judge.policy.describe())
    if judge.proof is None:
        log.info("%s: how often it alarms falsely is unproved: a policy of thresholds promises no rate", config.name)
    elif (proved := judge.proof.most_per_week()) > budget.per_week:
        log.warning(
            "%s: accepted false alarms: %.3g a week; its %s of normal sound prove only that there are at most %s a week; "
            "more is proved while it runs without an alarm",
            config.name, budget.per_week, show_hours(judge.proof.hours), show_rate(proved),
        )  # fmt: skip
    rate_hz, first_samples = bundle.record.features.sample_rate_hz, bundle.record.first_decision_samples
    hop_samples = bundle.record.features.hop_samples * bundle.record.clip.segment_hop_frames  # each run completes a segment
    gap_rate = GapRate(first_samples, judge.hop_samples, round(on_delay_s * rate_hz))
    ring = Ring(round(RING_S * rate_hz), hop_samples, round(LONGEST_RUN_S * rate_hz), gap_rate=gap_rate, first_samples=first_samples)
    supervisor = make_supervisor(config, ring, capture(config, rate_hz))
    return Line(machine, supervisor, ring, session, rate_hz, config, bundle, judge.policy)


def make_tracker(fields: BundleFields, config: OperatingStateConfig) -> StateTracker | None:
    """What follows the operating state of a machine; None for a bundle without operating states."""
    if not fields.normal_sound:
        return None
    rate_hz, limit_s = fields.features.sample_rate_hz, config.standstill_alarm_s
    times = Times(
        grace_samples=round(config.grace_s * rate_hz),
        clip_samples=fields.clip.covered_frames * fields.features.hop_samples,
        standstill_samples=None if limit_s is None else round(limit_s * rate_hz),
    )
    return StateTracker(NormalStates(fields.normal_sound), rate_hz, times)


def make_supervisor(config: MachineConfig, ring: Ring, capture: Capture) -> CaptureSupervisor:
    """The thread that reads a machine's capture into `ring`, not yet started."""
    live = isinstance(config.capture, MicCaptureConfig)
    pace = config.capture.pace if isinstance(config.capture, FileCaptureConfig) else None
    waits = pace == "fast" or isinstance(config.capture, StdinCaptureConfig)
    no_data_s = math.inf if pace == "fast" else 2 * config.no_data_s if live else config.no_data_s  # a microphone reports a stall itself
    return CaptureSupervisor(config.name, capture, ring, live=live, waits=waits, no_data_s=no_data_s, retry_s=config.retry_s)
