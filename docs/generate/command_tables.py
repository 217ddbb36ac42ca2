"""Commands and options of the three programs, from their argument parsers."""

import argparse
from collections.abc import Iterator

from aegan_export.cli import make_parser as make_export_parser
from aegan_monitor.arguments import make_parser as make_monitor_parser
from aegan_train.cli import make_parser as make_train_parser
from marked_parts import escape, make_table

PARSERS = (make_monitor_parser, make_train_parser, make_export_parser)


def command_sections() -> str:
    """One section a command: what it does, its usage, an example, its options."""
    return "\n".join(_section(parser) for parser in find_parsers())


def find_parsers() -> Iterator[argparse.ArgumentParser]:
    """The parser of each command, of all programs; of a program without commands, its own."""
    for make_parser in PARSERS:
        parser = make_parser()
        groups = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
        yield from (each for group in groups for each in group.choices.values()) if groups else (parser,)


def options_of(parser: argparse.ArgumentParser) -> list[argparse.Action]:
    """All but --help and --version."""
    return [action for action in parser._actions if action.dest not in ("help", "version")]


def _section(parser: argparse.ArgumentParser) -> str:
    options = options_of(parser)
    usage = " ".join([parser.prog, *map(_use, options)])
    example = (parser.epilog or "").removeprefix("example:").strip()
    rows = [(f"`{_name(option)}`", _explain(option)) for option in options]
    lines = [
        f"## {parser.prog}",
        parser.description or "",
        "",
        "```",
        usage,
        *([f"# for example: {example}"] if example else []),
        "```",
        "",
    ]
    return "\n".join(lines) + "\n" + (make_table(("option", "what"), rows) if rows else "")


def _name(action: argparse.Action) -> str:
    value = _value(action)
    return " ".join([*action.option_strings[-1:], *([value] if value else [])])


def _value(action: argparse.Action) -> str:
    if action.nargs == 0:
        return ""
    if action.choices:
        return "|".join(map(str, action.choices))
    return str(action.metavar or action.dest.upper())


def _use(action: argparse.Action) -> str:
    text = _name(action) + (" ..." if action.nargs == "+" else "")
    return text if action.required else f"[{text}]"


def _explain(action: argparse.Action) -> str:
    return escape((action.help or "").replace("%(default)s", str(action.default)))
