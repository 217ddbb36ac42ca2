"""Events and states of an alarm: what it publishes for decisions and commands, and in which order."""

import pytest

from aegan_monitor.alarm.events import make_event, remove
from aegan_monitor.alarm.lifecycle import MAX_EVENT_IDS, AlarmRecord, Transition, take
from story import HOP_S, NOW, Story


@pytest.fixture
def active() -> Story:
    """An alarm that has been active for two hops."""
    story = Story()
    story.decide(True)
    [raised] = story.events()
    assert (raised.kind, raised.active, raised.duration_s, raised.sequence) == ("raised", True, None, 1)
    assert raised.cause.startswith("no band stands out; ")
    story.decide(True, True)
    return story


def test_an_acknowledged_alarm_says_so_until_it_is_cleared(active: Story) -> None:
    """An acknowledged alarm keeps user and comment until it is cleared; the next alarm starts without them."""
    assert active.say("acknowledge", by="Anna", reason="the bearing\nis ordered") == ""
    [event] = active.events()
    assert (event.kind, event.active, event.cause, event.duration_s) == ("acknowledged", True, "by Anna: the bearing is ordered", None)
    assert (active.state.acknowledged, active.state.state, active.state.alarm_id) == (True, "alarm", "id-0")
    active.decide(False)
    [event] = active.events()
    assert (event.kind, event.active) == ("cleared", False)
    assert event.duration_s == pytest.approx(3 * HOP_S)
    assert (active.state.acknowledged, active.state.alarm_id) == (False, None)
    active.decide(True)
    assert active.kinds() == ["raised"]
    assert not active.state.acknowledged


def test_to_acknowledge_twice_is_one_event(active: Story) -> None:
    """A second acknowledgement of the same alarm publishes no second event."""
    assert [active.say("acknowledge"), active.say("acknowledge")] == ["", ""]
    assert (active.kinds(), active.state.acknowledged) == (["acknowledged"], True)


def test_an_event_id_acknowledges_its_alarm_alone(active: Story) -> None:
    """The id of any event of an alarm acknowledges that alarm, but not a later one."""
    assert active.say("acknowledge", event_id="id-0") == ""
    assert active.state.event_id == "id-1"
    assert [active.say("acknowledge", event_id=event_id) for event_id in ("id-1", "id-0")] == ["", ""]
    active.decide(False)
    assert active.say("acknowledge", event_id="id-0") == "no alarm is active"
    active.decide(True)
    assert active.kinds() == ["acknowledged", "cleared", "raised"]
    for stale in ("id-0", "id-1", "id-2", "no such event", ""):
        assert active.say("acknowledge", event_id=stale) == "another alarm is active: event_id id-3"
    assert (active.kinds(), active.say("acknowledge"), active.kinds()) == ([], "", ["acknowledged"])


def test_an_alarm_can_be_closed(active: Story) -> None:
    """Closing publishes a `closed` event with the comment; a machine that is still faulty raises a new alarm."""
    assert active.say("close", by="Anna", reason="false alarm", event_id="id-0") == ""
    [event] = active.events()
    assert (event.kind, event.active, event.cause) == ("closed", False, "by Anna: false alarm")
    assert event.duration_s == pytest.approx(2 * HOP_S)
    assert (active.state.state, active.state.active) == ("normal", False)
    assert active.say("close") == "no alarm is active"
    active.decide(True)
    assert (active.kinds(), active.state.alarm_id) == (["raised"], "id-2")


def test_a_shelf_suppresses_an_alarm_and_forgets_nothing(active: Story) -> None:
    """While shelved the process state continues; when the shelf ends the same alarm is active again, still acknowledged."""
    active.say("acknowledge")
    active.events()
    assert active.say("shelve", duration_s=4, by="Anna") == ""
    [event] = active.events()
    assert (event.kind, event.active, event.cause, event.duration_s) == ("shelved", False, "for 4 s by Anna", None)
    assert (active.state.state, active.state.acknowledged, active.state.alarm_id) == ("alarm", True, "id-0")
    assert active.say("acknowledge") == "the alarm is shelved: none is active"
    active.decide(True, True, True)
    assert active.kinds() == []
    active.decide(True)
    [event] = active.events()
    assert (event.kind, event.active, event.cause) == ("unshelved", True, "the time of the shelf is over")
    assert (active.state.active, active.state.acknowledged, active.state.alarm_id) == (True, True, "id-0")
    assert active.state.shelved_until is None
    active.decide(False)
    assert active.kinds() == ["cleared"]


