"""One machine: from runs of samples and commands to payloads and to the record of its alarm."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

from aegan_monitor.alarm.cases import count_quiet, is_worse, worsen
from aegan_monitor.alarm.common_cause import CommonCause
from aegan_monitor.alarm.events import describe_command, make_event, make_id, make_state
from aegan_monitor.alarm.judge import Judge, Outcome, make_score
from aegan_monitor.alarm.lifecycle import EPOCH, AlarmRecord, Signal, Transition, refusal, shelf_left_s, take
from aegan_monitor.alarm.stored import significant
from aegan_monitor.audio.supervisor import SensorState
from aegan_monitor.clock import CLOCK_SET_FROM_S
from aegan_monitor.decision.budget import Budget
from aegan_monitor.decision.sound.cause import describe_cause
from aegan_monitor.decision.sound.integrity import Integrity
from aegan_monitor.decision.sound.normal_sound import Fault
from aegan_monitor.decision.sound.states import StateTracker
from aegan_monitor.detection.pipeline import Pipeline
from aegan_monitor.messages import payloads
from aegan_monitor.messages.command_payloads import DEFAULT_SHELF_S, Command
from aegan_monitor.messages.commands import Refusal, make_result
from aegan_monitor.messages.explanation import Explanation
from aegan_monitor.messages.model import Payload
from aegan_monitor.types import Run

NO_STATES = "the bundle has no operating states; train again with this version"
STANDSTILL = "the machine has been off for longer than operating_state.standstill_alarm_s"
STORE_S = 60.0  # a record whose last decision alone is newer is stored so often


class Machine:
    """Scores runs of samples and makes payloads. It belongs to the worker thread.

    Attributes:
        n_clips_scored: Clips that the network has scored, judged or not.
        n_samples_scored: Samples that a judged score has covered; sound between two gaps that is shorter than a clip is not counted.
        last_score: The last decision, for any thread to read.
        pipeline: Computes the scores.
    """

    def __init__(
        self,
        name: str,
        pipeline: Pipeline,
        judge: Judge,
        basis: str = "",
        new_id: Callable[[], str] = make_id,
        *,
        latched: bool = False,
        recurrence_s: float = 0.0,
        states: StateTracker | None = None,
        integrity: Integrity | None = None,
    ) -> None:
        """Store.

        Args:
            basis: Names what judges (bundle, score, alarm settings); an alarm of another basis is superseded.
            latched: An alarm that has cleared stays until a person acknowledges it.
            recurrence_s: Of normal sound, which ends a case.
            states: Follows the operating state; None for a bundle without operating states.
            integrity: Finds faults of the microphone; while there is one, nothing is judged.
        """
        self.name = name
        self.n_clips_scored = self.n_samples_scored = 0
        self.last_score: payloads.Score | None = None
        self._scored_until = 0  # the sample after the last that a score has covered
        self.pipeline, self._judge, self._basis, self._new_id = pipeline, judge, basis, new_id
        self._latched, self._recurrence_samples = latched, round(recurrence_s * judge.sample_rate_hz)
        self._common, self._states, self._integrity = CommonCause(), states, integrity
        self._end_sample = 0  # of what was heard
        self._raised_sample: int | None = None  # of the present alarm, if it was raised in this run
        self._is_confirmed = False  # a decision of this run has measured the state
        self._shelf_end_s: float | None = None  # on the boot clock
        self._stored: AlarmRecord | None = None  # none before `begin`
        self._stored_s = 0.0
        self._sensor: SensorState | None = None

    @property
    def record(self) -> AlarmRecord:
        """The alarm now."""
        return self._judge.record

    @property
    def false_alarms(self) -> tuple[float | None, float | None]:
        """(designed, proved) false alarms a week; None for a policy that has no budget."""
        proved = self._judge.proved_per_week
        return None if proved is None else self._judge.policy.budget.per_week, proved

    def set_budget(self, budget: Budget) -> None:
        """The budget of false alarms from now on; evidence and alarm go on."""
        self._judge.policy.budget = budget

    @property
    def fault(self) -> Fault | None:
        """The present fault of the microphone, by its sound (any thread)."""
        return self._integrity.fault if self._integrity else None

    def begin(self, time: datetime, now_s: float, record: AlarmRecord, common: CommonCause | None = None) -> list[Payload]:
        """Take over the record of an earlier run or configuration; the state before the first decision.

        The alarm is unchanged, but not confirmed. With another basis it ends as superseded; its shelf stays. The node has one `common`.
        """
        self._common = common or self._common
        self._judge.record = self._stored = replace(record, since=time) if record.since == EPOCH else record
        self._stored_s = now_s
        if record.shelved:
            self._shelf_end_s = now_s + shelf_left_s(record, time, is_clock_set=time.timestamp() >= CLOCK_SET_FROM_S)
        found: list[Payload] = []
        if record.basis and self._basis != record.basis:
            found = self._apply("supersede", "the bundle, the score or the alarm settings have changed", time)
        if record.basis != self._basis:
            self._judge.record = replace(self.record, basis=self._basis, memory=(), normal_s=0.0, n_raised=0)
        self._judge.record = replace(self.record, latched=self._latched)
        return [*found, self._make_state()]

    def take_record(self, now_s: float, *, is_last: bool = False) -> AlarmRecord | None:
        """The record if it is to be stored now, or the machine's last; `now_s` is on the boot clock. None before `begin`."""
        if self._stored is None:
            return None
        left_s = 0.0 if self._shelf_end_s is None else max(0.0, self._shelf_end_s - now_s)
        record = replace(self.record, shelf_left_s=left_s)
        if not is_last and significant(record) == significant(self._stored) and now_s - self._stored_s < STORE_S:
            return None
        self._stored, self._stored_s = record, now_s
        return record

    def hear(self, run: Run, time: datetime, now_s: float) -> list[Payload]:
        """Score a run of samples; nothing is scored across a gap, or judged in a fault of the microphone.

        Times as in `look`; what is published has the time of the sound.
        """
        if run.after_gap:
            self.pipeline.reset(run.start_sample)
            self._scored_until = run.start_sample
        if self._integrity:
            run = self._integrity.hear(run)
        if self._states:
            self._states.hear_run(run, self._integrity.seconds if self._integrity else None)
        self._end_sample = run.start_sample + len(run.samples)
        found: list[Payload] = []
        for clip in self.pipeline.push(run.samples):
            self.n_clips_scored += 1
            if self._integrity and not self._integrity.trusts(clip.end_sample):
                self._scored_until = clip.end_sample
                continue
            n_new = clip.end_sample - self._scored_until
            self.n_samples_scored += n_new
            self._scored_until = clip.end_sample
            sounded_at = run.wall_time(clip.end_sample, time, now_s)
            state = self._states.at(clip.end_sample) if self._states else None
            found += self._publish(self._judge.judge(clip, sounded_at, state), sounded_at)
            self._judge.record = count_quiet(self.record, n_new, self._recurrence_samples)
        return found

    def look(self, time: datetime, now_s: float) -> list[Payload]:
        """Payloads that follow from the time alone: the end of a shelf. `now_s` is on the boot clock; `time` is wall time, for people.

        An alarm that came under the shelf is raised by the next decision that exceeds the threshold.
        """
        if self._shelf_end_s is None or now_s < self._shelf_end_s:
            return []
        return [*self._apply("unshelve", "the time of the shelf is over", time), self._make_state()]

    def obey(self, command: Command | Refusal, time: datetime, now_s: float) -> list[Payload]:
        """Payloads that follow from a command, its result last; times as in `look`."""
        if isinstance(command, Refusal):
            return [make_result(command, "", time)]
        if command.command == "state":
            return [make_result(command, self._states.say(command.value) if self._states else NO_STATES, time)]
        if reason := refusal(self.record, command.command, command.event_id):
            return [make_result(command, reason, time)]
        cause = describe_command(command)
        if command.command == "shelve":
            duration_s = DEFAULT_SHELF_S if command.duration_s is None else command.duration_s
            self._shelf_end_s = now_s + duration_s
            self._judge.record = replace(self.record, shelved_until=time + timedelta(seconds=duration_s))
            cause = f"for {duration_s:g} s {cause}"
        signal: Signal = command.command
        if command.verdict and self.record.case:
            signal = "amend" if signal == "acknowledge" and self.record.acknowledged else signal
            self._judge.record = replace(self.record, case=self.record.case.model_copy(update={"verdict": command.verdict}))
            cause = f"{command.verdict} {cause}"
        found = self._apply(signal, cause, time)
        return [*found, *([self._make_state()] if found else []), make_result(command, "", time)]

    def sense(self, sensor: SensorState, time: datetime) -> list[Payload]:
        """The input's state, if it has changed."""
        if sensor == self._sensor or sensor.state == "starting":
            return []
        self._sensor = sensor
        return [payloads.Sensor(state=sensor.state, detail=sensor.detail, since=time, level_change_db=sensor.level_change_db)]

    def _apply(self, signal: Signal, cause: str, time: datetime) -> list[Payload]:
        transition = take(self.record, signal, time)
        if transition is None:
            return []
        self._judge.record = transition.after
        if not self.record.shelved:
            self._shelf_end_s = None
        return [self._make_event(transition, cause, self._end_sample, time)] if transition.event else []

    def _publish(self, outcome: Outcome, time: datetime) -> list[Payload]:
        clip, decision, state, found = outcome.clip, outcome.decision, outcome.state, list[Payload]()
        clipped = self._integrity is not None and self._integrity.is_clipped(clip.end_sample)
        for transition in outcome.transitions:
            if transition.event:
                cause = outcome.cause if transition.event == "raised" else None
                words = STANDSTILL if state and state.stands_still and transition.event == "raised" else describe_cause(cause)
                found.append(self._make_event(transition, words, clip.end_sample, time, outcome, clipped=clipped))
        before, self._judge.record = self.record, worsen(self.record, gross=decision.is_gross, evidence=decision.evidence)
        changed = any(found) or any(step.before.process != step.after.process for step in outcome.transitions)
        changed = changed or is_worse(before, self.record)
        if changed or not self._is_confirmed:
            self._is_confirmed = True
            found.append(self._make_state())
        level_change_db = self._integrity.accepted_db if self._integrity else 0.0
        self.last_score = make_score(self._judge, outcome, self.record.process, time, clipped=clipped, level_change_db=level_change_db)
        return [self.last_score, *found]

    def _make_event(
        self, transition: Transition, cause: str, sample: int, time: datetime, outcome: Outcome | None = None, *, clipped: bool = False
    ) -> payloads.Event:
        """The event, by the numbers of the record, which it updates. `outcome` is that of the decision that led to it."""
        raises = transition.event == "raised"
        decision, found = (outcome.decision, outcome.cause if raises else None) if outcome else (None, None)
        if raises:
            self._raised_sample = sample
        event, self._judge.record = make_event(
            transition._replace(after=self.record),  # what the judge counts besides; an event is that of the last transition
            cause,
            time,
            new_id=self._new_id,
            score_id=self._judge.score,
            sample=sample,
            active_s=None if self._raised_sample is None else max(0, sample - self._raised_sample) / self._judge.sample_rate_hz,
            explanation=None if found is None else Explanation.model_validate(found, from_attributes=True),
            proved_per_week=self._judge.proved_per_week,
            gross=decision is not None and decision.is_gross,
            evidence=decision.evidence if decision else None,
            common_case=self._common.find(self.name, time) if raises else None,
            clipped=clipped,
        )
        if raises and event.case and not event.case.common:
            self._common.note(self.name, event.case.id, time)
        return event

    def _make_state(self) -> payloads.Alarm:
        return make_state(self.record, confirmed=self._is_confirmed)
