"""Runs the commands of this folder that visit a broker, from their options."""

import argparse
import sys
from collections.abc import Callable

from aegan_monitor.errors import AeganError, UsageError
from aegan_monitor.tools.terminal.broker import find_broker
from aegan_monitor.tools.terminal.cases import show_cases
from aegan_monitor.tools.terminal.forget import forget
from aegan_monitor.tools.terminal.send import make_command, send_command
from aegan_monitor.tools.terminal.status import show_status
from aegan_monitor.tools.terminal.watch import Watch

OWN_FIELDS = ("verdict", "duration_s")  # of a command, where it has such an option


def run_at_terminal(
    arguments: argparse.Namespace,
    report: Callable[[str], object],
    warn: Callable[[AeganError], object],
    stop_on_signals: Callable[[Callable[[], None]], object],
) -> int:
    """Run the command; returns the exit code."""
    match arguments.command:
        case "watch":
            watch = Watch(find_broker(arguments), sys.stdout, as_json=arguments.json)
            stop_on_signals(watch.stop)
            return watch.run(arguments.seconds)
        case "status":
            return show_status(find_broker(arguments), report, as_json=arguments.json)
        case "cases":
            return show_cases(find_broker(arguments), arguments.id, arguments.limit, report, warn, as_json=arguments.json)
        case "forget":
            return _forget(arguments, report)
    own = {key: value for key in OWN_FIELDS if (value := getattr(arguments, key, None)) is not None}
    command = make_command(arguments.command, by=arguments.by, reason=arguments.reason, **own)
    return send_command(find_broker(arguments), arguments.machine, command, report, as_json=arguments.json)


def _forget(arguments: argparse.Namespace, report: Callable[[str], object]) -> int:
    """Run `forget`, with a question where somebody can answer it."""
    if not arguments.yes and not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise UsageError("forget: there is no terminal for the confirmation; add --yes to clear without one")
    broker = find_broker(arguments)
    base, prefix = (
        ("aegan", "homeassistant") if broker.config is None else (broker.config.mqtt.base_topic, broker.config.home_assistant.prefix)
    )
    node = arguments.node if "/" in arguments.node else f"{base}/{arguments.node}"
    return forget(broker, node, arguments.prefix or prefix, report, None if arguments.yes else input)
