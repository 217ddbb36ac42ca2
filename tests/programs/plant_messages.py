"""Messages of several nodes, as a broker delivers them to a command at a terminal."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from paho.mqtt.client import topic_matches_sub

from aegan_monitor.history.rows import HistoryCase, HistoryEvent
from aegan_monitor.messages.case import Case
from aegan_monitor.messages.machine_health import MachineHealth
from aegan_monitor.messages.model import Payload
from aegan_monitor.messages.payloads import Alarm, Score, Sensor
from aegan_monitor.tools.terminal.past import Past
from aegan_monitor.tools.terminal.plant import Plant
from example_messages import TIME, make_event, make_health, make_score, make_sensor

NOW = TIME + timedelta(minutes=7)
CAUSE = "4.47 to 4.90 kHz louder than ever, by 14 dB, 13 times the usual deviation; lasting; since 08:12 UTC"
CASE = Case(id="5b0b5f4c-0a5e-4c0e-9a55-3f4c57d35f0e", began_at=TIME - timedelta(minutes=3), cause=CAUSE, evidence=1.0)
YESTERDAY = datetime(2026, 1, 30, 20, 5, tzinfo=UTC)
OK = make_sensor("ok")


def make_alarm(state: str = "normal", **fields: Any) -> Alarm:
    """An alarm state."""
    given: dict[str, Any] = {"active": state == "alarm", "since": TIME, "score": 1.5, "threshold": 1.0, "event_id": None, **fields}
    return Alarm(state=state, **given)  # type: ignore[arg-type]


def make_scored(evidence: float | None, level_dbfs: float = -31.5) -> Score:
    """A score of a machine that runs."""
    return make_score(0.75).model_copy(update={"evidence": evidence, "level_dbfs": level_dbfs, "operating_state": "running"})


def make_machine_health(**fields: Any) -> MachineHealth:
    """Health of a machine with a budget."""
    rest = {"state": "normal", "sensor": "ok", "coverage_percent": 99.9, "dropped_samples_total": 0, "gaps_total": 0}
    return MachineHealth.model_validate({**rest, "designed_per_week": 1.0, "coverage_24h_percent": 99.94, **fields})


def messages() -> Iterator[tuple[str, bytes]]:
    """Two nodes that are online with machines in every state, and one that is offline."""
    health = {
        "pump": make_machine_health(proved_per_week=21.0, bundle_digest=8 * "8f3a61c0", bundle_created=YESTERDAY),
        "press": make_machine_health(coverage_24h_percent=100.0),
        "fan": make_machine_health(designed_per_week=None),
    }
    yield "aegan/hall/status", b"online"
    yield from _each("aegan/hall", None, make_health().model_copy(update={"machines": health}))
    yield from _each("aegan/hall", "pump", make_alarm(), OK, make_scored(0.12))
    yield from _each("aegan/hall", "press", make_alarm("alarm", case=CASE), OK, make_scored(1.0, -28.0))
    missing = Sensor(state="missing", detail="no such device: mic; list them with aegan-monitor devices", since=TIME)
    yield from _each("aegan/hall", "fan", make_alarm(confirmed=False), missing)
    yield "aegan/mill/status", b"online"
    seen = {"acknowledged": True, "case": CASE.model_copy(update={"began_at": YESTERDAY, "verdict": "true_fault", "recurrences": 1})}
    yield from _each("aegan/mill", "gear", make_alarm("alarm", **seen), OK, make_scored(None))
    yield from _each("aegan/mill", "saw", make_alarm("alarm", active=False, shelved_until=TIME + timedelta(hours=1)), OK)
    yield from _each("aegan/mill", "mixer", make_alarm(out_of_service=True), make_sensor("silent"))
    yield "aegan/yard/status", b"offline"
    yield from _each("aegan/yard", "crane", make_alarm(), OK)


def make_plant(topic: str = "aegan/+") -> Plant:
    """What is known after all of them that match the filter."""
    plant = Plant(topic)
    for name, payload in messages():
        if topic_matches_sub(f"{topic}/#", name):
            plant.take(name, payload)
    return plant


def make_past() -> Past:
    """A case that ended yesterday, with its events, and the open one of the press."""
    ended = HistoryCase(
        **CASE.model_dump(include={"severity", "cause", "evidence", "common"}),
        id="4f2b4d1e-1111-4222-8333-444455556666", machine="pump", began_at=YESTERDAY, ended_at=YESTERDAY + timedelta(minutes=9),
        explanation=None, n_recurrences=0, verdict="true_fault", comment="a loose belt", marked_by="Anna", seen=True,
    )  # fmt: skip
    pressed = ended.model_copy(update={"id": CASE.id, "machine": "press", "began_at": CASE.began_at, "ended_at": None, "verdict": None})
    rest: dict[str, Any] = {"machine": "pump", "source": "alarm", "by": "", "case_id": ended.id}
    events = [
        HistoryEvent(number=number, time=YESTERDAY + timedelta(minutes=number), kind=kind, text=text, **rest)
        for number, kind, text in ((9, "cleared", "the sound is normal again"), (4, "acknowledged", "by Anna"), (1, "raised", CAUSE))
    ]
    return Past("hall", [pressed, ended], events)


def raised() -> bytes:
    """An event."""
    return make_event(7).model_copy(update={"cause": CAUSE}).model_dump_json().encode()


def _each(node: str, machine: str | None, *payloads: Payload) -> Iterator[tuple[str, bytes]]:
    for payload in payloads:
        place = node if machine is None else f"{node}/{machine}"
        yield f"{place}/{payload.KIND}", payload.model_dump_json().encode()
