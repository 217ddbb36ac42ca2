"""Manual pages of the three programs, from their argument parsers: `docs/man`."""

import argparse
import re
from collections.abc import Iterator
from pathlib import Path

from command_tables import PARSERS, find_parsers_of, make_usage, name_option, own_options_of, shared_groups

EXIT_CODES = "docs/reference/exit-codes.md"
FILES = (
    ("monitor.yaml", "the configuration; commands at the terminal find their broker in the one of the present folder"),
    ("/etc/aegan-monitor/monitor.yaml", "the configuration of the service"),
)


def man_pages(root: Path) -> dict[str, str]:
    """The pages by their file names; exit codes are those of the reference in the checkout `root`."""
    exit_codes = re.findall(r"^\| (\d+) \| (.+) \|$", (root / EXIT_CODES).read_text(encoding="utf-8"), re.MULTILINE)
    return {f"{parser.prog}.1": "".join(f"{line}\n" for line in _page(parser, exit_codes)) for parser in (make() for make in PARSERS)}


def _page(parser: argparse.ArgumentParser, exit_codes: list[tuple[str, str]]) -> Iterator[str]:
    others = [make().prog for make in PARSERS if make().prog != parser.prog]
    commands = [command for command in find_parsers_of(parser) if command is not parser]
    yield f'.TH {parser.prog.upper()} 1 "" "{parser.prog}" "User Commands"'
    yield from (".SH NAME", f"{_escape(parser.prog)} \\- {_text(parser.description or '').rstrip('.')}", ".SH SYNOPSIS")
    yield f"\\fB{_escape(parser.prog)}\\fR \\fICOMMAND\\fR ..." if commands else _synopsis(parser)
    if commands:
        yield ".SH COMMANDS"
        for command in commands:
            yield from (f".SS {_escape(command.prog)}", _text(command.description or ""), ".PP", _synopsis(command))
            yield from _options(own_options_of(command))
            yield from _example(command)
    else:
        yield ".SH OPTIONS"
        yield from _options(own_options_of(parser))
        yield from _example(parser)
    for group in {group.title: group for command in commands for group in shared_groups(command)}.values():
        yield from (f".SH {(group.title or '').upper()}", _text(group.description or ""))
        yield from _options(group._group_actions)
    yield ".SH EXIT STATUS"
    for code, words in exit_codes:
        yield from _item(code, words)
    yield ".SH FILES"
    for path, words in FILES:
        yield from _item(path, words)
    yield from (".SH SEE ALSO", ", ".join(f"\\fB{_escape(name)}\\fR(1)" for name in others))


def _synopsis(parser: argparse.ArgumentParser) -> str:
    return f"\\fB{_escape(parser.prog)}\\fR{_escape(make_usage(parser).removeprefix(parser.prog))}"


def _options(options: list[argparse.Action]) -> Iterator[str]:
    for option in options:
        yield from _item(name_option(option), (option.help or "").replace("%(default)s", str(option.default)).replace("%%", "%"))


def _example(parser: argparse.ArgumentParser) -> Iterator[str]:
    if example := (parser.epilog or "").removeprefix("example:").strip():
        yield from (".PP", "Example:", ".PP", ".RS 4", ".EX", _escape(example), ".EE", ".RE")


def _item(head: str, words: str) -> Iterator[str]:
    yield from (".TP", f"\\fB{_escape(head)}\\fR", _text(words))


def _text(words: str) -> str:
    """Plain words on one line, without the marks of Markdown."""
    return _escape(re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", words).replace("`", "").replace("\n", " ").strip())


def _escape(text: str) -> str:
    """For roff: a hyphen that can be copied, and no command at the beginning of a line."""
    escaped = text.replace("\\", "\\e").replace("-", "\\-")
    return f"\\&{escaped}" if escaped.startswith((".", "'")) else escaped
