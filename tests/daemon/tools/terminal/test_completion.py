"""Completion of commands and options, by the shells themselves."""

import shutil
import subprocess
from pathlib import Path

import pytest

from aegan_monitor.arguments import make_parser
from aegan_monitor.cli import main
from aegan_monitor.terminal_arguments import SHELLS
from aegan_monitor.tools.terminal.completion import find_commands, make_completion

CASES = [  # what is typed, and what of the answer must be there, or may not
    (["sh"], {"shelve"}, {"status"}),
    ([""], {"run", "config", "demo"}, {"--help", "init"}),
    (["config", ""], {"init"}, {"run"}),
    (["config", "init", "--"], {"--bundle", "--device"}, {"--out"}),
    (["shelve", "config", "--m"], {"--minutes"}, {"--machine"}),
    (["acknowledge", "pump", "--verdict", ""], {"true_fault", "other"}, {"--by"}),
    (["acknowledge", "pump", "--by", ""], set(), {"--by", "monitor.yaml"}),
    (["run", "--config", "mon"], {"monitor.yaml"}, {"run"}),
    (["check", "mon"], {"monitor.yaml"}, {"run"}),
    (["completion", ""], {"bash", "zsh", "fish"}, {"run"}),
]
BASH = """
source "$1"; shift
COMP_WORDS=(aegan-monitor "$@"); COMP_CWORD=$#
compopt() { offered=$(compgen -f -- "${COMP_WORDS[COMP_CWORD]}"); }
_aegan_monitor
printf '%s\n' "${COMPREPLY[@]}" $offered
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a configuration."""
    (tmp_path / "monitor.yaml").touch()
    return tmp_path


def complete(folder: Path, command: list[str]) -> set[str]:
    """The words that a shell offers."""
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True, timeout=60)
    assert done.stderr == ""
    return {line.partition("\t")[0].split("/")[-1] for line in done.stdout.splitlines()}


@pytest.mark.parametrize(("typed", "there", "not_there"), CASES, ids=lambda each: " ".join(each) if isinstance(each, list) else "")
def test_bash(folder: Path, typed: list[str], there: set[str], not_there: set[str]) -> None:
    """Commands, options, values and files."""
    script = folder / "script"
    script.write_text(make_completion(make_parser(), "bash"))
    found = complete(folder, ["bash", "-c", BASH, "bash", str(script), *typed])
    assert there <= found
    assert not not_there & found


@pytest.mark.skipif(shutil.which("fish") is None, reason="not installed: fish")
def test_fish(folder: Path) -> None:
    """Commands, options, values and files."""
    script = folder / "script"
    script.write_text(make_completion(make_parser(), "fish"))
    for typed, there, not_there in CASES:
        found = complete(folder, ["fish", "-N", "-c", f"source {script}; complete -C 'aegan-monitor {' '.join(typed)}'"])
        assert there <= found, typed
        assert not not_there & found, typed


@pytest.mark.parametrize("shell", SHELLS)
def test_each_script_is_complete_and_well_formed(tmp_path: Path, capsys: pytest.CaptureFixture[str], shell: str) -> None:
    """Each option of each command is in it, and the shell reads it, where it is installed."""
    assert main(["completion", shell]) == 0
    script = capsys.readouterr().out
    for command in find_commands(make_parser()):
        assert all(name in script for name in command.path)
        assert all((f"-l {flag[2:]} " if shell == "fish" else flag) in script for flag in command.flags)
    (tmp_path / "script").write_text(script)
    if shutil.which(shell):
        subprocess.run([shell, "-n", tmp_path / "script"], check=True)
