"""A common cause of several machines' alarms: which alarms share a case, and what they publish."""

from datetime import UTC, datetime, timedelta

import pytest

from aegan_monitor.alarm.common_cause import CommonCause
from aegan_monitor.alarm.lifecycle import AlarmRecord
from aegan_monitor.messages.payloads import Event
from story import Story

NOW = datetime(2026, 1, 31, 8, 15, tzinfo=UTC)


def after(seconds: float) -> datetime:
    """A time so long after the first alarm."""
    return NOW + timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("machine", "after_s", "case"),
    [("fan", 0, "a"), ("fan", 15, "a"), ("fan", 15.1, None), ("fan", -15, "a"), ("fan", -16, None), ("pump", 1, None)],
)
def test_an_alarm_joins_the_first_one_within_the_window(machine: str, after_s: float, case: str | None) -> None:
    """The sound of the first alarm may be the later one; a machine does not join itself."""
    common = CommonCause(15.0)
    assert common.find("pump", NOW) is None
    common.note("pump", "a", NOW)
    assert common.find(machine, after(after_s)) == case


def test_the_window_begins_with_the_first_alarm() -> None:
    """Alarms that join do not make the window longer, and a window of 0 joins none."""
    common = CommonCause(15.0)
    common.note("pump", "a", NOW)
    assert [common.find("fan", after(10)), common.find("saw", after(20))] == ["a", None]
    common.window_s = 0.0
    assert common.find("fan", NOW) is None


def raise_alarms(*starts_s: float, common: CommonCause) -> tuple[list[Story], list[Event]]:
    """Machines that begin to sound wrong so long after the start, in this order, and their `raised` events."""
    stories, events = list[Story](), list[Event]()
    for start_s in starts_s:
        story = Story(recurrence_hops=10, name=f"machine-{len(stories)}", common=common)
        story.wait(start_s)
        story.decide(True)
        events += story.events()
        stories.append(story)
    return stories, events


def test_ten_machines_and_one_truck_are_one_case() -> None:
    """The first alarm is an alarm like any other, the others are of low severity; every alarm is active, with an event of its own."""
    stories, events = raise_alarms(*range(10), common=CommonCause(15.0))
    cases = [event.case for event in events if event.case]
    assert {case.id for case in cases} == {events[0].id}
    assert [(case.severity, case.common) for case in cases] == [("medium", False)] + [("low", True)] * 9
    assert all(event.kind == "raised" and event.active and event.sequence == 1 for event in events)
    assert len({event.id for event in events}) == 10
    assert all(story.state.active and story.state.alarm_id == event.id for story, event in zip(stories, events, strict=True))


def test_machines_that_alarm_apart_have_a_case_each() -> None:
    """Outside of the window each case is its machine's own."""
    _, events = raise_alarms(0, 20, 40, common=CommonCause(15.0))
    assert [(event.case and event.case.id, event.case and event.case.severity) for event in events] == [
        (event.id, "medium") for event in events
    ]


def test_a_joined_alarm_lives_for_itself() -> None:
    """It is acknowledged, cleared and kept over a restart under the common case; later, alone, it comes back with medium severity."""
    (first, second), [raised, joined] = raise_alarms(0, 1, common=CommonCause(15.0))
    assert second.say("acknowledge", event_id=joined.id) == ""
    second.start()
    first.decide(False)
    assert (first.state.active, second.state.active, second.state.acknowledged) == (False, True, True)
    second.decide(False)
    second.wait(100.0)
    second.decide(True)
    [acknowledged, cleared, again] = second.events()
    assert {event.case and event.case.id for event in (acknowledged, cleared, again)} == {raised.id}
    assert again.case
    assert (again.case.recurrences, again.case.severity, again.case.common) == (1, "medium", False)


def test_a_machine_with_an_open_case_keeps_it() -> None:
    """An alarm that comes back while another machine alarms is still the case of its own machine."""
    common = CommonCause(15.0)
    (first,), [raised] = raise_alarms(0, common=common)
    first.decide(False)
    raise_alarms(2, common=common)
    common.note("another", "other", first.time)
    first.decide(True)
    *_, again = first.events()
    assert again.case
    assert (again.case.id, again.case.common, again.case.severity) == (raised.id, True, "medium")


def test_a_common_cause_is_forgotten_by_a_restart() -> None:
    """After a restart the first alarm has a case of its own."""
    story = Story(AlarmRecord(), common=CommonCause(15.0))
    story.decide(True)
    assert [event.case and event.case.id for event in story.events()] == [story.state.alarm_id]
