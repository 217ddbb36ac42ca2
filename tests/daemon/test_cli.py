"""The command line: each command explains itself, and the configuration that is printed is a valid one."""

import argparse
import runpy
import shlex
from pathlib import Path

import pytest

from aegan_monitor.arguments import make_parser
from aegan_monitor.cli import ACTIONS, main
from aegan_monitor.config.model import load_config


def subcommands() -> dict[str, argparse.ArgumentParser]:
    """The parser of each command."""
    (action,) = [action for action in make_parser()._actions if isinstance(action, argparse._SubParsersAction)]
    return dict(action.choices)


@pytest.mark.parametrize("name", ACTIONS)
def test_help_has_a_sentence_and_an_example_that_parses(name: str) -> None:
    """The example of --help is a command line that the program accepts, and each option has a description."""
    parser = subcommands()[name]
    assert (parser.description or "").endswith(".")
    (line,) = (parser.epilog or "").removeprefix("example:\n").splitlines()
    program, *words = shlex.split(line)
    assert program == "aegan-monitor"
    assert make_parser().parse_args(words).command == name
    assert [action.option_strings or action.dest for action in parser._actions if not action.help] == []


def test_each_command_has_a_function() -> None:
    """No command of the parser lacks its function."""
    assert set(ACTIONS) == set(subcommands())


def test_the_package_runs_as_a_module(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """`python -m aegan_monitor` is the same program."""
    monkeypatch.setattr("sys.argv", ["aegan-monitor", "--version"])
    with pytest.raises(SystemExit):
        runpy.run_module("aegan_monitor", run_name="__main__")
    assert capsys.readouterr().out.startswith("aegan-monitor ")


def test_the_printed_configuration_is_valid(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The daemon accepts what `config` prints."""
    assert main(["config"]) == 0
    (tmp_path / "monitor.yaml").write_text(capsys.readouterr().out, encoding="utf-8")
    assert load_config(tmp_path / "monitor.yaml").machines[0].name == "pump"
