"""Command line of `aegan-train fleet`."""

import argparse
from collections.abc import Callable
from pathlib import Path

from aegan_monitor.command_options import add_command, parse_count, parse_positive
from aegan_monitor.terminal_arguments import add_place

LOCAL, RAY = "local", "ray://"
SENTENCE = "Trains, evaluates, exports and backtests the machines of a plant; what was done before is not done again."


def add_fleet(commands: "argparse._SubParsersAction[argparse.ArgumentParser]", run: Callable[[argparse.Namespace], int]) -> None:
    """The command `fleet`."""
    fleet = add_command(commands, "fleet", SENTENCE, "aegan-train fleet plant.yaml --on local")
    fleet.set_defaults(run=run, topic=None)
    fleet.add_argument("plant", type=Path, metavar="PLANT", help="YAML file with the machines (docs/fleet.md)")
    fleet.add_argument(
        "--on", type=parse_where, default=LOCAL, metavar="WHERE", help="local: processes of this computer (default), or ray://HEAD:10001"
    )
    jobs, gpus = "tasks at a time, one thread each; changes no result (default: one a core)", "of a Ray cluster that a task takes, as 0.25"
    fleet.add_argument("--jobs", type=parse_count, metavar="N", help=jobs)
    fleet.add_argument("--gpus", type=parse_gpus, default=0.0, metavar="PART", help=f"part of a GPU {gpus} (default: 0)")
    fleet.add_argument("--open-cluster", action="store_true", help="use a Ray cluster that wants no token, too")
    add_place(fleet, "Where --host or --config names a broker, the report says which box runs which bundle.")


def parse_where(text: str) -> str:
    """Read where the tasks are done."""
    if text != LOCAL and not (text.startswith(RAY) and len(text) > len(RAY)):
        raise argparse.ArgumentTypeError(f"expected local, or ray://HEAD:10001, found {text!r}")
    return text


def parse_gpus(text: str) -> float:
    """Read a part of a GPU, or whole ones."""
    return 0.0 if text == "0" else parse_positive(text)
