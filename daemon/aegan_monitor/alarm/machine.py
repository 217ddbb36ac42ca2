"""One machine's line from ring to messages: pipeline, decision, alarm, and what is published about them."""

import math
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from aegan_monitor.alarm.annunciation import Standing
from aegan_monitor.alarm.delays import ACTIVE, Alarm, Transition
from aegan_monitor.alarm.events import Announcer
from aegan_monitor.alarm.last_event import LastEvent
from aegan_monitor.audio.supervisor import SensorState
from aegan_monitor.config.model import AlarmConfig
from aegan_monitor.detection.pipeline import Pipeline
from aegan_monitor.detection.policy import Decider, Decision
from aegan_monitor.detection.record import BundleFields
from aegan_monitor.messages import payloads
from aegan_monitor.messages.commands import Refusal, make_result
from aegan_monitor.types import ClipScore, Run

N_DECISIONS_LATE = 2  # so many may be missing while the last still says how the machine sounds


@dataclass(frozen=True, slots=True)
class Outcome:
    """A clip's scores with all that follows from them."""

    clip: ClipScore
    decision: Decision
    transitions: list[Transition]


class Judge:
    """Decision and alarm for one stream of clip scores; pure."""

    def __init__(self, fields: BundleFields, score: str, settings: AlarmConfig) -> None:
        rate = fields.features.sample_rate_hz
        self.score = score
        self.sample_rate_hz = rate
        self.decision_hop_s = fields.clip.decision_hop_frames * fields.features.hop_s
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
        self.last_score: payloads.Score | None = None
        self._pipeline, self._judge = pipeline, judge
        self._announcer = Announcer(judge.score, judge.sample_rate_hz, new_id)
        self._end_sample = 0  # of what was heard
        self._decided_s = -math.inf  # when the last decision fell that no fault of the sensor has made old
        self._sensor: SensorState | None = None

    @property
    def state(self) -> payloads.AlarmState:
        """The alarm's state."""
        return self._judge.alarm.state

    @property
    def active(self) -> bool:
        """The alarm is active: shelved it is not, whatever its state."""
        return self._announcer.active

    @property
    def standing(self) -> Standing:
        """What is announced of the alarm, and what people have said about it."""
        return self._announcer.standing

    def begin(self, time: datetime, last: LastEvent | None = None) -> list[payloads.Payload]:
        """The alarm's state before the first decision.

        Every start begins normal: what was heard before is not remembered. An alarm that was active when the daemon ended
        (`last`, the last event that anybody was told of) is cleared, and comes again after the on-delay if the fault is still there.
        A shelf is forgotten, too.
        """
        return self._announcer.begin(time, last)

    def recall(self, last: LastEvent, time: datetime) -> list[payloads.Payload]:
        """What there is to tell when the last event of an earlier run comes to light only now: its disk was late."""
        return self._announcer.recall(last, self._end_sample, time)

    def end(self, time: datetime, last: LastEvent | None) -> list[payloads.Payload]:
        """What is to be told when a reload takes the machine out of service: an alarm that is active (`last` as in `begin`) ends."""
        return self._announcer.end(time, last)

    def hear(self, run: Run, time: datetime, now_s: float) -> list[payloads.Payload]:
        """Score a run that ended now; nothing is scored across a gap. The times are as in `look`."""
        if run.after_gap:
            self._pipeline.reset(run.start_sample)
            self._judge.alarm.hold()
            self._scored_until = run.start_sample
        self._end_sample = run.start_sample + len(run.samples)
        clips = self._pipeline.push(run.samples)
        for clip in clips:
            self.n_samples_scored += clip.end_sample - self._scored_until
            self._scored_until = clip.end_sample
            self._decided_s = now_s
        return [
            payload for clip in clips for payload in self._publish(self._judge.judge(clip), run.wall_time(clip.end_sample, time, now_s))
        ]

    def look(self, time: datetime, now_s: float) -> list[payloads.Payload]:
        """What follows from the time alone, be there sound or not: a shelf ends.

        `time` is wall time, for people; `now_s` is on a clock that nobody sets (`shelf_clock.py`), and decides.
        """
        return self._announcer.look(self._end_sample, time, now_s, is_heard=self._is_heard(now_s))

    def obey(self, command: payloads.Command | Refusal, time: datetime, now_s: float) -> list[payloads.Payload]:
        """What follows from a command that came now, or why nothing does; the answer is the last. The times are as in `look`."""
        reason = "" if isinstance(command, Refusal) else self._announcer.refusal(command)
        if isinstance(command, Refusal) or reason:
            return [make_result(command, reason, time)]
        found = self._announcer.obey(command, self._end_sample, time, now_s, is_heard=self._is_heard(now_s))
        return [*found, make_result(command, "", time)]

    def sense(self, sensor: SensorState, time: datetime) -> list[payloads.Payload]:
        """The input's state, if it is news."""
        if sensor.state != "ok":
            self._decided_s = -math.inf
        if sensor == self._sensor or sensor.state == "starting":
            return []
        self._sensor = sensor
        return [payloads.Sensor(state=sensor.state, detail=sensor.detail, since=time)]

    def _is_heard(self, now_s: float) -> bool:
        """Whether the last decision says how the machine sounds now; while it is deaf it does not, nor just after a suspend."""
        return now_s - self._decided_s <= N_DECISIONS_LATE * self._judge.decision_hop_s

    def _publish(self, outcome: Outcome, time: datetime) -> list[payloads.Payload]:
        clip, decision = outcome.clip, outcome.decision
        self.last_score = payloads.Score(
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
        return [self.last_score, *self._announcer.follow(outcome.transitions, decision, clip.end_sample, time)]
