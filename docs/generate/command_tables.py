"""Commands and options of the three programs, from their argument parsers."""

import argparse
from collections.abc import Iterator

from aegan_export.cli import make_parser as make_export_parser
from aegan_monitor.arguments import make_parser as make_monitor_parser
from aegan_train.cli import make_parser as make_train_parser
from marked_parts import escape, make_table

PARSERS = (make_monitor_parser, make_train_parser, make_export_parser)


def command_sections() -> str:
    """One section a command: what it does, its usage, an example, its options; options that several commands share have their own."""
    parsers = list(find_parsers())
    shared = {group.title: group for parser in parsers for group in shared_groups(parser)}
    return "\n".join([*map(_section, parsers), *map(_shared_section, shared.values())])


def find_parsers() -> Iterator[argparse.ArgumentParser]:
    """The parser of each command, of all programs; of a program without commands, its own."""
    for make_parser in PARSERS:
        parser = make_parser()
        commands = [each for each in find_parsers_of(parser) if each is not parser]
        yield from commands or (parser,)


def find_parsers_of(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    """This parser, its commands, and theirs."""
    yield parser
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for each in action.choices.values():
                yield from find_parsers_of(each)


def options_of(parser: argparse.ArgumentParser) -> list[argparse.Action]:
    """All but --help and --version."""
    return [action for action in parser._actions if action.dest not in ("help", "version")]


def shared_groups(parser: argparse.ArgumentParser) -> list[argparse._ArgumentGroup]:
    """Groups of options that several commands have: those with a title of ours."""
    return parser._action_groups[2:]  # after argparse's own two


def own_options_of(parser: argparse.ArgumentParser) -> list[argparse.Action]:
    """Its options that stand in no shared group."""
    shared = {action.dest for group in shared_groups(parser) for action in group._group_actions}
    return [action for action in options_of(parser) if action.dest not in shared]


def _section(parser: argparse.ArgumentParser) -> str:
    example = (parser.epilog or "").removeprefix("example:").strip()
    lines = [
        f"## {parser.prog}",
        parser.description or "",
        "",
        "```",
        make_usage(parser),
        *([f"# for example: {example}"] if example else []),
        "```",
        "",
    ]
    return "\n".join(lines) + "\n" + _options_table(own_options_of(parser))


def _shared_section(group: argparse._ArgumentGroup) -> str:
    return f"## {group.title}\n{group.description}\n\n{_options_table(group._group_actions)}"


def _options_table(options: list[argparse.Action]) -> str:
    rows = [(f"`{name_option(option)}`", _explain(option)) for option in options]
    return make_table(("option", "what"), rows) if rows else ""


def make_usage(parser: argparse.ArgumentParser) -> str:
    """One line: the command and its options."""
    return " ".join([parser.prog, *map(_use, own_options_of(parser)), *(f"[{group.title}]" for group in shared_groups(parser))])


def name_option(action: argparse.Action) -> str:
    """An option with its value, as `--config FILE`."""
    value = _value(action)
    return " ".join([*action.option_strings[-1:], *([value] if value else [])])


def _value(action: argparse.Action) -> str:
    if action.nargs == 0:
        return ""
    if action.choices:
        return "|".join(map(str, action.choices))
    return str(action.metavar or action.dest.upper())


def _use(action: argparse.Action) -> str:
    text = name_option(action) + (" ..." if action.nargs == "+" else "")
    return text if action.required else f"[{text}]"


def _explain(action: argparse.Action) -> str:
    return escape((action.help or "").replace("%(default)s", str(action.default)))
