"""`aegan-monitor completion`: scripts for bash, zsh and fish, made from the parser."""

import argparse
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from aegan_monitor.command_options import parse_map_path

PATHS = (Path, parse_map_path)  # types of options whose value is a file or folder


@dataclass(frozen=True, slots=True)
class Option:
    """An option by its long names, or an argument, which has none; `choices` is empty where any value will do."""

    names: tuple[str, ...]
    takes_value: bool
    choices: tuple[str, ...]
    is_path: bool
    words: str


@dataclass(frozen=True, slots=True)
class Command:
    """A command with its options; `path` is empty for the program itself, and has two words for `config init`."""

    path: tuple[str, ...]
    words: str
    options: tuple[Option, ...]
    commands: tuple[str, ...]

    @property
    def flags(self) -> list[str]:
        """The names of all options."""
        return [name for option in self.options for name in option.names]

    @property
    def arguments(self) -> list[Option]:
        """What has no name."""
        return [option for option in self.options if not option.names]


def make_completion(parser: argparse.ArgumentParser, shell: str) -> str:
    """The script for `bash`, `zsh` or `fish`."""
    return WRITERS[shell](parser.prog, list(find_commands(parser)))


def find_commands(parser: argparse.ArgumentParser, path: tuple[str, ...] = (), words: str = "") -> Iterator[Command]:
    """The program and all its commands."""
    options, inner = [], dict[str, argparse.ArgumentParser]()
    helps: dict[str, str] = {}
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            inner.update(action.choices)
            helps.update({choice.dest: choice.help or "" for choice in action._choices_actions})
        else:
            choices = tuple(map(str, action.choices or ()))
            names = tuple(name for name in action.option_strings if name.startswith("--"))
            options.append(Option(names, action.nargs != 0, choices, action.type in PATHS, (action.help or "").replace("%%", "%")))
    yield Command(path, words, tuple(options), tuple(inner))
    for name, each in inner.items():
        yield from find_commands(each, (*path, name), helps[name])


def _write_bash(program: str, commands: list[Command]) -> str:
    function = f"_{program.replace('-', '_')}"
    valued = {name: option for command in commands for option in command.options if option.takes_value for name in option.names}
    files = sorted(name for name, option in valued.items() if option.is_path)
    others = sorted(name for name, option in valued.items() if not option.is_path and not option.choices)
    chosen = [f'        {name}) names="{" ".join(option.choices)}" flags= ;;' for name, option in sorted(valued.items()) if option.choices]
    places = " ".join(f"'{' '.join(command.path)}'" for command in commands if command.path)
    return f"""# bash completion of {program}
{function}() {{
    local word=${{COMP_WORDS[COMP_CWORD]}} before=${{COMP_WORDS[COMP_CWORD-1]}} command="" names="" flags="" files="" each i
    for ((i = 1; i < COMP_CWORD; i++)); do
        for each in {places}; do
            if [[ "${{command:+$command }}${{COMP_WORDS[i]}}" == "$each" ]]; then command=$each; break; fi
        done
    done
    case "$command" in
{"".join(map(_bash_command, commands))}    esac
    case "$before" in
{"".join(f"{line}{chr(10)}" for line in chosen)}        {"|".join(files)}) names="" flags="" files=yes ;;
        {"|".join(others)}) names="" flags="" files="" ;;
    esac
    if [[ -n $files && $word != -* ]]; then compopt -o default; COMPREPLY=(); return; fi
    if [[ -z $names || $word == -* ]]; then names=$flags; fi
    mapfile -t COMPREPLY < <(compgen -W "$names" -- "$word")
}}
complete -F {function} {program}
"""


def _bash_command(command: Command) -> str:
    names = " ".join([*command.commands, *(choice for argument in command.arguments for choice in argument.choices)])
    files = " files=yes" if any(argument.is_path for argument in command.arguments) else ""
    return f"""        "{" ".join(command.path)}") names="{names}" flags="{" ".join(command.flags)}"{files} ;;\n"""


def _write_zsh(program: str, commands: list[Command]) -> str:
    return "".join(
        [f"#compdef {program}\n", *(_zsh_function(program, command, commands) for command in commands), f'{_zsh_name(program)} "$@"\n']
    )


def _zsh_function(program: str, command: Command, commands: list[Command]) -> str:
    lines = [
        f"{_zsh_name(program, *command.path)}() {{",
        "    local context state state_descr line",
        "    typeset -A opt_args",
        "    _arguments -C \\",
    ]
    lines += [f"        {_zsh_option(option)} \\" for option in command.options]
    if command.commands:
        lines += ["        '1: :->command' \\", "        '*:: :->arguments'", "    case $state in", "        command)"]
        lines.append("            local -a commands=(")
        inner = [each for each in commands if each.path[:-1] == command.path and each.path]
        lines += [f"                {_quote(f'{each.path[-1]}:{_escape(each.words)}')}" for each in inner]
        lines += ["            )", "            _describe command commands ;;", "        arguments)", "            case $line[1] in"]
        lines += [f"                {each.path[-1]}) {_zsh_name(program, *each.path)} ;;" for each in inner]
        lines += ["            esac ;;", "    esac"]
    else:
        lines[-1] = lines[-1].removesuffix(" \\")
    return "\n".join([*lines, "}", ""])


def _zsh_name(program: str, *path: str) -> str:
    return "_" + "_".join([program, *path])


def _zsh_option(option: Option) -> str:
    value = "_files" if option.is_path else f"({' '.join(option.choices)})" if option.choices else " "
    if not option.names:
        return _quote(f"*:{_escape(option.words)}:{value}")
    words = f"[{_escape(option.words)}]" + (f":value:{value}" if option.takes_value else "")
    return f"{option.names[0]}{_quote(words)}"


def _write_fish(program: str, commands: list[Command]) -> str:
    lines = [f"# fish completion of {program}", f"complete -c {program} -f"]
    for command in commands:
        where = _fish_condition(command)
        for name in command.commands:
            words = next(each.words for each in commands if each.path == (*command.path, name))
            lines.append(f"complete -c {program}{where} -a {name} -d {_quote(words)}")
        lines += [f"complete -c {program}{where}{words}" for option in command.options if (words := _fish_option(option))]
    return "\n".join([*lines, ""])


def _fish_condition(command: Command) -> str:
    if not command.path:
        return " -n __fish_use_subcommand"
    seen = "; and ".join(f"__fish_seen_subcommand_from {name}" for name in command.path)
    return f" -n {_quote(seen)}"


def _fish_option(option: Option) -> str:
    """Its words, and whether files (-F), its choices or nothing completes its value; empty for an argument that nothing completes."""
    names = "".join(f" -l {name[2:]}" for name in option.names)
    if option.is_path:
        value = " -r -F" if names else " -F"
    elif option.choices:
        value = f"{' -x' * bool(names)} -a {_quote(' '.join(option.choices))}"
    elif not names:
        return ""
    else:
        value = " -x" * option.takes_value
    return f"{names}{value} -d {_quote(option.words)}"


def _escape(text: str) -> str:
    """For zsh, where these characters end a description."""
    return re.sub(r"([\[\]:\\])", r"\\\1", text)


def _quote(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


WRITERS: Mapping[str, Callable[[str, list[Command]], str]] = {"bash": _write_bash, "zsh": _write_zsh, "fish": _write_fish}
