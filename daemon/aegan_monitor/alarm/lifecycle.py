"""Life cycle of one alarm: process state x acknowledged x shelved x out of service, as one table. Pure.

Words: ANSI/ISA-18.2, Management of Alarm Systems for the Process Industries. A person acknowledges an alarm, shelves it
(suppresses it for a time), or takes it out of service (suppresses it until a person ends that). A latched alarm that has cleared
stays until a person acknowledges it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Literal, NamedTuple, TypeAlias

from aegan_monitor.messages.case import Case
from aegan_monitor.messages.model import AlarmState
from aegan_monitor.messages.payloads import EventKind, IsaState

Signal: TypeAlias = Literal[
    "exceeded",
    "within",
    "elapsed",
    "acknowledge",
    "amend",  # a verdict on an alarm that is acknowledged already
    "shelve",
    "unshelve",
    "out_of_service",
    "in_service",
    "close",
    "supersede",
    "remove",
]
Flag: TypeAlias = Literal["announced", "acknowledged", "shelved", "out_of_service", "latched", "case_over"]
EPOCH = datetime.fromtimestamp(0, UTC)
MAX_EVENT_IDS = 16  # of one alarm: its `raised`, and the newest of the others


@dataclass(frozen=True, slots=True)
class AlarmRecord:
    """All that is known of one machine's alarm. It survives restart, reload and reboot: the outbox's store holds it as JSON.

    Attributes:
        process: State of the process, whatever people do.
        announced: An event `raised` was published for the present alarm. One that comes under a shelf is not announced.
        acknowledged: A person has acknowledged the present alarm; a shelf does not change that.
        latched: A setting: an alarm that has cleared stays announced until a person acknowledges it.
        since: When the process state began.
        began_at: When the process was last normal; None if it is.
        delay_samples: Heard samples of the on-delay or off-delay that runs; 0 if none runs.
        memory: Of the policy (`Policy.memory`).
        normal_s: Sound that was judged while no alarm was active, since the basis last changed.
        n_raised: Alarms since then.
        event_ids: Events of the present alarm; the first is its `raised` and names the alarm.
        shelved_until: End of the shelf by the wall clock, for people and for a restart.
        shelf_left_s: What was left of the shelf when the record was stored; see `shelf_left_s`.
        sequence, event_id: Number and id of the last event.
        score, threshold, measured_at: Of the last decision.
        basis: What judges: digest of the bundle, score and alarm settings. Empty if unknown.
        case: The last case. It is open while the alarm is announced.
        case_over: An alarm that comes now opens another case.
        quiet_samples: Heard samples in the process state normal since the last `raised` of the case.
    """

    process: AlarmState = "normal"
    announced: bool = False
    acknowledged: bool = False
    shelved: bool = False
    out_of_service: bool = False
    latched: bool = False
    since: datetime = EPOCH
    began_at: datetime | None = None
    delay_samples: int = 0
    memory: tuple[float, ...] = ()
    normal_s: float = 0.0
    n_raised: int = 0
    raised_at: datetime | None = None
    event_ids: tuple[str, ...] = ()
    shelved_until: datetime | None = None
    shelf_left_s: float = 0.0
    sequence: int = 0
    event_id: str | None = None
    score: float = 0.0
    threshold: float = 0.0
    measured_at: datetime | None = None
    basis: str = ""
    case: Case | None = None
    case_over: bool = False
    quiet_samples: int = 0

    @property
    def active(self) -> bool:
        """The alarm is announced, not shelved and not out of service."""
        return self.announced and not self.shelved and not self.out_of_service


@dataclass(frozen=True, slots=True)
class Rule:
    """One row of the table: what a signal does in some states.

    Attributes:
        process: Where the rule holds.
        to: The process state afterwards; None keeps it.
        when: Flags that must have these values.
        sets: Flags that get these values.
    """

    signal: Signal
    process: frozenset[AlarmState]
    to: AlarmState | None = None
    when: Mapping[Flag, bool] = field(default_factory=dict)
    sets: Mapping[Flag, bool] = field(default_factory=dict)
    event: EventKind | None = None


class Transition(NamedTuple):
    """A record before and after a signal, and the event to publish."""

    before: AlarmRecord
    after: AlarmRecord
    event: EventKind | None


NORMAL, PENDING, ALARM, CLEARING = (frozenset[AlarmState]({state}) for state in ("normal", "pending", "alarm", "clearing"))
IN_ALARM = ALARM | CLEARING
ANY = NORMAL | PENDING | IN_ALARM
IN_SERVICE: Mapping[Flag, bool] = {"shelved": False, "out_of_service": False}
ACTIVE: Mapping[Flag, bool] = {"announced": True, **IN_SERVICE}
UNANNOUNCED: Mapping[Flag, bool] = {"announced": False, **IN_SERVICE}
LATCHED: Mapping[Flag, bool] = {"announced": True, "acknowledged": False, "latched": True}
ENDED: Mapping[Flag, bool] = {"announced": False, "acknowledged": False}
OVER: Mapping[Flag, bool] = {**ENDED, "case_over": True}
GONE: Mapping[Flag, bool] = {**OVER, **IN_SERVICE}

TABLE: tuple[Rule, ...] = (  # the first rule that fits holds; a signal without one changes nothing
    Rule("exceeded", NORMAL, "pending"),
    Rule("within", PENDING, "normal"),
    Rule("elapsed", PENDING, "alarm", IN_SERVICE, {"announced": True}, "raised"),  # the on-delay
    Rule("elapsed", PENDING, "alarm"),
    Rule("within", ALARM, "clearing"),
    Rule("exceeded", IN_ALARM, "alarm", UNANNOUNCED, {"announced": True}, "raised"),  # it came while suppressed, which has ended
    Rule("exceeded", CLEARING, "alarm"),
    Rule("elapsed", CLEARING, "normal", {**LATCHED, **IN_SERVICE}, {}, "cleared"),  # it waits for a person
    Rule("elapsed", CLEARING, "normal", LATCHED),
    Rule("elapsed", CLEARING, "normal", ACTIVE, ENDED, "cleared"),  # the off-delay
    Rule("elapsed", CLEARING, "normal", {}, ENDED),
    Rule("acknowledge", IN_ALARM, None, {**ACTIVE, "acknowledged": False}, {"acknowledged": True}, "acknowledged"),
    Rule("acknowledge", NORMAL | PENDING, None, ACTIVE, ENDED, "acknowledged"),  # of a latched alarm: it ends
    Rule("amend", IN_ALARM, None, {**ACTIVE, "acknowledged": True}, {}, "acknowledged"),
    Rule("shelve", ANY, None, {}, {"shelved": True}, "shelved"),
    Rule("unshelve", ANY, None, {"shelved": True}, {"shelved": False}, "unshelved"),
    Rule("out_of_service", ANY, None, {"out_of_service": False}, {"out_of_service": True}, "out_of_service"),
    Rule("in_service", ANY, None, {"out_of_service": True}, {"out_of_service": False}, "in_service"),
    Rule("close", ANY, "normal", ACTIVE, OVER, "closed"),
    Rule("supersede", ANY, "normal", {"announced": True}, OVER, "superseded"),
    Rule("supersede", ANY, "normal", {}, OVER),
    Rule("remove", ANY, "normal", {"announced": True}, GONE, "removed"),
    Rule("remove", ANY, "normal", {"shelved": True}, GONE, "removed"),
    Rule("remove", ANY, "normal", {"out_of_service": True}, GONE, "removed"),
    Rule("remove", ANY, "normal", {}, OVER),
)

ISA_STATES: tuple[tuple[IsaState, frozenset[AlarmState], Mapping[Flag, bool]], ...] = (  # the first that fits holds
    ("out_of_service", ANY, {"out_of_service": True}),
    ("shelved", ANY, {"shelved": True}),
    ("active_acknowledged", IN_ALARM, {"announced": True, "acknowledged": True}),
    ("active_unacknowledged", IN_ALARM, {"announced": True}),
    ("cleared_unacknowledged", ANY, {"announced": True}),
    ("normal", NORMAL, {}),
    ("pending", ANY, {}),
)


def find_isa_state(record: AlarmRecord) -> IsaState:
    """The state in the words of ISA-18.2. A suppressed alarm is `shelved` or `out_of_service`, whatever the process does."""
    return next(state for state, process, when in ISA_STATES if record.process in process and _has(record, when))


def take(record: AlarmRecord, signal: Signal, time: datetime) -> Transition | None:
    """Apply a signal at a wall time; None if it changes nothing."""
    for rule in TABLE:
        if rule.signal == signal and record.process in rule.process and _has(record, rule.when):
            after = replace(record, **rule.sets)  # type: ignore[arg-type] # mypy does not read the keys of a mapping
            if rule.to not in (None, record.process):
                began_at = None if rule.to == "normal" else record.began_at or (time if record.process == "normal" else record.since)
                after = replace(after, process=rule.to or record.process, since=time, began_at=began_at, delay_samples=0)
            if rule.event == "raised":
                after = replace(after, raised_at=time, event_ids=())
            if not after.announced:
                after = replace(after, raised_at=None, event_ids=())
            if not after.shelved:
                after = replace(after, shelved_until=None, shelf_left_s=0.0)
            return Transition(record, after, rule.event)
    return None


def refusal(record: AlarmRecord, signal: Signal, event_id: str | None = None) -> str:
    """The reason to refuse a command now; empty if it is accepted. `event_id` selects the alarm by one of its events."""
    if signal == "unshelve" and not record.shelved:
        return "the alarm is not shelved"
    if signal == "in_service" and not record.out_of_service:
        return "the alarm is not out of service"
    if signal in ("acknowledge", "close"):
        if not record.active:
            suppressed = "out of service" if record.out_of_service else "shelved" if record.shelved else ""
            return f"the alarm is {suppressed}: none is active" if suppressed else "no alarm is active"
        if event_id is not None and event_id not in record.event_ids:
            return f"another alarm is active: event_id {record.event_ids[0]}"
    return ""


def _has(record: AlarmRecord, flags: Mapping[Flag, bool]) -> bool:
    return all(getattr(record, flag) == on for flag, on in flags.items())


def advance(
    record: AlarmRecord, exceeded: bool, has_elapsed: Callable[[bool, int], bool], heard_samples: int, time: datetime
) -> list[Transition]:
    """Apply one decision; the transitions that follow, in order. The last one's `after` is the new record, also if only a delay ran.

    Args:
        record: The alarm before the decision.
        exceeded: The decision speaks for an alarm.
        has_elapsed: `Policy.has_elapsed`.
        heard_samples: The new sound since the decision before, at most one decision hop; the first decision after a gap brings one hop.
            A delay counts heard sound, so a gap pauses it.
        time: Wall time of the decision.
    """
    first = take(record, "exceeded" if exceeded else "within", time)
    found = [first] if first else []
    now = first.after if first else record
    if now.process not in PENDING | CLEARING:
        return found
    if now.process == record.process:
        now = replace(now, delay_samples=now.delay_samples + heard_samples)
        found.append(Transition(record, now, None))
    if has_elapsed(now.process in CLEARING, now.delay_samples) and (last := take(now, "elapsed", time)):
        found.append(last)
    return found


def shelf_left_s(record: AlarmRecord, now: datetime, *, is_clock_set: bool) -> float:
    """Seconds that are left of a shelf when a record is read again.

    The boot clock times a shelf while the daemon runs; a reboot sets it to zero. So the record has two figures: the end by the
    wall clock, and what was left when it was stored. The smaller one holds: a clock that was set back does not make a shelf longer.
    While the wall clock is not set, only the second is known: the time between two starts then does not count.
    """
    if record.shelved_until is None or not is_clock_set:
        return record.shelf_left_s
    return max(0.0, min(record.shelf_left_s, (record.shelved_until - now).total_seconds()))
