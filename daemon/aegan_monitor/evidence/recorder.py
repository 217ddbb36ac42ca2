"""Cuts the sound of one machine: around each alarm, and now and then a clip of normal sound. No clock, thread or file.

Memory of a machine at 16 kHz: 1.7 MB at most for the last 50 s; 3.7 MB while an alarm is recorded, and a copy of it for the disk.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from aegan_monitor.detection.bundle import Bundle
from aegan_monitor.evidence.recent_sound import RecentSound, Stretch
from aegan_monitor.evidence.scores import RecentScores, Row
from aegan_monitor.messages.payloads import Event, Score, Sensor
from aegan_monitor.types import Run

BEFORE_S = 45.0  # of a recording before the alarm: a gross fault alarms 22 s after it began, and the sound before it is wanted too
AFTER_S = 60.0  # after the alarm; the recording ends earlier with the alarm
KEPT_S = BEFORE_S + 5.0  # a decision may lie a run of 4 s before the end of what was heard
NORMAL_CLIP_S = 10.0  # at most; else as long as a score's clip
NORMAL_EVERY_S = 3600.0  # of sound, between two normal clips of one operating state
LEAST_EVIDENCE = 0.1  # from which on a clip is not called normal
PASSING_STATES = frozenset({"starting", "stopping", "unknown"})  # of which no normal clip is kept


@dataclass(frozen=True, slots=True)
class Recording:
    """Sound around an alarm; `alarm_at` is the place of the alarm in it.

    Attributes:
        event: The event `raised`.
        rows: The scores of the last minutes.
        is_whole: It has ended; until then the sound after the alarm is missing.
    """

    machine: str
    bundle: Bundle
    event: Event
    sound: Stretch
    alarm_at: int
    rows: tuple[Row, ...]
    is_whole: bool


@dataclass(frozen=True, slots=True)
class NormalClip:
    """Sound that scored lower than all that was heard in the minutes before."""

    machine: str
    bundle: Bundle
    score: Score
    sound: Stretch


class Recorder:
    """One machine. Sound comes before the messages that it leads to."""

    def __init__(self, machine: str, *, keeps_normal: bool = True) -> None:
        """`keeps_normal`: cut normal clips."""
        self._machine, self._keeps_normal = machine, keeps_normal
        self._bundle: Bundle | None = None
        self._sound, self._scores = RecentSound(), RecentScores()
        self._raised: Event | None = None  # whose recording has not ended
        self._since_normal: dict[str | None, int] = {}  # samples since the last normal clip, by operating state

    @property
    def n_samples(self) -> int:
        """Samples in memory."""
        return self._sound.n_samples

    def hear(self, run: Run, bundle: Bundle) -> Iterator[Recording]:
        """Take samples; a recording that they end."""
        if self._bundle is not bundle or run.start_sample < self._sound.next_sample:  # a reload has replaced the machine
            yield from self.finish()
            self._bundle = bundle
            self._forget()
        self._sound.add(run)
        self._since_normal = {state: n + len(run.samples) for state, n in self._since_normal.items()}
        if self._raised is None:
            self._sound.keep(self._samples(KEPT_S))
        elif self._sound.n_samples - self._sound.place_of(self._raised.sample) >= self._samples(AFTER_S):
            yield from self.finish()

    def read(self, payload: object) -> Iterator[Recording | NormalClip]:
        """Take a message of the machine; what it begins or ends."""
        if isinstance(payload, Score):
            self._scores.add(payload)
            yield from self._find_normal(payload)
        elif isinstance(payload, Event) and payload.kind == "raised":
            yield from self.finish()
            self._raised = payload
            yield from self._cut(is_whole=False)
        elif (isinstance(payload, Event) and payload.duration_s is not None) or (isinstance(payload, Sensor) and payload.state != "ok"):
            yield from self.finish()

    def finish(self) -> Iterator[Recording]:
        """End the recording, if there is one."""
        if self._raised is not None:
            yield from self._cut(is_whole=True)
            self._raised = None
            self._sound.keep(self._samples(KEPT_S))

    def _forget(self) -> None:
        self._sound, self._scores, self._raised, self._since_normal = RecentSound(), RecentScores(), None, {}

    def _cut(self, *, is_whole: bool) -> Iterator[Recording]:
        event, bundle, sound = self._raised, self._bundle, self._sound
        if event is None or bundle is None:  # an alarm before the first sound
            return
        place = sound.place_of(event.sample)
        start = max(0, place - self._samples(BEFORE_S))
        stretch = sound.cut(start, min(sound.n_samples, place + self._samples(AFTER_S)))
        yield Recording(self._machine, bundle, event, stretch, place - start, self._scores.rows(), is_whole)

    def _find_normal(self, score: Score) -> Iterator[NormalClip]:
        """A clip that ends with this score, if it is normal, and one is due."""
        state = score.operating_state
        due = self._since_normal.get(state, self._samples(NORMAL_EVERY_S)) >= self._samples(NORMAL_EVERY_S)
        is_calm = score.state == "normal" and not score.exceeded and (score.evidence or 0.0) < LEAST_EVIDENCE
        is_plain = not score.clipped and not score.in_grace and state not in PASSING_STATES
        if self._bundle is None or not (self._keeps_normal and due and is_calm and is_plain and self._scores.is_lowest(score)):
            return
        length = min(self._bundle.record.first_decision_samples, self._samples(NORMAL_CLIP_S))
        end = self._sound.place_of(score.sample)
        sound = self._sound.cut(end - length, end)
        if len(sound.pcm) == length and not sound.gaps:
            self._since_normal[state] = 0
            yield NormalClip(self._machine, self._bundle, score, sound)

    def _samples(self, seconds: float) -> int:
        return 0 if self._bundle is None else round(seconds * self._bundle.record.features.sample_rate_hz)
