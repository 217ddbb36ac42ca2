"""The diagram of the alarm is drawn from its table."""

import re

from aegan_monitor.alarm.lifecycle import TABLE
from state_diagrams import alarm_diagram


def test_the_diagram_has_every_change_of_the_process_state() -> None:
    """And no other, with the events."""
    text = alarm_diagram()
    assert text.startswith("stateDiagram-v2\n")
    drawn = set(re.findall(r"^ +(\w+) --> (\w+):", text, re.MULTILINE))
    assert drawn == {(before, rule.to) for rule in TABLE if rule.to for before in rule.process - {rule.to}}
    assert {rule.event for rule in TABLE if rule.event} <= set(re.findall(r"/ (\w+)", text))
