"""Decision and life cycle for one stream of clip scores."""

from dataclasses import dataclass, replace
from datetime import datetime

from aegan_monitor.alarm.lifecycle import EPOCH, IN_ALARM, AlarmRecord, Transition, advance
from aegan_monitor.config.alarm import AlarmConfig
from aegan_monitor.decision.budget import ONE_A_WEEK, Budget
from aegan_monitor.decision.budget_policy import BudgetPolicy
from aegan_monitor.decision.policy import Decision, Policy
from aegan_monitor.decision.proof import find_proof
from aegan_monitor.decision.sound.cause import Cause, SoundHistory
from aegan_monitor.decision.sound.states import OperatingState
from aegan_monitor.decision.threshold_policy import ThresholdPolicy
from aegan_monitor.detection.record import BundleFields, NormalBlocks
from aegan_monitor.detection.reference import ReferenceSet
from aegan_monitor.detection.threshold import choose_place
from aegan_monitor.messages import payloads
from aegan_monitor.messages.model import AlarmState
from aegan_monitor.types import ClipScore


@dataclass(frozen=True, slots=True)
class Outcome:
    """A clip's scores with the decision and the transitions that follow; `cause` is that of an alarm which it raises."""

    clip: ClipScore
    decision: Decision
    transitions: list[Transition]
    cause: Cause | None = None
    state: OperatingState | None = None


class Judge:
    """Decision and life cycle for one stream of clip scores; pure.

    Attributes:
        record: The alarm as the last decision left it.
        policy: What decides.
        proof: What is proved about its budget at calibration; None for a policy of thresholds.
    """

    def __init__(
        self, fields: BundleFields, score: str, settings: AlarmConfig, budget: Budget = ONE_A_WEEK, reference: ReferenceSet | None = None
    ) -> None:
        """Store; the bands that changed are named against `reference`."""
        self.score = score
        self.sample_rate_hz = fields.features.sample_rate_hz
        self.policy = make_policy(fields, score, settings, budget)
        self.proof = find_proof(self.policy) if isinstance(self.policy, BudgetPolicy) else None
        self.hop_samples = fields.clip.decision_hop_frames * fields.features.hop_samples
        self._clip_samples = fields.clip.covered_frames * fields.features.hop_samples
        self._history = SoundHistory(fields, score, reference)
        self._record = AlarmRecord()
        self._end_sample: int | None = None

    @property
    def proved_per_week(self) -> float | None:
        """The largest rate of false alarms that agrees with all normal sound so far; each alarm counts as a false one. None: unproved."""
        return self.proof.most_per_week(self._record.normal_s / 3600, self._record.n_raised) if self.proof else None

    @property
    def record(self) -> AlarmRecord:
        """The alarm as the last decision left it; one that is set brings the policy's memory along."""
        return self._record

    @record.setter
    def record(self, record: AlarmRecord) -> None:
        if record.memory != self.policy.memory:
            self.policy.memory = record.memory
        self._record = record

    def judge(self, clip: ClipScore, time: datetime = EPOCH, state: OperatingState | None = None) -> Outcome:
        """Decide about the next clip; `time` stamps what changes. A machine that stands still for too long is an alarm, too."""
        new_samples = clip.end_sample - self._end_sample if self._end_sample is not None else 0
        is_unbroken = 0 < new_samples <= self.hop_samples
        self._end_sample = clip.end_sample
        self._history.add(clip, time)
        is_new = min(new_samples, self._clip_samples) if new_samples > 0 else self._clip_samples
        is_whole = state is not None and state.since_sample <= clip.end_sample - self._clip_samples
        decision = self.policy.decide(
            clip,
            self._record.process in IN_ALARM,
            is_new,
            in_grace=state is not None and state.in_grace,
            state=state.index if state and is_whole else None,
        )
        stands_still = state is not None and state.stands_still
        if stands_still:
            decision = replace(decision, exceeded=True)
        heard_samples = new_samples if is_unbroken else self.hop_samples
        normal_s = self._record.normal_s + (0.0 if self._record.process in IN_ALARM else heard_samples / self.sample_rate_hz)
        measured = replace(self._record, score=decision.score, threshold=decision.threshold, measured_at=time, normal_s=normal_s)
        has_elapsed = (lambda is_active, _: not is_active) if stands_still else self.policy.has_elapsed
        transitions = advance(measured, decision.exceeded, has_elapsed, heard_samples, time)
        last = transitions[-1].after if transitions else measured
        n_raised = sum(each.after.process == "alarm" and each.before.process == "pending" for each in transitions)
        self._record = replace(last, memory=self.policy.memory, n_raised=last.n_raised + n_raised)
        began = next((step.before.since for step in transitions if step.event == "raised"), None)
        return Outcome(clip, decision, transitions, self._history.explain(clip, began, state) if began else None, state)


def make_score(
    judge: Judge, outcome: Outcome, process: AlarmState, time: datetime, *, clipped: bool, level_change_db: float
) -> payloads.Score:
    """The message about a decision, after which the alarm is in the state `process`."""
    clip, decision, state = outcome.clip, outcome.decision, outcome.state
    return payloads.Score(
        time=time,
        sample=clip.end_sample,
        stream_s=clip.end_sample / judge.sample_rate_hz,
        score_id=judge.score,
        score=decision.score,
        normalised=decision.normalised,
        threshold=decision.threshold,
        exceeded=decision.exceeded,
        level_dbfs=clip.level_dbfs + level_change_db,  # as it is heard
        lasting_share=clip.lasting_share,
        evidence=decision.evidence,
        clipped=clipped,
        level_change_db=level_change_db,
        state=process,
        operating_state=state.name if state else None,
        in_grace=state is not None and state.in_grace,
    )


def find_blocks(fields: BundleFields, score: str, settings: AlarmConfig) -> NormalBlocks | None:
    """The blocks of normal sound for a budget; None if the bundle has none for this score and place."""
    return fields.calibration[choose_place(fields.calibration, settings.place)].blocks if score == fields.score else None


def make_policy(fields: BundleFields, score: str, settings: AlarmConfig, budget: Budget) -> Policy:
    """The policy that the settings name; without one a budget, but thresholds where they are set or the bundle has no blocks."""
    place, blocks = choose_place(fields.calibration, settings.place), find_blocks(fields, score, settings)
    if blocks is not None and (settings.policy or ("threshold" if settings.sets_threshold else "budget")) == "budget":
        return BudgetPolicy(fields, score, blocks, place, budget)
    return ThresholdPolicy(fields, score, settings.quantile, settings.margin, place, settings.on_delay_s, settings.off_delay_s)
