"""The alarm after a kill, a reload and a reboot, from every state that it can have."""

from datetime import timedelta
from itertools import product

import pytest

from aegan_monitor.alarm.lifecycle import AlarmRecord
from aegan_monitor.messages.command_payloads import CommandName
from story import HOP_S, NOW, Story

ON_HOPS, OFF_HOPS = 3, 3
WORDS: dict[str, tuple[bool, ...]] = {  # decisions that lead to each process state
    "normal": (False,),
    "pending": (True, True),
    "alarm": (True,) * 5,
    "clearing": (True,) * 5 + (False, False),
    "cleared": (True,) * 5 + (False,) * 4,  # of a latched alarm
}
COMMANDS: tuple[tuple[CommandName, ...], ...] = (
    (),
    ("acknowledge",),
    ("shelve",),
    ("acknowledge", "shelve"),
    ("shelve", "unshelve"),
    ("out_of_service",),
    ("shelve", "out_of_service"),
    ("out_of_service", "in_service"),
)

SHELF_S = 1000.0


def make_story(process: str, commands: tuple[CommandName, ...]) -> Story:
    """An alarm in the given state."""
    story = Story(on_hops=ON_HOPS, off_hops=OFF_HOPS, latched=process == "cleared", recurrence_hops=5)
    story.decide(*WORDS[process])
    for command in commands:
        assert story.say(command, **({"duration_s": SHELF_S} if command == "shelve" else {})) == ""
    assert story.state.state == ("normal" if process == "cleared" else process)
    story.events()
    return story


CASES = [case for case in product(WORDS, COMMANDS) if case[0] in ("alarm", "clearing", "cleared") or "acknowledge" not in case[1]]


@pytest.mark.parametrize(("boot_s", "after_s"), [(5000.0, 0.5), (3.0, 300.0)], ids=["kill or reload", "reboot"])
@pytest.mark.parametrize(("process", "commands"), CASES)
def test_the_alarm_is_what_it_was(process: str, commands: tuple[CommandName, ...], boot_s: float, after_s: float) -> None:
    """A restart keeps state, case, acknowledgement and suppression without an event; the state is unconfirmed until a decision falls."""
    story = make_story(process, commands)
    before, record = story.state, story.record
    measured_at, sequence = story.machine.record.measured_at, record.sequence
    story.start(boot_s=boot_s, after_s=after_s)
    assert story.kinds() == []
    assert story.record == record
    unlike = ("measured_at", "score", "threshold")  # to a minute
    assert story.state == before.model_copy(update={"confirmed": False, **{key: getattr(story.state, key) for key in unlike}})
    assert story.state.measured_at == measured_at or process in ("normal", "alarm", "cleared")  # there it may be a minute older
    story.decide(process in ("pending", "alarm"))
    assert story.state.confirmed
    assert (story.state.alarm_id, story.state.acknowledged) == (before.alarm_id, before.acknowledged)
    assert story.state.shelved_until == before.shelved_until
    assert story.machine.record.sequence == sequence + len(story.events())


@pytest.mark.parametrize(("process", "commands"), CASES)
def test_many_restarts_change_nothing(process: str, commands: tuple[CommandName, ...]) -> None:
    """Any number of restarts without a decision between them has the effect of one."""
    story, undisturbed = make_story(process, commands), make_story(process, commands)
    for boot_s in (1.0, 100.0, 5.0, 7.0):
        story.start(boot_s=boot_s)
    for each in (True, True, False, False, False, False, True, True, True, True):
        story.decide(each)
        undisturbed.decide(each)
        assert story.record == undisturbed.record
    assert story.kinds() == undisturbed.kinds()


def test_a_shelf_ends_in_its_time_over_restarts() -> None:
    """A shelf ends on time although the boot clock restarts at zero, because the wall clock continues."""
    story = Story()
    story.say("shelve", duration_s=600)
    for boot_s in (0.0, 50.0, 10.0):
        story.start(boot_s=boot_s, after_s=100.0)
    story.wait(299.0)
    assert story.kinds() == ["shelved"]
    story.wait(1.0)
    assert story.kinds() == ["unshelved"]


def test_a_shelf_that_has_ended_while_the_monitor_was_off_ends_at_its_start() -> None:
    """A shelf that ran out while the monitor was off ends at the start, and the suppressed alarm is active again."""
    story = make_story("alarm", ("acknowledge", "shelve"))
    story.start(after_s=SHELF_S + 1)
    story.wait(0)
    [event] = story.events()
    assert (event.kind, event.active) == ("unshelved", True)
    assert (story.state.active, story.state.acknowledged, story.state.confirmed) == (True, True, False)


@pytest.mark.parametrize("process", ["pending", "alarm", "clearing"])
def test_another_judge_supersedes_the_alarm(process: str) -> None:
    """Another bundle or policy ends an announced alarm with `superseded`, an unannounced one without an event; a shelf stays."""
    story = make_story(process, ())
    story.start(basis="another bundle")
    assert story.kinds() == ([] if process == "pending" else ["superseded"])
    assert (story.state.state, story.state.active, story.state.alarm_id) == ("normal", False, None)
    story.start(basis="another bundle")
    assert story.kinds() == []
    story.say("shelve")
    story.start(basis="a third")
    assert (story.kinds(), story.record.shelved) == (["shelved"], True)


def test_an_alarm_that_was_raised_before_a_restart_lasts_by_the_wall_clock() -> None:
    """The duration of an alarm over a restart comes from the wall clock; a wrong clock gives 0 s."""
    for raised_at, duration_s in (
        (NOW - timedelta(seconds=90), 90 + HOP_S),
        (NOW + timedelta(hours=1), 0.0),
        (NOW.replace(year=1970), 0.0),
    ):
        record = AlarmRecord(process="alarm", announced=True, raised_at=raised_at, event_ids=("old",), sequence=7, basis="basis")
        story = Story(record)
        story.decide(False)
        [event] = story.events()
        assert (event.kind, event.sequence) == ("cleared", 8)
        assert event.duration_s == pytest.approx(duration_s, abs=1e-3)


def test_a_first_start_knows_nothing() -> None:
    """At the first start the state is normal, unconfirmed and never measured."""
    story = Story()
    assert (story.state.state, story.state.confirmed, story.state.measured_at, story.state.event_id) == ("normal", False, None, None)
    story.decide(False)
    assert (story.state.state, story.state.confirmed, story.state.measured_at) == ("normal", True, story.time)


def test_the_record_says_to_a_minute_when_it_was_measured() -> None:
    """Without changes the record is stored once a minute, so a start knows the age of the state."""
    story = make_story("alarm", ())
    for _ in range(200):
        story.decide(True)
    last = story.time
    story.start()
    assert story.state.measured_at is not None
    assert timedelta(0) <= last - story.state.measured_at <= timedelta(seconds=61)
