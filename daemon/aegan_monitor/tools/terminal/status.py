"""`aegan-monitor status`: one line a machine, and an exit code for scripts."""

import json
import shutil
import textwrap
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime

from aegan_monitor.errors import EXIT_FAILED
from aegan_monitor.tools.terminal.broker import Broker, wait_for_quiet
from aegan_monitor.tools.terminal.plant import Machine, Plant
from aegan_monitor.tools.terminal.words import describe_alarm, describe_bundle, describe_proof, describe_sensor, find_trouble

STATES = ("status", "health", "+/alarm", "+/sensor")
HEAD = ("machine", "alarm", "sensor", "coverage", "false alarms", "bundle")
LONGEST_NAME = 24
WIDE = 112  # of a terminal that has room for the date of a bundle


def show_status(broker: Broker, report: Callable[[str], object], *, as_json: bool) -> int:
    """Report each machine. Returns 1 if one is in alarm or deaf, or if there is none.

    Raises:
        PublishError: The broker cannot be reached, or nothing is published.
    """
    plant = read_plant(broker)
    now = datetime.now(UTC).astimezone()
    if as_json:
        for machine in plant.machines:
            report(json.dumps(describe(machine), ensure_ascii=False))
    else:
        for line in make_table(plant.machines, now, shutil.get_terminal_size().columns):
            report(line)
    return EXIT_FAILED if any(map(find_trouble, plant.machines)) else 0


def read_plant(broker: Broker) -> Plant:
    """What the broker has stored of all machines.

    Raises:
        PublishError: The broker cannot be reached, or nothing is published.
    """
    plant = Plant(broker.topic)
    with broker.open(plant.take) as connection:
        broker.subscribe(connection, *STATES)
        wait_for_quiet(connection, lambda: plant.n_messages, broker.timeout_s)
    if not plant.machines:
        raise broker.miss()
    return plant


def describe(machine: Machine) -> dict[str, object]:
    """A machine as JSON: the payloads as they were published, and its `trouble`."""
    payloads = {"alarm": machine.alarm, "sensor": machine.sensor, "health": machine.health}
    return {
        "node": machine.node,
        "machine": machine.name,
        "online": machine.is_online,
        "trouble": find_trouble(machine),
        **{name: payload.model_dump(mode="json") if payload else None for name, payload in payloads.items()},
    }


def make_table(machines: Sequence[Machine], now: datetime, width: int) -> Iterator[str]:
    """A line a machine, then a paragraph for each with trouble."""
    rows = [HEAD, *(_row(machine, now, width) for machine in machines)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for name, alarm, sensor, coverage, proof, bundle in rows:
        yield f"{name:<{widths[0]}}  {alarm:<{widths[1]}}  {sensor:<{widths[2]}}  {coverage:>{widths[3]}}  {proof:<{widths[4]}}  {bundle}"
    for machine in machines:
        if trouble := find_trouble(machine):
            yield ""
            yield from textwrap.wrap(f"{machine.label}: {trouble}", width, subsequent_indent="  ", break_on_hyphens=False)


def _row(machine: Machine, now: datetime, width: int) -> tuple[str, ...]:
    coverage = f"{machine.health.coverage_24h_percent:.1f} %" if machine.health and machine.is_online is not False else "?"
    label = machine.label if len(machine.label) <= LONGEST_NAME else f"{machine.label[: LONGEST_NAME - 3]}..."
    bundle = describe_bundle(machine, dated=width >= WIDE)
    return label, describe_alarm(machine, now), describe_sensor(machine), coverage, describe_proof(machine), bundle
