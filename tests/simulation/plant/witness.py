"""What a subscriber of the plant receives, and what must be true of it."""

import math
from dataclasses import dataclass, field

from aegan_monitor.messages.command_payloads import Result
from aegan_monitor.messages.payloads import Alarm, Event
from aegan_monitor.outbox.backoff import LONGEST_RETRIAL_S

BEGINS, ENDS = frozenset({"raised"}), frozenset({"cleared", "closed"})


@dataclass(slots=True)
class Received:
    """What came from one machine.

    Attributes:
        last: Number of its last event.
        restarts_at: A number that may come again, because a kill met a disk that could not be written; 0: none.
        is_active: Whether its alarm is active by its events; None: not known.
        is_shown: Whether it is active by its retained state.
        events: By id.
        unnamed: Id of an event that a state has named, and that has not come.
    """

    last: int = 0
    restarts_at: int = 0
    is_active: bool | None = False
    is_shown: bool = False
    events: dict[str, Event] = field(default_factory=dict)
    unnamed: str | None = None


class Witness:
    """A subscriber that is never away.

    Attributes:
        machines: By name.
        answers: Results by the id of their command.
        may_overtake: The broker refuses events, or the daemon has not tried them again: a state may come before its event, or late.
    """

    def __init__(self) -> None:
        self.machines: dict[str, Received] = {}
        self.answers: dict[str | None, Result] = {}
        self._refused_s, self.may_overtake = -math.inf, False

    def of(self, machine: str) -> Received:
        """What came from a machine."""
        return self.machines.setdefault(machine, Received())

    def hear(self, topic: str, payload: bytes) -> Event | None:
        """Check a message; returns it if it is an event that did not come before."""
        _, _, machine, *rest = topic.split("/")
        kind = rest[-1] if rest else machine
        if kind == "event":
            return self._hear_event(machine, Event.model_validate_json(payload))
        if kind == "alarm" and payload:
            self._hear_state(machine, Alarm.model_validate_json(payload))
        if kind == "result":
            result = Result.model_validate_json(payload)
            self.answers[result.id] = result
        return None

    def look_at_refusals(self, now_s: float, *, is_refusing: bool) -> None:
        """While the broker refuses events, and until the daemon has tried them again, states may overtake them."""
        self._refused_s = now_s if is_refusing else self._refused_s
        self.may_overtake = now_s < self._refused_s + 2 * LONGEST_RETRIAL_S

    def restart(self, machine: str, stored: int, *, has_lost: bool) -> None:
        """The daemon starts, and goes on from event number `stored`; `has_lost`: the run before could not write what it sent."""
        received = self.of(machine)
        if has_lost:
            received.is_active = None
            if stored < received.last or received.restarts_at:
                received.restarts_at = min(stored + 1, received.restarts_at or stored + 1)
        is_known = stored >= received.last or received.restarts_at
        assert is_known, f"{machine}: event {received.last} was sent, the record on the disk knows {stored}"

    def _hear_event(self, machine: str, event: Event) -> Event | None:
        received = self.of(machine)
        if (before := received.events.get(event.id)) is not None:
            assert before == event, f"{machine}: event {event.id} came again with another content"
            return None
        expected = {received.last + 1, received.restarts_at or received.last + 1}
        assert event.sequence in expected, f"{machine}: expected event number {received.last + 1}, found {event.sequence} ({event.kind})"
        if received.is_active is not None:
            if event.kind in BEGINS:
                assert not received.is_active, f"{machine}: event {event.sequence}: raised twice"
            if event.kind in ENDS:
                assert received.is_active, f"{machine}: event {event.sequence}: {event.kind}, but no alarm is active"
        if event.sequence >= received.restarts_at:
            received.restarts_at = 0
        received.last, received.is_active = event.sequence, event.active
        received.events[event.id] = event
        if received.unnamed == event.id:
            received.unnamed = None
        return event

    def _hear_state(self, machine: str, state: Alarm) -> None:
        received = self.of(machine)
        event = received.events.get(state.event_id or "")
        received.is_shown = state.active
        if state.event_id is None:
            assert not state.active, f"{machine}: an active alarm without an event"
        elif event is None:
            assert self.may_overtake, f"{machine}: a state names event {state.event_id}, which has not come"
            received.unnamed = state.event_id
        else:
            assert state.active == event.active, f"{machine}: the state has active {state.active}, its event {event.sequence} not"
            received.unnamed = None
