"""Which box runs which bundle, by the health messages that a broker has stored."""

import argparse

from aegan_monitor.tools.terminal.broker import find_broker
from aegan_monitor.tools.terminal.status import read_plant


def find_boxes(arguments: argparse.Namespace) -> dict[str, list[str]]:
    """Node and machine of each running bundle, by its digest; empty where no broker is named.

    Raises:
        AeganError: The broker cannot be reached, or nothing is published there.
    """
    if arguments.host is None and arguments.config is None:
        return {}
    found: dict[str, list[str]] = {}
    for machine in read_plant(find_broker(arguments)).machines:
        if machine.health and machine.health.bundle_digest:
            found.setdefault(machine.health.bundle_digest, []).append(f"{machine.node}/{machine.name}")
    return found
