"""What is told of an alarm: the table, and what no history of decisions and commands may do."""

from typing import get_args

from hypothesis import given
from hypothesis import strategies as st

from aegan_monitor.alarm.annunciation import ANNOUNCED, ANNUNCIATION, REFUSALS, Annunciation, Occasion, Standing
from aegan_monitor.messages.payloads import CommandName

STANDINGS: tuple[Standing, ...] = get_args(Standing)
COMMANDS: tuple[CommandName, ...] = get_args(CommandName)


def test_each_command_is_obeyed_or_refused_in_each_standing() -> None:
    """One of the two, and a refusal says why."""
    for standing in STANDINGS:
        for command in COMMANDS:
            assert ((standing, command) in ANNUNCIATION) != bool(REFUSALS.get((standing, command)))


def test_the_table_reaches_every_standing_and_leaves_it() -> None:
    """No standing is a dead end."""
    assert {after for after, _ in ANNUNCIATION.values()} == set(STANDINGS)
    for standing in STANDINGS:
        assert any(before == standing and after != standing for (before, _), (after, _) in ANNUNCIATION.items())


def test_whatever_begins_or_ends_an_announced_alarm_is_an_event() -> None:
    """And nothing that happens while it is shelved is, but the shelf's own."""
    for (before, occasion), (after, event) in ANNUNCIATION.items():
        if (before in ANNOUNCED) != (after in ANNOUNCED):
            assert event in {"raised", "cleared", "shelved"}
        if before == "shelved" and occasion != "unshelve":
            assert (after, event) == ("shelved", "shelved" if occasion == "shelve" else None)


@given(st.lists(st.sampled_from(["turn", "step", *COMMANDS]), max_size=60))
def test_any_history(steps: list[str]) -> None:
    """An alarm that is raised ends once, cleared or shelved; a shelf ends in its time, never later; nobody is told of what is shelved."""
    told, condition, announced, now_s = Annunciation(), False, False, 0.0

    def take(occasion: Occasion) -> None:
        nonlocal announced
        before = told.standing
        event = told.take(occasion, now_s + 35 if occasion == "shelve" else None)
        assert before != "shelved" or told.standing == "shelved" or occasion == "unshelve"
        assert before != "shelved" or event in {"shelved", "unshelved", None}
        assert not (event == "raised" and announced)
        announced = {"raised": True, "cleared": False, "shelved": False}.get(event or "", announced)
        if occasion == "unshelve" and condition:
            take("raised")

    for step in steps:
        now_s += 10
        if step == "turn":
            condition = not condition
            take("raised" if condition else "cleared")
        for command in COMMANDS:
            if step == command and not told.refusal(command):
                take(command)
        if told.is_over(now_s):
            take("unshelve")
        assert told.active == announced == (condition and told.standing != "shelved")
        assert (told.shelved_until_s is not None) == (told.standing == "shelved")
        assert told.shelved_until_s is None or now_s < told.shelved_until_s <= now_s + 35
