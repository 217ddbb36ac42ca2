"""What is published about an alarm, as decisions and commands come: events in one sequence, each before the state that names it."""

from datetime import UTC, datetime, timedelta

import pytest

from aegan_monitor.alarm.delays import Alarm
from aegan_monitor.alarm.events import Announcer
from aegan_monitor.alarm.last_event import LastEvent
from aegan_monitor.detection.policy import Decision
from aegan_monitor.messages import payloads
from aegan_monitor.messages.payloads import Command, CommandName
from published import checked

NOW = datetime(2026, 1, 31, 8, 15, tzinfo=UTC)
RATE_HZ = 100


class Story:
    """An alarm without on-delay, a decision a second; `told` is what was published since it was read last."""

    def __init__(self, last: LastEvent | None = None, off_delay_s: int = 0) -> None:
        ids = iter(f"id-{number}" for number in range(100))
        self.announcer = Announcer("z", RATE_HZ, lambda: next(ids))
        self.now_s = self.hear_s = 0
        self._alarm = Alarm(0, off_delay_s * RATE_HZ)
        self._told = checked(self.announcer.begin(NOW, last))

    def decide(self, exceeded: bool, after_s: int = 1) -> None:
        """The next decision, and the worker's look after it."""
        self.hear_s += after_s
        decision = Decision(2.5 if exceeded else 1.5, 0.0, 2.0, exceeded)
        found = self._alarm.update(exceeded, self._sample)
        self.now_s += after_s
        self._told += checked(self.announcer.follow(found, decision, self._sample, self._time))
        self.wait(0, is_heard=True)

    def wait(self, after_s: int, *, is_heard: bool) -> None:
        """Time that passes without a decision."""
        self.now_s += after_s
        self._told += checked(self.announcer.look(self._sample, self._time, self.now_s, is_heard=is_heard))

    def say(self, command: CommandName, *, is_heard: bool = True, **fields: float | str) -> str:
        """A command; why it was refused."""
        said = Command.model_validate({"command": command, **fields})
        if not (refusal := self.announcer.refusal(said)):
            self._told += checked(self.announcer.obey(said, self._sample, self._time, self.now_s, is_heard=is_heard))
        return refusal

    def tell(self, found: list[payloads.Payload]) -> None:
        """What is published beside."""
        self._told += checked(found)

    def events(self) -> list[tuple[str, bool, str, float | None]]:
        """What the events said; the state is as the last event has left it."""
        told = self.told()
        found = [payload for payload in told if isinstance(payload, payloads.Event)]
        state = told[-1]
        assert isinstance(state, payloads.Alarm)
        if found:
            assert (state.event_id, state.active) == (found[-1].id, found[-1].active)
        self.state = state
        return [(event.kind, event.active, event.cause, event.duration_s) for event in found]

    def told(self) -> list[payloads.Payload]:
        """Whatever was published."""
        told, self._told = self._told, []
        return told

    @property
    def _sample(self) -> int:
        return self.hear_s * RATE_HZ

    @property
    def _time(self) -> datetime:
        return NOW + timedelta(seconds=self.now_s)


@pytest.fixture
def active() -> Story:
    """An alarm that has been active for two seconds."""
    story = Story()
    story.decide(True)
    assert story.events() == [("raised", True, "z 2.5 is above its threshold 2", None)]
    story.decide(True)
    story.decide(True)
    return story


def test_an_acknowledged_alarm_says_so_until_it_is_cleared(active: Story) -> None:
    """By whom and why; the next alarm begins without."""
    assert active.say("acknowledge", by="Anna", reason="the bearing\nis ordered") == ""
    assert active.events() == [("acknowledged", True, "by Anna: the bearing is ordered", None)]
    assert (active.state.acknowledged, active.state.state, active.state.since) == (True, "alarm", NOW + timedelta(seconds=1))
    active.decide(False)
    assert active.events() == [("cleared", False, "z 1.5 is back below its threshold 2", 3.0)]
    assert not active.state.acknowledged
    active.decide(True)
    assert [event[0] for event in active.events()] == ["raised"]
    assert not active.state.acknowledged


def test_to_acknowledge_twice_is_one_event(active: Story) -> None:
    """A command may arrive twice."""
    assert active.say("acknowledge") == ""
    assert active.events() == [("acknowledged", True, "by command", None)]
    assert active.say("acknowledge") == ""
    assert (active.events(), active.state.acknowledged) == ([], True)


def test_whoever_names_an_event_acknowledges_its_alarm_alone(active: Story) -> None:
    """The one that was raised, or what its state told when it was acknowledged before; not one that came since."""
    assert active.say("acknowledge", event_id="id-0") == ""
    assert [event[0] for event in active.events()] == ["acknowledged"]
    assert active.state.event_id == "id-1"
    assert active.say("acknowledge", event_id="id-1") == ""
    assert active.say("acknowledge", event_id="id-0") == ""
    active.decide(False)
    assert active.say("acknowledge", event_id="id-0") == "no alarm is active"
    active.decide(True)
    assert [event[0] for event in active.events()] == ["cleared", "raised"]
    for stale in ("id-0", "id-1", "id-2", "no such event", ""):
        assert active.say("acknowledge", event_id=stale) == "another alarm is active: event_id id-3"
    assert (active.told(), active.say("acknowledge"), active.events()[0][0]) == ([], "", "acknowledged")


