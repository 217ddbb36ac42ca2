"""One machine's line from ring to messages: pipeline, decision, alarm, and what is published about them."""

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from aegan_monitor import messages
from aegan_monitor.alarm import ACTIVE, Alarm, Transition
from aegan_monitor.decision import Decider, Decision
from aegan_monitor.listener import SensorState
from aegan_monitor.pipeline import Pipeline
from aegan_monitor.record import BundleFields
from aegan_monitor.types import ClipScore, Run
from aegan_monitor.wall_clock import elapsed_s

RESTARTED = "restarted: the monitor has started anew, and nothing is known of the alarm that was active before"
RECONFIGURED = "reconfigured: a reload has changed or removed the machine, and ended the alarm that was active before"


@dataclass(frozen=True, slots=True)
class AlarmSettings:
    """The configuration's `alarm` section; None is what the bundle advises."""

    quantile: float | None = None
    margin: float | None = None
    on_delay_s: float = 12.0
    off_delay_s: float = 10.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """A clip's scores with all that follows from them."""

    clip: ClipScore
    decision: Decision
    transitions: list[Transition]


class Judge:
    """Decision and alarm for one stream of clip scores; pure."""

    def __init__(self, fields: BundleFields, score: str, settings: AlarmSettings) -> None:
        rate = fields.features.sample_rate_hz
        self.score = score
        self.sample_rate_hz = rate
        self.alarm = Alarm(round(settings.on_delay_s * rate), round(settings.off_delay_s * rate))
        self._decider = Decider(fields, score, settings.quantile, settings.margin)

    def judge(self, clip: ClipScore) -> Outcome:
        """Decide about the next clip."""
        decision = self._decider.decide(clip.scores[self.score], self.alarm.state in ACTIVE)
        return Outcome(clip, decision, self.alarm.update(decision.exceeded, clip.end_sample))


class Machine:
    """Scores runs of samples, and says what happened as payloads. It belongs to the worker thread.

    Attributes:
        n_samples_scored: Samples that a score has covered; what was heard between two gaps too short for a clip is none of them.
        last_score: The last decision, for any thread to read.
    """

    def __init__(self, name: str, pipeline: Pipeline, judge: Judge, new_id: Callable[[], str] = lambda: str(uuid.uuid4())) -> None:
        self.name = name
        self.n_samples_scored = 0
        self._scored_until = 0  # the sample after the last of them
        self.last_score: messages.Score | None = None
        self._pipeline, self._judge, self._new_id = pipeline, judge, new_id
        self._sequence = 0
        self._raised_sample = 0
        self._sensor: SensorState | None = None
        self._last_event_id: str | None = None

    @property
    def state(self) -> messages.AlarmState:
        """The alarm's state."""
        return self._judge.alarm.state

    def begin(self, time: datetime, last: messages.LastEvent | None = None) -> list[messages.Payload]:
        """The alarm's state before the first decision.

        Every start begins normal: what was heard before is not remembered. An alarm that was active when the daemon ended
        (`last`, the last event that anybody was told of) is cleared, and comes again after the on-delay if the fault is still there.
        """
        found: list[messages.Payload] = []
        if last is not None:
            self._sequence, self._last_event_id = last.sequence, last.id
            if last.kind == "raised":
                found.append(self._clear(last, time, RESTARTED))
        alarm = messages.Alarm(state=self.state, active=False, since=time, score=0.0, threshold=0.0, event_id=self._last_event_id)
        return [*found, alarm]

    def end(self, time: datetime, last: messages.LastEvent | None) -> list[messages.Payload]:
        """What is to be told when a reload takes the machine out of service: an alarm that is active (`last` as in `begin`) ends."""
        return [self._clear(last, time, RECONFIGURED)] if last is not None and last.kind == "raised" else []

    def hear(self, run: Run, time: datetime) -> list[messages.Payload]:
        """Score a run that ended at wall time `time`; nothing is scored across a gap."""
        if run.after_gap:
            self._pipeline.reset(run.start_sample)
            self._judge.alarm.hold()
            self._scored_until = run.start_sample
        clips = self._pipeline.push(run.samples)
        for clip in clips:
            self.n_samples_scored += clip.end_sample - self._scored_until
            self._scored_until = clip.end_sample
        return [payload for clip in clips for payload in self._publish(self._judge.judge(clip), time)]

    def sense(self, sensor: SensorState, time: datetime) -> list[messages.Payload]:
        """The input's state, if it is news."""
        if sensor == self._sensor or sensor.state == "starting":
            return []
        self._sensor = sensor
        return [messages.Sensor(state=sensor.state, detail=sensor.detail, since=time)]

    def _publish(self, outcome: Outcome, time: datetime) -> list[messages.Payload]:
        clip, decision = outcome.clip, outcome.decision
        self.last_score = messages.Score(
            time=time,
            sample=clip.end_sample,
            stream_s=clip.end_sample / self._judge.sample_rate_hz,
            score_id=self._judge.score,
            score=decision.score,
            normalised=decision.normalised,
            threshold=decision.threshold,
            exceeded=decision.exceeded,
            level_dbfs=clip.level_dbfs,
            state=self.state,
        )
        found: list[messages.Payload] = [self.last_score]
        for transition in outcome.transitions:
            if transition.event:
                found.append(self._event(transition, transition.event, outcome, time))
            found.append(
                messages.Alarm(
                    state=transition.after,
                    active=transition.after in ACTIVE,
                    since=time,
                    score=decision.score,
                    threshold=decision.threshold,
                    event_id=self._last_event_id,
                )
            )
        return found

    def _number_event(self) -> tuple[str, int]:
        self._sequence += 1
        self._last_event_id = self._new_id()
        return self._last_event_id, self._sequence

    def _clear(self, last: messages.LastEvent, time: datetime, cause: str) -> messages.Event:
        event_id, sequence = self._number_event()
        return messages.Event(
            id=event_id,
            sequence=sequence,
            kind="cleared",
            time=time,
            sample=0,
            cause=cause,
            score_id=self._judge.score,
            score=0.0,
            threshold=0.0,
            duration_s=elapsed_s(last.time.timestamp(), time.timestamp()),
        )

    def _event(self, transition: Transition, kind: messages.EventKind, outcome: Outcome, time: datetime) -> messages.Event:
        decision, score = outcome.decision, self._judge.score
        event_id, sequence = self._number_event()
        relation = "above" if kind == "raised" else "back below"
        if kind == "raised":
            self._raised_sample = transition.sample
        duration_s = None if kind == "raised" else (transition.sample - self._raised_sample) / self._judge.sample_rate_hz
        return messages.Event(
            id=event_id,
            sequence=sequence,
            kind=kind,
            time=time,
            sample=transition.sample,
            cause=f"{score} {decision.score:.3g} is {relation} its threshold {decision.threshold:.3g}",
            score_id=score,
            score=decision.score,
            threshold=decision.threshold,
            duration_s=duration_s,
        )
