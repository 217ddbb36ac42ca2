"""What a machine leaves behind that is not in the configuration any more."""

from datetime import UTC, datetime, timedelta

import pytest

from aegan_monitor.config.model import MonitorConfig
from aegan_monitor.messages.payloads import Event, EventKind
from aegan_monitor.messages.topics import Topics
from aegan_monitor.outbox.outbox import Outbox
from aegan_monitor.service.retained_sync import end_departed
from published import checked

NOW = datetime(2026, 1, 2, tzinfo=UTC)
TOPICS = Topics("aegan", "hall")
CONFIG = MonitorConfig.model_validate({"node": "hall", "machines": [{"name": "pump", "bundle": "b"}]})
ACTIVE = "restarted: the monitor has started anew, and nothing is known of the alarm that was active before"
SHELVED = "restarted: the monitor has started anew, and nothing is known of the alarm that was shelved before"


def tell(topics: Topics, machine: str, kind: EventKind, *, active: bool) -> list[Event]:
    """What a start says when this was the last event of a machine."""
    outbox = Outbox()
    event = Event(
        id="a",
        sequence=7,
        kind=kind,
        active=active,
        time=NOW - timedelta(hours=1),
        sample=1,
        cause="c",
        score_id="D_maha",
        score=2.0,
        threshold=1.0,
        duration_s=None,
    )
    outbox.restore([], {topics.name("event", machine): topics.message(event, machine).payload})
    end_departed(CONFIG, TOPICS, outbox, NOW, lambda: "b")
    messages = outbox.pending()
    assert all(message.topic == TOPICS.name("event", machine) for message in messages)
    end_departed(CONFIG, TOPICS, outbox, NOW, lambda: "c")
    assert outbox.pending() == messages  # the next start has nothing to add
    events = [Event.model_validate_json(message.payload) for message in messages]
    checked(events)
    return events


@pytest.mark.parametrize(
    ("kind", "active", "told"), [("raised", True, ("cleared", ACTIVE, 3600.0)), ("shelved", False, ("unshelved", SHELVED, None))]
)
def test_the_alarm_of_one_that_is_gone_ends(kind: EventKind, active: bool, told: tuple[str, str, float | None]) -> None:
    """Its numbers go on, by the score that decided."""
    [event] = tell(TOPICS, "fan", kind, active=active)
    assert (event.kind, event.cause, event.duration_s) == told
    assert (event.id, event.sequence, event.active, event.score_id) == ("b", 8, False, "D_maha")


@pytest.mark.parametrize(
    ("topics", "machine", "kind", "active"),
    [(TOPICS, "fan", "cleared", False), (TOPICS, "pump", "raised", True), (Topics("aegan", "yard"), "fan", "raised", True)],
    ids=["cleared", "here", "elsewhere"],
)
def test_nothing_is_told_of_the_others(topics: Topics, machine: str, kind: EventKind, active: bool) -> None:
    """Of one whose alarm has ended, of one that is configured, of one of another node."""
    assert tell(topics, machine, kind, active=active) == []
