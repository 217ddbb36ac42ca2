"""Command line of the commands for people at a terminal."""

import argparse
import math
import re
from pathlib import Path

from aegan_monitor.command_options import add_command, parse_count, parse_positive

PLACES = "Without --host and --config: the broker of monitor.yaml in this folder,\nor else of /etc/aegan-monitor/monitor.yaml."
MACHINE_HELP = "name of the machine, or node/machine where several nodes have one of that name"
VERDICTS = ("true_fault", "false_alarm", "maintenance", "other")
NAME = "[A-Za-z0-9][A-Za-z0-9_-]*"
SHELLS = ("bash", "zsh", "fish")
LONGEST_SHELF_MIN = 7 * 24 * 60.0
COMMANDS = {  # by the name at the terminal: what it does, and its example
    "acknowledge": ("Acknowledges the alarm of a machine: a person has seen it.", 'pump --reason "the bearing is ordered"'),
    "shelve": ("Suppresses the alarm of a machine for a time.", 'pump --minutes 90 --reason "cleaning"'),
    "unshelve": ("Ends the shelf of a machine before its time.", "pump"),
    "close": ("Ends the alarm of a machine; it is raised again if the machine still sounds wrong.", "pump --verdict false_alarm"),
    "out-of-service": ("Suppresses the alarm of a machine until in-service.", 'pump --reason "overhaul"'),
    "in-service": ("Ends out-of-service.", "pump"),
}


def add_terminal_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """The commands that read what daemons publish, and send commands to them."""
    watch = add_command(
        commands, "watch", "Shows live what every machine sounds like, and each event.", "aegan-monitor watch --host broker"
    )
    watch.add_argument("--seconds", type=parse_positive, default=math.inf, metavar="N", help="end after N seconds (default: Ctrl-C)")
    _add_broker(watch, "print each message as a JSON object on a line")

    status = add_command(
        commands,
        "status",
        "Prints a line a machine: alarm, sensor, coverage of the last 24 h, proof; fails where one is in alarm or deaf.",
        "aegan-monitor status --host broker",
    )
    _add_broker(status, "print each machine as a JSON object on a line")

    cases = add_command(
        commands,
        "cases",
        "Lists open cases, on the computer of the daemon past ones too, or shows one.",
        "aegan-monitor cases 5b0b5f4c --host broker",
    )
    cases.add_argument("id", nargs="?", metavar="ID", help="show this case; the first characters of its id are enough")
    cases.add_argument("--limit", type=parse_count, default=20, metavar="N", help="list the newest N (default: 20)")
    _add_broker(cases, "print each case as a JSON object on a line")

    for name, (sentence, example) in COMMANDS.items():
        command = add_command(commands, name, sentence, f"aegan-monitor {name} {example}")
        command.add_argument("machine", metavar="MACHINE", help=MACHINE_HELP)
        if name == "shelve":
            command.add_argument(
                "--minutes", type=_parse_minutes, dest="duration_s", metavar="N", help="how long, at most 7 days (default: 60)"
            )
        if name in ("acknowledge", "close"):
            command.add_argument("--verdict", choices=VERDICTS, help="what you found; it is kept with the case")
        command.add_argument("--by", metavar="NAME", help="your name, for the event (default: the login name)")
        command.add_argument("--reason", default="", metavar="TEXT", help="comment, for the event")
        _add_broker(command, "print the answer as a JSON object")

    forget = add_command(
        commands,
        "forget",
        "Clears what the broker has stored of a node that is gone; its devices leave Home Assistant.",
        "aegan-monitor forget old-name --host broker",
    )
    forget.add_argument("node", type=parse_node, metavar="NODE", help="node, or base topic and node: aegan/old-name")
    forget.add_argument("--yes", action="store_true", help="clear without a question")
    forget.add_argument(
        "--prefix", metavar="TOPIC", help="discovery prefix of Home Assistant (default: the configuration's, or homeassistant)"
    )
    forget.set_defaults(topic=None)
    add_place(forget)

    _add_bundle(commands)

    completion = add_command(
        commands, "completion", "Prints what makes a shell complete commands and options.", "aegan-monitor completion bash"
    )
    completion.add_argument("shell", choices=SHELLS, help="which shell")


