"""What the commands of all programs are made of: a command's --help, and the check of an option's value."""

import argparse
import math
import sys
from functools import partial
from pathlib import Path

MAP_SUFFIXES = (".png", ".npz")
LEAST_BUDGET = 0.001  # false alarms a week: one in 19 years


def add_command(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]", name: str, sentence: str, example: str
) -> argparse.ArgumentParser:
    """A command whose --help is one sentence, its options and an example."""
    return commands.add_parser(
        name,
        help=f"{sentence[:1].lower()}{sentence[1:].rstrip('.')}",
        description=sentence,
        epilog=f"example:\n  {example}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def parse_positive(text: str, largest: float = sys.float_info.max) -> float:
    """Read a number over 0 and up to `largest`."""
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number <= largest:
        bound = "" if largest == sys.float_info.max else f" and up to {largest:g}"
        raise argparse.ArgumentTypeError(f"expected a number over 0{bound}, found {text!r}")
    return number


def parse_budget(text: str) -> float:
    """Read false alarms a week: from one in 19 years to as many as a configuration may accept."""
    number = parse_positive(text, 10_000)
    if number < LEAST_BUDGET:
        raise argparse.ArgumentTypeError(f"expected at least {LEAST_BUDGET:g} a week, found {text!r}")
    return number


def parse_count(text: str, least: int = 1, largest: float = math.inf) -> int:
    """Read a whole number from `least` to `largest`."""
    if not (text.isdecimal() and least <= int(text) <= largest):
        expected = f"of {least} or more" if largest == math.inf else f"from {least} to {largest}"
        raise argparse.ArgumentTypeError(f"expected a whole number {expected}, found {text!r}")
    return int(text)


parse_index = partial(parse_count, least=0)
parse_seed = partial(parse_count, least=0, largest=2**32 - 1)


def parse_map_path(text: str) -> Path:
    """Read a path that ends in .png or .npz."""
    if Path(text).suffix not in MAP_SUFFIXES:
        raise argparse.ArgumentTypeError(f"expected a path that ends in {' or '.join(MAP_SUFFIXES)}, found {text!r}")
    return Path(text)