def test_an_alarm_that_comes_back_after_a_shelf_is_another(active: Story) -> None:
    """Whoever has seen the first may have gone home since."""
    active.say("shelve", duration_s=4)
    active.wait(4, is_heard=True)
    assert active.say("acknowledge", event_id="id-0") == "another alarm is active: event_id id-3"
    assert [event[0] for event in active.events()] == ["shelved", "unshelved", "raised"]
    assert active.say("acknowledge", event_id=active.state.event_id or "") == ""


def test_what_cannot_be_done_is_refused() -> None:
    """With the reason, and nothing changes."""
    story = Story()
    assert story.say("acknowledge") == "no alarm is active"
    assert story.say("unshelve") == "the alarm is not shelved"
    story.say("shelve")
    assert story.say("acknowledge") == "the alarm is shelved: none is active"


def test_a_shelved_alarm_ends_and_its_state_goes_on(active: Story) -> None:
    """Until the shelf ends by itself; what is wrong then is raised then."""
    assert active.say("shelve", duration_s=4, by="Anna") == ""
    assert active.events() == [("shelved", False, "for 4 s by Anna", 2.0)]
    assert (active.state.state, active.state.shelved_until) == ("alarm", NOW + timedelta(seconds=7))
    for exceeded in (True, False, True):
        active.decide(exceeded)
    assert active.events() == []
    assert (active.state.state, active.state.active, active.state.shelved_until) == ("alarm", False, NOW + timedelta(seconds=7))
    active.decide(True)
    assert active.events() == [
        ("unshelved", False, "its time is up", None),
        ("raised", True, "z 2.5, threshold 2: the machine sounds wrong as the shelf ends", None),
    ]
    assert (active.state.state, active.state.active, active.state.shelved_until) == ("alarm", True, None)


def test_a_shelf_that_ends_in_silence_raises_nothing() -> None:
    """By command, too; the default is an hour."""
    story = Story()
    story.say("shelve")
    assert story.events() == [("shelved", False, "for 3600 s by command", None)]
    assert story.say("unshelve", by="Bert") == ""
    assert story.events() == [("unshelved", False, "by Bert", None)]
    assert (story.state.state, story.state.shelved_until) == ("normal", None)


def test_to_shelve_again_sets_another_end() -> None:
    """A later or an earlier one."""
    story = Story()
    story.say("shelve", duration_s=100)
    story.say("shelve", duration_s=2)
    assert [event[0] for event in story.events()] == ["shelved", "shelved"]
    story.decide(False, after_s=2)
    assert [event[0] for event in story.events()] == ["unshelved"]


def test_a_jump_in_the_sample_count_ends_no_shelf() -> None:
    """A device that comes back may count on from anywhere: a shelf is timed by the clock."""
    story = Story()
    story.say("shelve", duration_s=10)
    story.hear_s += 500
    story.decide(False)
    assert [event[0] for event in story.events()] == ["shelved"]
    story.decide(False, after_s=9)
    assert [event[0] for event in story.events()] == ["unshelved"]


@pytest.mark.parametrize("by_command", [False, True])
def test_a_shelf_ends_while_the_machine_is_deaf(active: Story, by_command: bool) -> None:
    """But nobody knows how the machine sounds then: it is raised by the first decision that finds it wrong still."""
    active.say("shelve", duration_s=4)
    active.wait(3, is_heard=False)
    assert [event[0] for event in active.events()] == ["shelved"]
    if by_command:
        active.say("unshelve", is_heard=False)
    active.wait(1, is_heard=False)
    assert [event[:2] for event in active.events()] == [("unshelved", False)]
    assert (active.state.state, active.state.active, active.state.shelved_until) == ("alarm", False, None)
    active.wait(500, is_heard=False)
    active.decide(True)
    assert active.events() == [("raised", True, "z 2.5 is above its threshold 2", None)]
    assert (active.state.state, active.state.active) == ("alarm", True)
    active.decide(True)
    assert active.told() == []


def test_a_machine_that_is_well_when_it_is_heard_again_is_not_raised(active: Story) -> None:
    """Its shelf has ended meanwhile."""
    active.say("shelve", duration_s=4)
    active.wait(4, is_heard=False)
    active.decide(False)
    assert [event[0] for event in active.events()] == ["shelved", "unshelved"]
    assert (active.state.state, active.state.active) == ("normal", False)


def test_what_is_shelved_anew_while_it_is_deaf_stays_quiet(active: Story) -> None:
    """The alarm that nobody was told of is under the new shelf."""
    active.say("shelve", duration_s=4)
    active.wait(4, is_heard=False)
    active.say("shelve", duration_s=4, is_heard=False)
    active.decide(True)
    assert [event[0] for event in active.events()] == ["shelved", "unshelved", "shelved"]


