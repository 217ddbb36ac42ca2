"""What is known of machines, from any messages."""

import json

from hypothesis import given
from hypothesis import strategies as st

from aegan_monitor.tools.terminal.plant import Plant
from aegan_monitor.tools.terminal.status import describe, make_table
from aegan_monitor.tools.terminal.watch import make_board
from aegan_monitor.tools.terminal.words import find_trouble
from plant_messages import NOW, make_plant, messages

TOPICS = ["status", "health", "pump/alarm", "pump/sensor", "pump/score", "pump/event", "pump", "pump/command", "a/b/c", ""]


@given(st.lists(st.tuples(st.sampled_from(TOPICS), st.one_of(st.binary(max_size=20), st.sampled_from([each for _, each in messages()])))))
def test_any_message_can_come(received: list[tuple[str, bytes]]) -> None:
    """Whatever others publish, each machine has a line."""
    plant = Plant("aegan/+")
    for rest, payload in received:
        plant.take(f"aegan/hall/{rest}", payload)
    assert len(list(make_table(plant.machines, NOW, 80))) >= len(plant.machines)
    assert len(make_board(plant.machines, 1.0, NOW)) >= len(plant.machines)


def test_a_newer_version_is_understood() -> None:
    """Fields that a payload does not know yet are left out."""
    plant = Plant("aegan/+")
    for topic, payload in messages():
        text = payload if topic.endswith("status") else json.dumps({**json.loads(payload), "news": [1]}).encode()
        plant.take(topic, text)
    assert [describe(machine) for machine in plant.machines] == [describe(machine) for machine in make_plant().machines]


def test_a_machine_that_is_removed_is_gone() -> None:
    """An empty retained state says that the configuration lacks it."""
    plant = make_plant()
    plant.take("aegan/hall/pump/alarm", b"")
    assert "hall/pump" not in [machine.label for machine in plant.machines]


def test_who_needs_somebody() -> None:
    """In alarm, deaf and offline do; shelved and out of service do not, even out of service and silent."""
    troubled = {machine.name: bool(find_trouble(machine)) for machine in make_plant().machines}
    assert troubled == {"fan": True, "press": True, "pump": False, "gear": True, "mixer": False, "saw": False, "crane": True}


def test_an_alarm_that_cannot_be_read_is_trouble() -> None:
    """`status` must not end with 0 where nothing is known of the alarm: an access list hides it, or a newer daemon changed its form."""
    plant = make_plant()
    plant.take("aegan/hall/pump/alarm", b'{"state": "of a newer daemon"}')
    (pump,) = [machine for machine in plant.machines if machine.label == "hall/pump"]
    assert find_trouble(pump) == "nothing is known of its alarm"
