"""`aegan-monitor backtest --plant`: all machines of a configuration, killed in the middle, continued."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from aegan_monitor.cli import main
from aegan_monitor.demo.pump import Pump
from aegan_monitor.detection.bundle import demo_bundle
from broker import wait_until
from sound_files import RATE_HZ, write

pytestmark = pytest.mark.process
LENGTH_S, FAULT_FROM_S, BEGAN = 60, 25.0, 1_780_000_000
BACKTEST = (sys.executable, "-m", "aegan_monitor", "backtest", "--plant")


@pytest.fixture
def plant(tmp_path: Path) -> Path:
    """Two pumps whose bearings break at once, a machine without recordings, and one of thresholds with a damaged recording."""
    machines = [f"{{name: {name}, bundle: {demo_bundle()}}}" for name in ("one", "two", "none")]
    machines.append(f"{{name: old, bundle: {demo_bundle()}, alarm: {{quantile: 0.9}}}}")
    (tmp_path / "monitor.yaml").write_text(f"machines: [{', '.join(machines)}]\n")
    for seed, name in enumerate(("one", "two", "old")):
        folder = tmp_path / "recordings" / name
        folder.mkdir(parents=True)
        sound = Pump(41, RATE_HZ, FAULT_FROM_S if name != "old" else None).read(LENGTH_S * RATE_HZ)
        write(folder / "a.wav", np.roll(sound, seed))
        os.utime(folder / "a.wav", (BEGAN + LENGTH_S, BEGAN + LENGTH_S))
    (tmp_path / "recordings" / "old" / "b.wav").write_bytes(b"RIFF")
    return tmp_path


def run(plant: Path, *more: object) -> int:
    """Backtest it in this process."""
    arguments = ["--config", plant / "monitor.yaml", "--out", plant / "out", "--jobs", 2, *more, plant / "recordings"]
    return main(["backtest", "--plant", *map(str, arguments)])


def read(plant: Path) -> dict[str, Any]:
    """The result."""
    found: dict[str, Any] = json.loads((plant / "out" / "plant.json").read_text())
    return found


def test_a_hall_has_common_causes_and_other_budgets(plant: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each machine's figures are those of its own backtest; what cannot be judged is a line each, and the exit code is 1."""
    assert run(plant, "--budget", 7) == 1
    out, err = capsys.readouterr()
    assert f"none: {plant}/recordings/none: no such folder" in err
    assert f"old: {plant}/recordings/old/b.wav: " in err
    found = read(plant)
    assert list(found["machines"]) == ["one", "two", "old"]
    assert found["hall"]["n_causes"] == found["hall"]["n_alarms"] - 1
    (cause,) = found["hall"]["common_causes"]
    assert sorted(cause["machines"]) == ["one", "two"]
    raised_s = found["machines"]["one"]["alarms"][0]["raised_s"]
    assert cause["at"].startswith("2026-05-28T20:2")
    assert FAULT_FROM_S < raised_s < LENGTH_S
    (other,) = found["other_budgets"]
    assert other["budget_per_week"] == 7
    assert other["weeks"] == pytest.approx(2 * LENGTH_S / 2 / (7 * 86400), rel=0.05)  # without the machine of thresholds
    assert "with 7 accepted a week of each machine: alarms " in out
    arguments = ["--config", plant / "monitor.yaml", "--machine", "one", "--out", plant / "alone", "--budget", 7]
    assert main(["backtest", *map(str, arguments), str(plant / "recordings" / "one")]) == 0
    assert json.loads((plant / "alone" / "backtest.json").read_text()) == found["machines"]["one"]


def test_what_was_done_is_not_done_again_though_killed(plant: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A kill ends the processes of all machines; the next call gives the same, and a further recording makes its machine new."""
    out = plant / "out"
    command = list(map(str, [*BACKTEST, "--config", plant / "monitor.yaml", "--out", out, "--jobs", "1", plant / "recordings"]))
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as running:
        wait_until(lambda: list(out.glob("one-*")), "the first machine")
        wait_until(lambda: find_children(running.pid), "the second machine")
        children = find_children(running.pid)
        running.kill()
    wait_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in children), "the end of its processes")
    assert not (out / "plant.json").exists()
    (first,) = out.glob("one-*")
    before = first.stat().st_mtime_ns
    assert run(plant) == 1
    assert first.stat().st_mtime_ns == before
    assert not list(out.glob(".*"))
    found, folders = read(plant), sorted(out.iterdir())
    assert run(plant) == 1
    assert (read(plant), sorted(out.iterdir())) == (found, folders)
    write(plant / "recordings" / "two" / "b.wav", Pump(42, RATE_HZ).read(20 * RATE_HZ))
    assert run(plant) == 1
    assert len(list(out.glob("two-*"))) == 2
    assert len(list(out.glob("one-*"))) == 1
    capsys.readouterr()


def find_children(parent: int) -> list[int]:
    """The processes that `parent` has started."""
    return [int(pid) for task in Path(f"/proc/{parent}/task").iterdir() for pid in (task / "children").read_text().split()]


def test_options_that_do_not_go_together_are_refused(plant: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One line says what it takes."""
    assert run(plant, "--machine", "one") == 2
    assert "backtest --plant: takes one folder" in capsys.readouterr().err
