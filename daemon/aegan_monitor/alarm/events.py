"""Tells of one machine's alarm: its state and its events, numbered, as decisions and commands change them."""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta

from aegan_monitor.alarm.annunciation import Annunciation, Occasion, Standing
from aegan_monitor.alarm.delays import Transition
from aegan_monitor.alarm.last_event import LastEvent
from aegan_monitor.clock import elapsed_s
from aegan_monitor.detection.policy import Decision
from aegan_monitor.messages import payloads

RESTARTED = "restarted: the monitor has started anew, and nothing is known of the alarm that was"
RECONFIGURED = "reconfigured: a reload has changed or removed the machine, and ended the alarm that was"


class Announcer:
    """Makes the payloads; each event goes before the state that names it."""

    def __init__(self, score_id: str, sample_rate_hz: int, new_id: Callable[[], str]) -> None:
        self._score_id, self._sample_rate_hz, self._new_id = score_id, sample_rate_hz, new_id
        self._annunciation = Annunciation()
        self._sequence = 0
        self._raised_sample = 0
        self._alarm_ids: list[str] = []  # of the events of the active alarm, its `raised` first
        self._score = self._threshold = 0.0  # of the last decision
        self._state = _make_state(datetime.fromtimestamp(0, UTC), None)  # until `begin`

    @property
    def active(self) -> bool:
        """An alarm is announced."""
        return self._annunciation.active

    @property
    def standing(self) -> Standing:
        """Whether it is announced, acknowledged or shelved."""
        return self._annunciation.standing

    def begin(self, time: datetime, last: LastEvent | None) -> list[payloads.Payload]:
        """What a start tells, when `last` was the last event before it; numbers go on from there."""
        self._state = _make_state(time, last.id if last else None)
        return [*self._forget(last, 0, time, RESTARTED), self._state]

    def recall(self, last: LastEvent, sample: int, time: datetime) -> list[payloads.Payload]:
        """What is to be told when `last`, the last event of an earlier run, comes to light only after `begin`.

        Numbers go on from there. What it left open is ended, unless this run has an alarm or a shelf of its own.
        """
        self._sequence = max(self._sequence, last.sequence)
        self._state = self._state.model_copy(update={"event_id": self._state.event_id or last.id})
        found = self._forget(last, sample, time, RESTARTED) if self.standing == "normal" else []
        return [*found, self._tell_state()]

    def end(self, time: datetime, last: LastEvent | None) -> list[payloads.Payload]:
        """What a reload tells that takes the machine out of service, when `last` was the last event; of whichever run, as in `recall`."""
        return self._forget(last, 0, time, RECONFIGURED)

    def _forget(self, last: LastEvent | None, sample: int, time: datetime, why: str) -> list[payloads.Payload]:
        self._annunciation = Annunciation()
        self._score = self._threshold = 0.0
        self._sequence = max(self._sequence, last.sequence if last else 0)
        if last is not None and last.left_active:
            duration_s = elapsed_s(last.time.timestamp(), time.timestamp()) if last.kind == "raised" else None
            return [self._make_event("cleared", f"{why} active before", sample, time, duration_s)]
        if last is not None and last.left_shelved:
            return [self._make_event("unshelved", f"{why} shelved before", sample, time, None)]
        return []

    def follow(self, transitions: Iterable[Transition], decision: Decision, sample: int, time: datetime) -> list[payloads.Payload]:
        """What follows from a decision at `sample`."""
        self._score, self._threshold = decision.score, decision.threshold
        found: list[payloads.Payload] = []
        for transition in transitions:
            event = transition.event
            if transition.after == "alarm" and not self.active:  # also one that was clearing as its shelf ended, and is back
                event = "raised"
            if event:
                found += self._announce(event, self._tell_relation("above" if event == "raised" else "back below"), transition.sample, time)
            changes = {"state": transition.after, "since": time, "score": self._score, "threshold": self._threshold}
            found.append(self._tell_state(**changes))
        if self._state.state == "alarm" and self.standing == "normal":  # nobody could know that as its shelf ended
            found += [*self._announce("raised", self._tell_relation("above"), sample, time), self._tell_state()]
        return found

    def look(self, sample: int, time: datetime, now_s: float, *, is_heard: bool) -> list[payloads.Payload]:
        """What follows from the time alone, be there sound or not: the end of a shelf. The rest is as in `obey`."""
        return self._unshelve("its time is up", sample, time, is_heard=is_heard) if self._annunciation.is_over(now_s) else []

    def refusal(self, command: payloads.Command) -> str:
        """Why a command is not obeyed now; empty if it is."""
        reason = self._annunciation.refusal(command.command)
        if not reason and command.event_id is not None and command.event_id not in self._alarm_ids:
            return f"another alarm is active: event_id {self._alarm_ids[0]}"
        return reason

    def obey(self, command: payloads.Command, sample: int, time: datetime, now_s: float, *, is_heard: bool) -> list[payloads.Payload]:
        """What follows from a command that is not refused.

        Args:
            command: The command.
            sample: The end of what was heard before it.
            time: Wall time, for people.
            now_s: The same in seconds of a clock that nobody sets: a shelf is timed by it.
            is_heard: The last decision says how the machine sounds now.
        """
        cause = _tell_cause(command)
        if command.command == "unshelve":
            return self._unshelve(cause, sample, time, is_heard=is_heard)
        if command.command == "acknowledge":
            return [*self._announce("acknowledge", cause, sample, time), self._tell_state()]
        duration_s = payloads.DEFAULT_SHELF_S if command.duration_s is None else command.duration_s
        found = self._announce("shelve", f"for {duration_s:g} s {cause}", sample, time, now_s + duration_s)
        return [*found, self._tell_state(shelved_until=time + timedelta(seconds=duration_s))]

    def _unshelve(self, cause: str, sample: int, time: datetime, *, is_heard: bool) -> list[payloads.Payload]:
        found = self._announce("unshelve", cause, sample, time)
        if self._state.state == "alarm" and is_heard:  # one that is clearing, or that nobody hears, is told of if it comes back
            still = f"{self._score_id} {self._score:.3g}, threshold {self._threshold:.3g}: the machine sounds wrong as the shelf ends"
            found += self._announce("raised", still, sample, time)
        return [*found, self._tell_state(shelved_until=None)]

    def _tell_relation(self, relation: str) -> str:
        return f"{self._score_id} {self._score:.3g} is {relation} its threshold {self._threshold:.3g}"

    def _announce(
        self, occasion: Occasion, cause: str, sample: int, time: datetime, shelve_until_s: float | None = None
    ) -> list[payloads.Payload]:
        was_active = self.active
        kind = self._annunciation.take(occasion, shelve_until_s)
        if kind is None:
            return []
        if self.active and not was_active:
            self._raised_sample = sample
        duration_s = max(0, sample - self._raised_sample) / self._sample_rate_hz if was_active and not self.active else None
        event = self._make_event(kind, cause, sample, time, duration_s)
        self._alarm_ids = [*self._alarm_ids, event.id] if self.active else []
        return [event]

    def _make_event(self, kind: payloads.EventKind, cause: str, sample: int, time: datetime, duration_s: float | None) -> payloads.Event:
        self._sequence += 1
        event = payloads.Event(
            id=self._new_id(),
            sequence=self._sequence,
            kind=kind,
            active=self.active,
            time=time,
            sample=sample,
            cause=cause,
            score_id=self._score_id,
            score=self._score,
            threshold=self._threshold,
            duration_s=duration_s,
        )
        self._state = self._state.model_copy(update={"event_id": event.id})
        return event

    def _tell_state(self, **changes: object) -> payloads.Alarm:
        standing = self._annunciation.standing
        self._state = self._state.model_copy(update={**changes, "active": self.active, "acknowledged": standing == "acknowledged"})
        return self._state


def _make_state(since: datetime, event_id: str | None) -> payloads.Alarm:
    return payloads.Alarm(state="normal", active=False, since=since, score=0.0, threshold=0.0, event_id=event_id)


def _tell_cause(command: payloads.Command) -> str:
    """By whom and why, on one line: others have written it."""
    text = f"by {command.by or 'command'}" + (f": {command.reason}" if command.reason else "")
    return "".join(letter if letter.isprintable() else " " for letter in text)