def _add_bundle(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """The commands that change the bundle of a machine."""
    bundle = add_command(
        commands,
        "bundle",
        "Changes the bundle of a machine while the daemon runs, or takes the change back.",
        "aegan-monitor bundle install pump.tar --config monitor.yaml",
    )
    actions = bundle.add_subparsers(dest="action", required=True, help="what to do")
    install = add_command(
        actions,
        "install",
        "Verifies a bundle, proves it on this computer, puts it in the machine's folder, keeps the previous one, and reloads the daemon.",
        "aegan-monitor bundle install pump.tar --config monitor.yaml --machine pump",
    )
    install.add_argument("file", type=Path, metavar="FILE", help="archive of aegan-export --archive, or the folder of a bundle")
    rollback = add_command(
        actions,
        "rollback",
        "Exchanges the bundle of the machine and the previous one, and reloads the daemon.",
        "aegan-monitor bundle rollback --config monitor.yaml --machine pump",
    )
    for action in (install, rollback):
        action.add_argument("--config", type=Path, required=True, metavar="FILE", help="configuration of the daemon")
        action.add_argument("--machine", metavar="NAME", help="name of the machine, if the configuration has several")


def parse_topic(text: str) -> str:
    """Read a filter of two levels or more, each a name or `+`."""
    level = rf"(\+|{NAME})"
    if not re.fullmatch(f"{level}(/{level})+", text):
        raise argparse.ArgumentTypeError(f"expected base topic and node, as aegan/pump-house, or + for any (aegan/+), found {text!r}")
    return text


def parse_node(text: str) -> str:
    """Read one level or more, each a name."""
    if not re.fullmatch(f"{NAME}(/{NAME})*", text):
        raise argparse.ArgumentTypeError(f"expected a node, or base topic and node (aegan/old-name), found {text!r}")
    return text


def _parse_minutes(text: str) -> float:
    """Read minutes; returns seconds."""
    return 60 * parse_positive(text, largest=LONGEST_SHELF_MIN)


def _add_broker(parser: argparse.ArgumentParser, json_help: str) -> None:
    """The options that name a broker and the nodes there, and --json."""
    parser.add_argument("--json", action="store_true", help=json_help)
    parser.add_argument("--topic", type=parse_topic, metavar="TOPIC", help="base topic and node (default: the configuration's, or aegan/+)")
    add_place(parser)


def add_place(parser: argparse.ArgumentParser, words: str = PLACES) -> None:
    """The options that name a broker; `words` are above them."""
    broker = parser.add_argument_group("broker options", words)
    broker.add_argument("--config", type=Path, metavar="FILE", help="broker and node of this configuration")
    broker.add_argument("--host", metavar="HOST", help="host name or address, in place of a configuration")
    broker.add_argument("--port", type=_parse_port, metavar="N", help="TCP port (default: 1883, with TLS 8883)")
    broker.add_argument("--protocol", choices=["5", "3.1.1"], help="MQTT version (default: 5)")
    broker.add_argument("--username", metavar="NAME", help="user name at the broker (default: the configuration's)")
    broker.add_argument("--password-file", type=Path, metavar="FILE", help="file that holds the password and nothing else")
    broker.add_argument("--tls", action="store_true", help="encrypt, with the authorities that the system trusts")
    broker.add_argument("--ca-file", type=Path, metavar="FILE", help="encrypt, with the authorities of this file")
    broker.add_argument(
        "--timeout", type=parse_positive, default=10.0, metavar="S", help="longest wait for an answer, in seconds (default: 10)"
    )


def _parse_port(text: str) -> int:
    return parse_count(text, largest=65_535)