RESTARTED = "restarted: the monitor has started anew, and nothing is known of the alarm that was"


@pytest.mark.parametrize(
    ("kind", "active", "told"),
    [
        ("raised", True, [("cleared", False, f"{RESTARTED} active before", 300.0)]),
        ("acknowledged", True, [("cleared", False, f"{RESTARTED} active before", None)]),
        ("shelved", False, [("unshelved", False, f"{RESTARTED} shelved before", None)]),
        ("unshelved", False, []),
    ],
)
def test_a_restart_forgets(kind: str, active: bool, told: list[tuple[str, bool, str, float | None]]) -> None:
    """What was active is cleared, what was shelved is not any more: the alarm comes again if the fault is still there."""
    story = Story(LastEvent(id="id-old", sequence=41, kind=kind, time=NOW - timedelta(minutes=5), active=active))
    assert story.events() == told
    assert (story.state.state, story.state.shelved_until, story.state.acknowledged) == ("normal", None, False)
    story.decide(True)
    assert [event[0] for event in story.events()] == ["raised"]


def recall(story: Story, kind: str = "raised", sequence: int = 57) -> None:
    """The last event of an earlier run comes to light."""
    last = LastEvent(id="id-old", sequence=sequence, kind=kind, time=NOW - timedelta(minutes=5), active=kind == "raised")
    story.tell(story.announcer.recall(last, 100, NOW + timedelta(minutes=1)))


@pytest.mark.parametrize(("kind", "told"), [("raised", "cleared"), ("shelved", "unshelved")])
def test_what_comes_to_light_late_is_ended_late(kind: str, told: str) -> None:
    """As a start would have, had the disk been there; numbers go on from the old one."""
    story = Story()
    story.told()
    recall(story, kind)
    event, state = story.told()
    assert isinstance(event, payloads.Event)
    assert isinstance(state, payloads.Alarm)
    assert (event.kind, event.sequence, event.sample, event.duration_s) == (told, 58, 100, 360.0 if kind == "raised" else None)
    assert event.cause.startswith(RESTARTED)
    assert (state.event_id, state.since, state.active) == (event.id, NOW, False)


def test_what_was_ended_before_comes_to_light_as_a_number(active: Story) -> None:
    """The state names the old event where there is no other; numbers never fall."""
    quiet = Story()
    quiet.told()
    recall(quiet, "cleared")
    [state] = quiet.told()
    assert isinstance(state, payloads.Alarm)
    assert state.event_id == "id-old"
    recall(active, "cleared")
    recall(active, "cleared", 0)
    active.decide(False)
    assert [payload.sequence for payload in active.told() if isinstance(payload, payloads.Event)] == [58]


@pytest.mark.parametrize("shelve", [False, True])
def test_an_alarm_of_this_run_is_not_ended_by_an_older_one(active: Story, shelve: bool) -> None:
    """It is active, or people have shelved it: that is told anew, and it goes on."""
    if shelve:
        active.say("shelve", duration_s=100)
        active.told()
    recall(active)
    [state] = active.told()
    assert isinstance(state, payloads.Alarm)
    assert (state.active, state.shelved_until is None, state.event_id) == (not shelve, not shelve, "id-1" if shelve else "id-0")


@pytest.mark.parametrize(("kind", "told"), [("acknowledged", "cleared"), ("shelved", "unshelved"), ("cleared", None)])
def test_a_reload_ends_it(kind: str, told: str | None) -> None:
    """As a restart does, with a reason of its own."""
    last = LastEvent(id="id-old", sequence=41, kind=kind, time=NOW, active=kind == "acknowledged")
    found = Story().announcer.end(NOW, last)
    assert [payload.kind for payload in found if isinstance(payload, payloads.Event)] == ([told] if told else [])
    assert all(payload.cause.startswith("reconfigured: ") for payload in found if isinstance(payload, payloads.Event))


def test_a_shelf_that_ends_while_the_alarm_clears_is_quiet() -> None:
    """The machine sounds well again: nothing is raised, and nothing cleared."""
    story = Story(off_delay_s=10)
    story.decide(True)
    assert story.say("shelve", duration_s=2) == ""
    story.decide(False)
    assert [event[0] for event in story.events()] == ["raised", "shelved"]
    story.decide(False)
    assert [event[:2] for event in story.events()] == [("unshelved", False)]
    assert story.state.state == "clearing"
    for _ in range(12):
        story.decide(False)
    assert (story.events(), story.state.state, story.state.active) == ([], "normal", False)


def test_an_alarm_that_comes_back_after_its_shelf_is_raised() -> None:
    """It was clearing as the shelf ended, so nobody has been told of it."""
    story = Story(off_delay_s=10)
    story.decide(True)
    story.say("shelve", duration_s=2)
    story.decide(False)
    story.decide(False)
    story.events()
    story.decide(True)
    assert story.events() == [("raised", True, "z 2.5 is above its threshold 2", None)]
    story.decide(False)
    story.decide(False, after_s=11)
    assert [event[:2] for event in story.events()] == [("cleared", False)]