def test_an_alarm_that_comes_under_a_shelf_is_raised_by_the_first_decision_after_it() -> None:
    """A fault that begins while shelved is raised with a new id after the shelf; a machine that is normal by then raises nothing."""
    for exceeded, kinds in ((True, ["shelved", "unshelved", "raised"]), (False, ["shelved", "unshelved"])):
        story = Story()
        story.say("shelve")
        story.decide(True, True)
        assert (story.state.state, story.state.active, story.state.alarm_id) == ("alarm", False, None)
        story.say("unshelve")
        story.wait(500)
        assert (story.state.state, story.state.active) == ("alarm", False)
        story.decide(exceeded)
        assert story.kinds() == kinds
        assert (story.state.active, story.state.alarm_id) == ((True, "id-2") if exceeded else (False, None))


def test_an_alarm_that_ends_under_a_shelf_ends_in_silence(active: Story) -> None:
    """An alarm that ends while shelved publishes no `cleared`; the end of the shelf says that no alarm is active."""
    active.say("shelve")
    active.decide(False)
    active.say("unshelve", by="Bert")
    events = active.events()
    assert [(event.kind, event.active) for event in events] == [("shelved", False), ("unshelved", False)]
    assert (events[0].cause, events[1].cause) == ("for 3600 s by command", "by Bert")
    assert (active.state.state, active.state.acknowledged) == ("normal", False)


def test_to_shelve_again_sets_another_end() -> None:
    """Shelving again moves the end of the shelf forward or back, with one event each time."""
    story = Story()
    story.say("shelve", duration_s=100)
    story.say("shelve", duration_s=2)
    assert story.kinds() == ["shelved", "shelved"]
    story.wait(2)
    assert story.kinds() == ["unshelved"]


def test_a_jump_in_the_sample_count_ends_no_shelf() -> None:
    """A shelf is timed by the clock, so a jump of the sample count after a device reopens does not end it."""
    story = Story()
    story.say("shelve", duration_s=10)
    story.decide(False, after_gap=True)
    assert story.kinds() == ["shelved"]
    story.wait(9)
    assert story.kinds() == ["unshelved"]


def test_an_alarm_that_is_clearing_after_its_shelf_is_raised_if_it_comes_back() -> None:
    """An alarm that began while shelved was never published, so it is raised when its score exceeds the threshold again."""
    story = Story(off_hops=10)
    story.say("shelve", duration_s=3)
    story.decide(True, False, False)
    assert (story.kinds(), story.state.state) == (["shelved", "unshelved"], "clearing")
    story.decide(True)
    assert story.kinds() == ["raised"]
    story.decide(*[False] * 12)
    assert story.kinds() == ["cleared"]


def test_the_ids_of_an_alarm_are_bounded() -> None:
    """An alarm keeps a bounded number of event ids: its `raised` event and the newest ones."""
    record = AlarmRecord(process="alarm", announced=True, event_ids=("raised",))
    for number in range(100):
        step = take(record, "shelve", NOW)
        assert step is not None
        _, record = make_event(step, "", NOW, new_id=lambda number=number: f"id-{number}")  # type: ignore[misc]
    assert record.event_ids == ("raised", *(f"id-{number}" for number in range(101 - MAX_EVENT_IDS, 100)))


def test_a_transition_without_an_event_makes_none() -> None:
    """Making an event from a transition that has none is a programming error."""
    with pytest.raises(ValueError, match="normal to pending"):
        make_event(Transition(AlarmRecord(), AlarmRecord(process="pending"), None), "", NOW, new_id=str)


@pytest.mark.parametrize(
    ("record", "kinds"),
    [
        (AlarmRecord(process="clearing", announced=True, raised_at=NOW, event_ids=("a",)), ["removed"]),
        (AlarmRecord(shelved=True), ["removed"]),
        (AlarmRecord(process="alarm", announced=True, shelved=True, event_ids=("a",)), ["removed"]),
        (AlarmRecord(process="pending"), []),
        (AlarmRecord(), []),
    ],
)
def test_a_machine_that_has_left_ends_its_alarm_and_its_shelf(record: AlarmRecord, kinds: list[str]) -> None:
    """A machine removed from the configuration ends alarm and shelf with a `removed` event; numbering continues."""
    after, events = remove(record, NOW, lambda: "id")
    assert [event.kind for event in events] == kinds
    assert (after.process, after.announced, after.shelved, after.sequence) == ("normal", False, False, len(kinds))
    assert remove(after, NOW, lambda: "id")[1] == []


def test_an_event_keeps_what_the_judge_counts(active: Story) -> None:
    """The record after an event has the memory and the counts that its decision left."""
    assert active.machine.record.n_raised == 1
    assert active.machine.record.memory == active.machine._judge.policy.memory
    active.decide(False, True)
    assert active.machine.record.n_raised == 2


def test_a_change_that_does_not_last_is_no_alarm() -> None:
    """What was pending and is normal again does not count among the alarms."""
    story = Story(on_hops=2)
    story.decide(True, False)
    assert story.machine.record.n_raised == 0
