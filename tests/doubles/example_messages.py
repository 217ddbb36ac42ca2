"""Payloads of a machine `pump` on node `hall`, and the events that a subscriber receives."""

from datetime import UTC, datetime
from typing import Any

from aegan_monitor.messages.machine_health import MachineHealth
from aegan_monitor.messages.model import Payload
from aegan_monitor.messages.payloads import Alarm, Event, Health, Score, Sensor
from aegan_monitor.messages.topics import Topics
from aegan_monitor.outbox.outbox import Outbox
from broker import Subscriber

TIME = datetime(2026, 1, 31, 8, 15, tzinfo=UTC)
TOPICS = Topics("aegan", "hall")
STATUS, EVENT_TOPIC = "aegan/hall/status", "aegan/hall/pump/event"


def put(outbox: Outbox, payload: Payload, machine: str | None = "pump") -> None:
    """Put a payload as the worker does."""
    outbox.put(TOPICS.message(payload, machine))


def make_event(sequence: int) -> Event:
    """An event with this number."""
    numbers: dict[str, Any] = {"sample": 16_000 * sequence, "score": 1.5, "threshold": 1.0, "duration_s": None}
    return Event(id=f"id-{sequence}", sequence=sequence, kind="raised", active=True, time=TIME, cause="too loud", score_id="z", **numbers)


def make_alarm(active: bool) -> Alarm:
    """An alarm state."""
    return Alarm(state="alarm" if active else "normal", active=active, since=TIME, score=1.5, threshold=1.0, event_id=None)


def make_score(score: float) -> Score:
    """A score."""
    rest: dict[str, Any] = {"normalised": 0.0, "threshold": 1.0, "exceeded": False, "level_dbfs": -30.0, "state": "normal"}
    return Score(time=TIME, sample=16_000, stream_s=1.0, score_id="z", score=score, **rest)


def make_health() -> Health:
    """A health message."""
    machine = MachineHealth(state="normal", sensor="ok", coverage_percent=100.0, dropped_samples_total=0, gaps_total=0)
    counts = {"outbox_depth": 0, "outbox_dropped_total": 0, "refused_total": 0, "rss_bytes": 1}
    rest: dict[str, Any] = {"version": "0", "uptime_s": 1.0, "provider": "cpu", "providers_requested": ("cpu",), **counts}
    return Health(time=TIME, machines={"pump": machine}, **rest)


def make_sensor(state: str) -> Sensor:
    """A sensor state."""
    return Sensor(state=state, detail="", since=TIME)


def sequences(subscriber: Subscriber) -> list[int]:
    """The numbers of the received events."""
    return [message.json()["sequence"] for message in subscriber.received(EVENT_TOPIC)]
