"""`aegan-train fleet` on this computer: killed in the middle, continued, with machines that cannot be trained."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from broker import wait_until
from small_disk import run_on_small_disk
from train.fleet.conftest import N_CLIPS, WritePlant

FLEET = (sys.executable, "-m", "aegan_train.cli", "fleet")
DEADLINE_S = 300.0
pytestmark = pytest.mark.timeout(900)


def find_workers(parent: int) -> list[int]:
    """The processes of the workers that `parent` has started."""
    return [
        int(process.name)
        for process in Path("/proc").glob("[0-9]*")
        if _read(process / "cmdline").endswith("aegan_train.fleet.worker\0") and f"\nPPid:\t{parent}\n" in _read(process / "status")
    ]


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""


def test_a_killed_fleet_goes_on_and_repeats_nothing(write_plant: WritePlant, dataset: Path, tmp_path: Path) -> None:
    """Workers end with a killed fleet. The next call does what was left, also where a worker is killed; bad machines are a line each."""
    machines = (
        "  - {name: a, kind: pumps}\n  - {name: b, kind: pumps}\n  - {name: twice}\n  - {name: twice}\n  - {name: gone}\n  - {name: few}\n"
        f"  - {{name: labelled, data: {dataset}, machine_type: pump, backtest: recordings/a}}\n"
    )
    plant = write_plant(machines, {"a": N_CLIPS, "b": N_CLIPS, "few": 3})
    done = tmp_path / "fleet" / "done"
    with subprocess.Popen([*FLEET, plant, "--jobs", "2"], stdout=subprocess.DEVNULL) as fleet:
        wait_until(lambda: len(list(done.glob("*.json"))) >= 2, "two tasks", DEADLINE_S)
        workers = find_workers(fleet.pid)
        assert len(workers) == 2
        fleet.kill()
    wait_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in workers), "the end of the workers", 10.0)
    before = {path: path.stat().st_mtime_ns for path in done.iterdir()}
    with subprocess.Popen([*FLEET, plant, "--jobs", "2"], stdout=subprocess.PIPE, text=True) as second:
        wait_until(lambda: find_workers(second.pid), "a worker", DEADLINE_S)
        os.kill(find_workers(second.pid)[0], signal.SIGKILL)
        assert second.stdout is not None
        printed = second.stdout.read()
    assert second.returncode == 1, printed  # three machines cannot be trained
    assert {path: path.stat().st_mtime_ns for path in before} == before
    report = json.loads((tmp_path / "fleet" / "fleet.json").read_text())
    assert report["counts"] == {"complete": 3, "failed": 3, "unfinished": 0}
    problems = {machine["name"]: machine["problem"] for machine in report["machines"] if machine["problem"]}
    assert problems["twice"] == "twice is 2 times in plant.yaml; give each machine a name of its own"
    assert "no such folder" in problems["gone"]
    assert "expected at least 8 normal clips, found" in problems["few"]
    labelled = next(machine for machine in report["machines"] if machine["name"] == "labelled")
    assert 0.5 <= labelled["auc"] <= 1.0
    assert labelled["backtest_h"] == pytest.approx(N_CLIPS * 10 / 3600, abs=0.01)
    assert all(line in printed for line in problems.values())
    assert "<h1>6 machines: 3 complete, 3 failed</h1>" in (tmp_path / "fleet" / "fleet.html").read_text()
    again = subprocess.run([*FLEET, plant], capture_output=True, text=True, check=False)
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert "11 tasks, of which 9 were done before" in again.stdout


def test_two_fleets_in_one_folder_are_refused(write_plant: WritePlant, tmp_path: Path) -> None:
    """The folder of the results is locked."""
    from aegan_train.run_folder import lock_run

    plant = write_plant("  - {name: few}\n", {"few": 3})
    with lock_run(tmp_path / "fleet"):
        done = subprocess.run([*FLEET, plant], capture_output=True, text=True, check=False)
    assert (done.returncode, "another training writes there" in done.stderr) == (1, True)


def test_a_store_that_goes_away_costs_only_its_machines(write_plant: WritePlant, tmp_path: Path) -> None:
    """Recordings that vanish meanwhile are one line; the other machine is finished."""
    plant = write_plant("  - {name: a}\n  - {name: b}\n", {"a": N_CLIPS, "b": N_CLIPS})
    with subprocess.Popen([*FLEET, plant, "--jobs", "1"], stdout=subprocess.PIPE, text=True) as fleet:
        wait_until(lambda: list((tmp_path / "fleet" / "logs").glob("train-a-*.log")), "the first task", DEADLINE_S)
        (tmp_path / "recordings" / "b").rename(tmp_path / "gone")
        assert fleet.stdout is not None
        printed = fleet.stdout.read()
    assert fleet.returncode == 1
    machines = {machine["name"]: machine for machine in json.loads((tmp_path / "fleet" / "fleet.json").read_text())["machines"]}
    assert (machines["a"]["state"], machines["b"]["state"]) == ("complete", "failed")
    assert "recordings/b: no such folder" in machines["b"]["problem"]
    assert f"b: train: is tried again at the end: {machines['b']['problem']}" in printed


@pytest.mark.mount
def test_a_full_disk_is_one_line_a_machine(write_plant: WritePlant, tmp_path: Path) -> None:
    """The disk of the results is full: each machine says so, and the exit code is 1."""
    plant, disk = write_plant("  - {name: a}\n  - {name: b}\n", {"a": N_CLIPS, "b": N_CLIPS}), tmp_path / "disk"
    disk.mkdir()
    plant.write_text(f"out: {disk}\n{plant.read_text()}")
    done = run_on_small_disk(disk, 2_000_000, [*FLEET, plant, "--jobs", "2"])
    assert done.returncode == 1, done.stderr
    for name in "ab":
        lines = [line for line in done.stdout.splitlines() if line.startswith(f"{name}: train: failed: ")]
        assert len(lines) == 1, done.stdout
        assert "space" in lines[0]
        assert re.search(rf"its log: .*/logs/train-{name}-[0-9a-f]+\.log$", lines[0])
    assert "Traceback" not in done.stderr
