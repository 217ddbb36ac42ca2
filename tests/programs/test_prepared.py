"""The prepared process: its children end, fail and die as processes of their own do."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from prepared import Prepared


@pytest.fixture(scope="module")
def prepared() -> Iterator[Prepared]:
    """One that has nothing loaded."""
    with Prepared() as process:
        yield process


@pytest.mark.parametrize(
    ("module", "function", "arguments", "code"),
    [("sys", "exit", [3], 3), ("sys", "exit", [0], 0), ("operator", "add", [1, 1], 2), ("json", "loads", ["{"], 1)],
)
def test_a_child_returns_its_exit_code(prepared: Prepared, module: str, function: str, arguments: list[object], code: int) -> None:
    """By exit, by what it returns, or 1 with a traceback."""
    done = prepared.run(module, function, arguments)
    assert (done.returncode, "JSONDecodeError" in done.stderr) == (code, module == "json")


def test_a_child_has_folder_environment_and_pipes_of_its_own(prepared: Prepared, tmp_path: Path) -> None:
    """Nothing of it changes this process or the next child."""
    shell = "echo $NAME $PWD; cat"
    done = prepared.run("os", "system", [shell], {"NAME": "pump"}, folder=tmp_path, stdin=b"sound")
    assert (done.returncode, done.stdout) == (0, f"pump {tmp_path}\nsound")
    assert prepared.run("os", "system", ["echo $NAME"]).stdout == "\n"


def test_a_killed_child_says_so_while_others_run(prepared: Prepared) -> None:
    """Each end is reported to its own parent alone."""
    children = [prepared.start("time", "sleep", [60]) for _ in range(3)]
    for child in reversed(children):
        child.kill()
        assert (child.wait(10.0), child.wait(10.0)) == (-signal.SIGKILL, -signal.SIGKILL)
        child.stdin.close()
        child.stderr.close()
    assert not any(Path(f"/proc/{child.pid}").exists() for child in children if child.pid != os.getpid())
