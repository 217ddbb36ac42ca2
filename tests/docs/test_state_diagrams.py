"""The diagram and the table of the alarm are made from the table in the code."""

import re
from typing import get_args

from aegan_monitor.alarm.lifecycle import TABLE
from aegan_monitor.messages.command_payloads import CommandName
from aegan_monitor.messages.payloads import IsaState
from state_diagrams import SUPPRESSES, alarm_diagram, states_table


def test_the_diagram_has_every_state_and_every_event() -> None:
    """A suppressed alarm and the commands that suppress it stand in the note."""
    text = alarm_diagram()
    assert text.startswith("stateDiagram-v2\n")
    drawn = {state for pair in re.findall(r"^ +(\w+) --> (\w+):", text, re.MULTILINE) for state in pair}
    assert drawn == set(get_args(IsaState)) - {"shelved", "out_of_service"}
    events = {rule.event for rule in TABLE if rule.event and rule.signal not in SUPPRESSES}
    assert events == set(re.findall(r"/ (\w+)", text))


def test_an_alarm_is_raised_from_pending_alone() -> None:
    """A latched alarm that comes back is raised again."""
    raised = [line.split(":")[0].strip() for line in alarm_diagram().splitlines() if "/ raised" in line]
    assert raised == ["pending --> active_unacknowledged", "cleared_unacknowledged --> active_unacknowledged"]


def test_the_table_has_a_row_for_each_state() -> None:
    """With one value of `active`, and only commands that exist."""
    rows = [line.strip("| ").split(" | ") for line in states_table().splitlines()[2:]]
    assert {row[0].strip("`") for row in rows} == set(get_args(IsaState))
    for _, _, active, commands in rows:
        assert active in ("true", "false")
        assert set(re.findall(r"`(\w+)`", commands)) <= set(get_args(CommandName))
