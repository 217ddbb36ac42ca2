"""What a start makes of the last event in the outbox."""

import pytest

from aegan_monitor.alarm.last_event import LastEvent, LastEvents, merge_last_events, read_last_event
from example_event import EVENT, TIME


def test_the_last_event_is_read_whatever_else_it_says() -> None:
    """A start needs number, kind, time and id of any version; what says less is no event."""
    read = read_last_event(EVENT.model_dump_json().encode())
    assert read == LastEvent(id=EVENT.id, sequence=3, kind="cleared", time=TIME, score_id=EVENT.score_id, active=False)
    assert (
        read_last_event(b'{"schema":"aegan.event/2","id":"x","sequence":7,"kind":"new","time":"2026-01-31T08:15:00Z","more":1}') is not None
    )
    for payload in (None, b"", b"\xff", b"{}", b"[]", b'{"id":"x","sequence":-1,"kind":"raised","time":"2026-01-31T08:15:00Z"}'):
        assert read_last_event(payload) is None


@pytest.mark.parametrize(
    ("kind", "active", "left_active", "left_shelved"),
    [
        ("raised", None, True, False),  # as older versions tell it
        ("cleared", None, False, False),
        ("acknowledged", True, True, False),
        ("shelved", False, False, True),
        ("a later kind", True, True, False),
    ],
)
def test_a_start_knows_what_the_last_event_left(kind: str, active: bool | None, left_active: bool, left_shelved: bool) -> None:
    """Whether an alarm was active, and whether it was shelved."""
    last = LastEvent(id="x", sequence=7, kind=kind, time=TIME, active=active)
    assert (last.left_active, last.left_shelved) == (left_active, left_shelved)


def tell(sequence: int, kind: str) -> bytes:
    """The payload of an event; its id says which it is."""
    return (
        EVENT.model_copy(update={"id": f"{kind}-{sequence}", "sequence": sequence, "kind": kind, "active": kind == "raised"})
        .model_dump_json()
        .encode()
    )


@pytest.mark.parametrize(
    ("older", "newer", "chosen"),
    [
        ((57, "cleared"), (2, "cleared"), ("cleared-2", 57)),
        ((57, "cleared"), (60, "raised"), ("raised-60", 60)),
        ((57, "raised"), (2, "cleared"), ("raised-57", 57)),
        ((57, "shelved"), (60, "cleared"), ("shelved-57", 60)),
        ((57, "raised"), (3, "raised"), ("raised-3", 57)),
    ],
)
def test_of_two_runs_the_next_start_finds_number_and_what_is_open(
    older: tuple[int, str], newer: tuple[int, str], chosen: tuple[str, int]
) -> None:
    """The first was on a disk that came late: the second knew nothing of its numbers, and ended nothing of it."""
    found = read_last_event(merge_last_events(tell(*older), tell(*newer)))
    assert found is not None
    assert (found.id, found.sequence) == chosen
    for nothing in (b"", b"{}"):
        assert merge_last_events(nothing, tell(*newer)) == tell(*newer)


def test_whoever_asks_first_is_given_what_an_earlier_run_left() -> None:
    """In time or late, and nobody else; until then no event of this run hides it from the next."""
    early, late = LastEvents(), LastEvents()
    early.restore({"pump": tell(57, "raised")})
    late.put("pump", tell(3, "cleared"))
    assert late.untaken == []
    late.restore({"pump": tell(57, "raised"), "fan": tell(1, "cleared")})
    late.put("pump", tell(4, "cleared"))
    for found in (early, late):
        assert "pump" in found.untaken
        last = found.take("pump")
        assert last is not None
        assert (last.id, last.sequence) == ("raised-57", 57)
        assert "pump" not in found.untaken
        found.put("pump", tell(58, "cleared"))
        assert found.payloads(["pump"]) == {"pump": tell(58, "cleared")}
        assert found.take("saw") is None
    assert (late.untaken, set(late.payloads())) == (["fan"], {"fan", "pump"})
