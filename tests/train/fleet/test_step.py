"""One task in a process that stays."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from aegan_train.fleet.step import Order, run_step


@pytest.fixture
def order(tmp_path: Path, run_folder: Path) -> Order:
    """The export of a run."""
    bundle = tmp_path / "bundle"
    return Order(
        "export",
        "aegan-export",
        [str(run_folder), "--out", str(bundle)],
        str(bundle / "bundle.json"),
        str(run_folder),
        str(tmp_path / "done" / "export.json"),
        str(tmp_path / "logs" / "export.log"),
    )


def test_a_done_task_leaves_log_and_record(order: Order, capfd: pytest.CaptureFixture[str]) -> None:
    """What the command prints is in the log alone, and the record has the command and the figures."""
    result = run_step(order)
    assert result.problem == ""
    assert len(str(result.figures["bundle_digest"])) == 64
    record = json.loads(Path(order.done).read_text())
    assert record["command"] == [order.program, *order.arguments]
    assert record["figures"] == result.figures
    assert "bundle written" in Path(order.log).read_text()
    assert capfd.readouterr() == ("", "")


def test_a_failed_task_says_why_in_one_line_and_leaves_no_record(order: Order, tmp_path: Path) -> None:
    """The line is that of the program."""
    result = run_step(replace(order, arguments=[str(tmp_path / "nothing"), "--out", str(tmp_path / "bundle")]))
    assert "is no finished run" in result.problem
    assert "\n" not in result.problem
    assert not Path(order.done).exists()


def test_wrong_options_and_lacking_programs_are_problems(order: Order) -> None:
    """Neither ends the process."""
    assert "unrecognized arguments: --wrong" in run_step(replace(order, arguments=[*order.arguments, "--wrong"])).problem
    assert "aegan-nothing is not installed" in run_step(replace(order, program="aegan-nothing")).problem


def test_a_full_disk_is_a_problem(order: Order) -> None:
    """A log that cannot be written is one line."""
    assert run_step(replace(order, log="/dev/full/export.log")).problem.startswith("/dev/full")
    assert "No space left on device" in run_step(replace(order, log="/dev/full")).problem
