"""The command queue: which commands reach the worker, and the limits for a flood of them."""

import logging
import time
from collections.abc import Callable

import pytest

from aegan_monitor.config.broker import CommandsConfig
from aegan_monitor.messages.command_payloads import Command
from aegan_monitor.messages.commands import Refusal
from aegan_monitor.mqtt.subscriptions import Received
from aegan_monitor.service.command_queue import MAX_WAITING, CommandQueue
from publishers import Clock

TOPIC = "aegan/hall/pump/command"
ACKNOWLEDGE = b'{"command":"acknowledge","id":"7"}'
OBEYED = Command(command="acknowledge", id="7")


def received(payload: bytes = ACKNOWLEDGE, machine: str = "pump", *, retained: bool = False) -> Received:
    """A message as the connection delivers it."""
    return Received(f"aegan/hall/{machine}/command", payload, retained)


def make_queue(clock: Callable[[], float] = time.monotonic, **settings: float) -> CommandQueue:
    """A command queue for two machines."""
    commands = CommandQueue(clock)
    commands.configure(CommandsConfig.model_validate(settings), ["pump", "fan"])
    return commands


def test_commands_reach_the_worker_in_order() -> None:
    """Commands reach the worker in order with their machine; a malformed command carries its error."""
    commands = make_queue()
    commands.hear(received())
    commands.hear(received(b"{", "fan"))
    assert commands.take() == [("pump", OBEYED), ("fan", Refusal("no JSON: EOF while parsing an object at line 1 column 1"))]
    assert commands.take() == []
    assert commands.refused_total == 1


def test_a_retained_command_is_ignored_and_can_be_removed(caplog: pytest.LogCaptureFixture) -> None:
    """A retained command is logged with the remedy and not obeyed; the empty message that removes it is no command."""
    caplog.set_level(logging.WARNING, "aegan_monitor")
    commands = make_queue()
    commands.hear(received(retained=True))
    commands.hear(received(b""))
    assert commands.take() == []
    assert commands.refused_total == 1
    assert caplog.messages == [f"a retained command on {TOPIC} is ignored; publish an empty retained message there to remove it"]


def test_a_flood_is_counted_and_answered_once_a_second() -> None:
    """Each machine accepts ten commands at once, then one a second; the rest are counted."""
    clock = Clock()
    commands = make_queue(clock)
    for _ in range(1000):
        commands.hear(received())
    too_many = Refusal("more than 10 at once or 1 a second; this answer stands for all that were too many", "acknowledge", "7")
    assert commands.take() == [("pump", OBEYED)] * 10 + [("pump", too_many)]
    assert commands.refused_total == 990
    commands.hear(received(machine="fan"))
    assert commands.take() == [("fan", OBEYED)]
    clock.now_s = 1.0
    for _ in range(1000):
        commands.hear(received())
    assert commands.take() == [("pump", OBEYED), ("pump", too_many)]


def test_a_worker_that_hangs_blocks_nobody() -> None:
    """Commands that do not fit into the queue are counted, and the caller is not blocked."""
    commands = make_queue(max_per_s=1000.0)
    for _ in range(MAX_WAITING + 5):
        commands.hear(received())
    assert len(commands.take()) == MAX_WAITING
    assert commands.refused_total == 5


def test_a_command_wakes_the_worker() -> None:
    """Each queued command wakes the worker, so that it need not poll."""
    woken: list[bool] = []
    commands = CommandQueue()
    commands.notify = lambda: woken.append(True)
    commands.configure(CommandsConfig(), ["pump"])
    commands.hear(received())
    commands.hear(received(machine="yard"))
    assert woken == [True]


def test_only_configured_machines_are_heard() -> None:
    """A command for a machine outside the configuration is counted and dropped; a reload changes the set."""
    commands = make_queue()
    commands.hear(received(machine="yard"))
    assert (commands.take(), commands.refused_total) == ([], 1)
    commands.configure(CommandsConfig(max_bytes=64), ["yard"])
    commands.hear(received())
    commands.hear(received(machine="yard"))
    commands.hear(received(b"x" * 65, machine="yard"))
    assert commands.take() == [("yard", OBEYED), ("yard", Refusal("larger than 64 bytes"))]


def test_a_command_of_another_source_has_the_same_limits() -> None:
    """It reaches the worker in order with those from MQTT; too many, and one for no machine, are refused at once and counted."""
    clock = Clock()
    commands = make_queue(clock)
    commands.hear(received())
    assert [commands.submit("pump", OBEYED) for _ in range(10)] == [""] * 9 + ["more than 10 at once or 1 a second"]
    assert commands.submit("yard", OBEYED) == "no such machine"
    assert commands.take() == [("pump", OBEYED)] * 10
    assert commands.refused_total == 2
    clock.now_s = 1.0
    assert commands.submit("pump", OBEYED) == ""


def test_a_worker_that_hangs_refuses_other_sources() -> None:
    """They learn it at once: there will be no result."""
    commands = make_queue(max_per_s=1000.0)
    found = [commands.submit("pump", OBEYED) for _ in range(MAX_WAITING + 1)]
    assert found == [""] * MAX_WAITING + ["the monitor does not take commands; see its log"]
    assert commands.refused_total == 1
