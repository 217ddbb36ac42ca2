"""The command of the bench, from recordings to the report, with a training of seconds."""

import json
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from aegan_monitor.errors import UsageError
from aegan_train.bench.command import run_bench
from aegan_train.bench.measure import Measured
from aegan_train.bench.units import Bench
from broker import wait_until
from synthetic import write_dataset

ROWS = ["quadcopter_mixed", "press_halls"]


def test_rows_are_trained_once_and_reported(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    """A second call reads the result; a row without its parts is named with what is missing, and the others run."""
    write_dataset(bench.recordings / "quadcopter_mixed", machine_type="quadcopter", n_train=8, n_normal=2, n_anomaly=2)
    assert run_bench(ROWS, 1, bench) == 0
    first = capsys.readouterr()
    assert "quadcopter_mixed, seed 0: trained in" in first.out
    assert f"not run: press_halls: {bench.esc10 / '*_Dog_bark'}: no clips of ESC-10" in first.out
    report = json.loads((bench.out / "quality.json").read_text())
    assert list(report["rows"]) == ["quadcopter_mixed"]
    assert list(report["not_run"]) == ["press_halls"]
    assert (bench.out / "quality.svg").is_file()
    found = Measured.model_validate_json((bench.out / "runs" / "quadcopter_mixed.robust.0.json").read_bytes())
    assert [clip.fault for clip in found.clips] == ["none"] * 2 + [""] * 2
    assert found.n_clips == 8
    assert {kind: len(shares) for kind, shares in found.lasting.disturbances.items()} == {"bangs": 2, "taps": 2, "claps": 2}
    assert len(found.lasting.faults["none"]) == 2
    assert "lasting share: AUC" in first.out
    assert "epoch 1 of 1" in (bench.out / "runs" / "quadcopter_mixed.robust.0.log").read_text()
    assert sorted(path.name for path in bench.out.iterdir()) == ["quality.json", "quality.svg", "runs", "weights"]

    assert run_bench(ROWS, 1, bench) == 0
    second = capsys.readouterr()
    assert "quadcopter_mixed, seed 0: as before" in second.out
    assert second.out.partition("recorded: AUC")[2] == first.out.partition("recorded: AUC")[2] != ""


def test_kept_weights_are_calibrated_again_without_training(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    """With other settings of the calibration; other settings of the training need another training (`test_weights` has the rest)."""

    def run(changed: Bench) -> str:
        assert run_bench(["quadcopter_mixed"], 1, changed) == 0
        return capsys.readouterr().out.splitlines()[0]

    write_dataset(bench.recordings / "quadcopter_mixed", machine_type="quadcopter", n_train=8, n_normal=2, n_anomaly=2)
    path = bench.out / "runs" / "quadcopter_mixed.robust.0.json"
    assert "trained in" in run(bench)
    first = Measured.model_validate_json(path.read_bytes())
    path.unlink()
    assert "kept weights, calibrated in" in run(bench)
    again = Measured.model_validate_json(path.read_bytes())
    assert (again.clips, again.thresholds) == (first.clips, first.thresholds)
    assert "kept weights" in run(replace(bench, config=bench.config.model_copy(update={"score": "D_near"})))
    assert Measured.model_validate_json(path.read_bytes()).score == "D_near"
    assert "trained in" in run(replace(bench, config=bench.config.model_copy(update={"match_weight": 0.2})))


@pytest.mark.full
def test_the_number_of_jobs_changes_no_result(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    """Two trainings side by side give the scores of two in turn, to the last bit."""
    write_dataset(bench.recordings / "quadcopter_mixed", machine_type="quadcopter", n_train=8, n_normal=2, n_anomaly=2)
    assert run_bench(["quadcopter_mixed"], 2, bench) == 0
    paths = [bench.out / "runs" / f"quadcopter_mixed.robust.{seed}.json" for seed in range(2)]
    before = [Measured.model_validate_json(path.read_bytes()) for path in paths]
    for path in [*paths, *(bench.out / "weights").iterdir()]:
        path.unlink()
    assert run_bench(["quadcopter_mixed"], 2, bench, 2) == 0
    after = [Measured.model_validate_json(path.read_bytes()) for path in paths]
    assert [each.clips for each in after] == [each.clips for each in before]
    assert capsys.readouterr().out.count("trained in") == 4


@pytest.mark.full
def test_ctrl_c_ends_all_trainings_and_keeps_what_is_finished(tmp_path: Path) -> None:
    """No process and no clip stays behind."""
    out = tmp_path / "out"
    command = [sys.executable, "-m", "aegan_train.cli", "bench", "--data", str(tmp_path), "--out", str(out), "--device", "cpu"]
    rows = ["--rows", "pump_place", "rotor_place", "--seeds", "1", "--jobs", "2"]
    process = subprocess.Popen([*command, *rows], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    wait_until(lambda: len(list(out.glob(".*/*/data/dev_data"))) == 2, "two trainings", 60)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=30)  # also waits until the processes that hold its pipes have ended
    assert process.returncode == 130
    assert errors == "stopped; finished trainings are kept, and the same command goes on\n"
    assert [path for path in out.rglob("*") if path.is_file()] == []


def test_a_row_that_cannot_be_trained_is_named(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    """With the reason; the exit code says so, and a report that was there stays."""
    folder = write_dataset(bench.recordings / "quadcopter_mixed", machine_type="quadcopter", n_train=1, n_normal=1, n_anomaly=1)
    bench.out.mkdir()
    (bench.out / "quality.json").write_text("{}")
    assert run_bench(["quadcopter_mixed"], 1, bench) == 1
    assert f"not run: quadcopter_mixed, seed 0: {folder}: expected at least 8" in capsys.readouterr().out
    assert (bench.out / "quality.json").read_text() == "{}"


def test_an_unknown_row_is_refused(bench: Bench) -> None:
    """With the names that there are."""
    with pytest.raises(UsageError, match="pump_hall: no such row; the rows are quadcopter_mixed, "):
        run_bench(["pump_hall"], 1, bench)
