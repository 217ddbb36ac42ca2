"""`aegan-train fit`: runs, resuming and stopping."""

import contextlib
import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from aegan_export.bundle import export_bundle
from aegan_monitor.cli import main as monitor_main
from aegan_monitor.detection.bundle import load_bundle
from aegan_monitor.detection.record import PLACES
from aegan_monitor.detection.threshold import make_threshold
from aegan_train.checkpoint import load_checkpoint
from aegan_train.config import load_config
from aegan_train.evaluate import load_fields
from aegan_train.fit import FitRequest, fit
from training_program import aegan_train, fit_tiny

CPU = torch.device("cpu")


def start_fit(data: Path, out: Path, streams: int) -> subprocess.Popen[str]:
    """A training that goes on until it is stopped; `streams` is what becomes of stdout and stderr."""
    command = [sys.executable, "-m", "aegan_train.cli", *map(str, fit_tiny(data, out)), "--epochs", "500"]
    return subprocess.Popen(command, stdout=streams, stderr=streams, text=True)


def test_a_run_holds_what_export_needs(run_folder: Path) -> None:
    """A run has all files for export, and its checkpoint contains its settings."""
    assert {path.name for path in run_folder.iterdir()} == {
        "checkpoint.pt", "run.json", "reference.npz", "golden.npz", "gate.npz", "segments.npz", "held_out.jsonl", "findings.json",
    }  # fmt: skip
    training = load_checkpoint(run_folder, CPU)
    assert (training.machine_type, training.preset, training.seed, len(training.history)) == ("pump", "tiny", 0, 3)
    assert training.history[-1]["recon"] < training.history[0]["recon"]


def test_a_run_holds_what_was_found_out_about_its_sound(run_folder: Path) -> None:
    """findings.json holds amount, states, rhythm, outliers and what the network is worth."""
    found = json.loads((run_folder / "findings.json").read_text())
    assert list(found) == ["format", "amount", "commissioning", "n_recordings", "states", "rhythm", "outliers", "network", "members"]
    assert (found["amount"]["n_fitted_files"], found["amount"]["n_held_out_files"], found["n_recordings"]) == (10, 2, 6)
    assert {"name", "share", "level_dbfs", "from_dbfs", "to_dbfs", "n_recordings", "quantiles"} < set(found["states"][0])
    [state] = load_fields(run_folder).normal_sound
    assert (state.name, state.share, [state.level_dbfs, *state.bands_dbfs]) == ("running", 1, found["states"][0]["quantiles"])


def test_a_resumed_run_is_the_run_that_never_stopped(dataset: Path, run_folder: Path, tmp_path: Path) -> None:
    """Two epochs and then one more give the weights of three, bit for bit."""
    out = tmp_path / "run"
    fit(FitRequest(dataset, "pump", "tiny", load_config("tiny", None, n_epochs=2), out, "cpu", 0))
    fit(FitRequest(dataset, "pump", "tiny", load_config("tiny", None, n_epochs=3), out, "cpu", 0, resume=True))
    one, other = load_checkpoint(out, CPU), load_checkpoint(run_folder, CPU)
    times = [[epoch.pop("minutes") for epoch in each.history] for each in (one, other)]
    assert times == [sorted(each) for each in times]
    assert one.history == other.history
    for network in ("generator", "discriminator"):
        for name, value in getattr(one, network).state_dict().items():
            assert torch.equal(value, getattr(other, network).state_dict()[name]), name
    assert (out / "run.json").read_text() == (run_folder / "run.json").read_text()


def test_a_resumed_run_goes_on_with_its_task(dataset: Path, tmp_path: Path) -> None:
    """The layer of the pretext task is in the checkpoint: one epoch and then one more give the weights of two, bit for bit."""
    runs = []
    for place, epochs in enumerate(([2], [1, 2])):
        out = tmp_path / str(place)
        for n_epochs in epochs:
            config = load_config("tiny", None, n_epochs=n_epochs, epoch_batches=4, pretext_weight=10, ndf=2, nz=8)
            fit(FitRequest(dataset, "pump", "tiny", config, out, "cpu", 0, resume=n_epochs == 2))
        runs.append(torch.load(out / "checkpoint.pt", weights_only=True))
    whole, resumed = runs
    assert list(whole["head"]) == ["weight", "bias"]
    for part in ("head", "netD"):
        for name, value in whole[part].items():
            assert torch.equal(value, resumed[part][name]), name


def test_a_run_is_not_overwritten_nor_continued_with_other_settings(dataset: Path, run_folder: Path) -> None:
    """Overwriting a run, or resuming it with other settings, is refused in one line."""
    base = fit_tiny(dataset, run_folder)
    done = aegan_train(*base)
    assert done.returncode == 1
    assert done.stderr == f"aegan-train: {run_folder}: already holds a run; continue it with --resume, or choose another --out\n"
    done = aegan_train(*base, "--resume", "--seed", "5")
    assert done.returncode == 1
    assert re.fullmatch(r"aegan-train: .*: --resume: the run was begun with seed 0, now 5.*; choose another --out\n", done.stderr)


def test_ctrl_c_keeps_the_last_whole_epoch(dataset: Path, tmp_path: Path) -> None:
    """A run that was interrupted can be evaluated, exported and continued."""
    out = tmp_path / "run"
    process = start_fit(dataset, out, subprocess.PIPE)
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("epoch 2 of 500,"):
            process.send_signal(signal.SIGINT)
            break
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert re.search(r"^stopped; epoch (\d+) is kept, continue with --resume$", errors, re.MULTILINE)
    assert "Traceback" not in errors
    n_epochs = json.loads((out / "run.json").read_text())["provenance"]["n_epochs"]
    assert n_epochs == len(load_checkpoint(out, CPU).history) >= 2


def test_a_kill_leaves_a_whole_checkpoint(dataset: Path, tmp_path: Path) -> None:
    """After a kill at any moment the checkpoint loads."""
    out = tmp_path / "run"
    process = start_fit(dataset, out, subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while not (out / "checkpoint.pt").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(0.7)  # any moment will do
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert len(load_checkpoint(out, CPU).history) >= 1


def test_a_training_that_diverges_keeps_the_last_good_epoch(tmp_path: Path, dataset: Path, run_folder: Path) -> None:
    """A diverged training gives one line, keeps the last good checkpoint, and counts as unfinished."""
    out = shutil.copytree(run_folder, tmp_path / "run")
    state = torch.load(out / "checkpoint.pt", weights_only=True)
    state["config"]["learning_rate"] = 1e30
    for adam in ("adamG", "adamD"):
        state[adam]["param_groups"][0]["lr"] = 1e30
    torch.save(state, out / "checkpoint.pt")
    (tmp_path / "c.yaml").write_text("learning_rate: 1e30\n")
    base = [
        *fit_tiny(dataset, out),
        "--config",
        tmp_path / "c.yaml",
    ]
    done = aegan_train(*base, "--resume", "--epochs", "6")
    assert done.returncode == 1
    line = rf"aegan-train: training diverged in epoch 4 \(\w+ is (nan|inf|-inf)\); {out} keeps epoch 3: finish it with .*"
    assert re.search(line, done.stderr), done.stderr
    assert len(load_checkpoint(out, CPU).history) == 3
    done = aegan_train("evaluate", out, "--data", dataset)
    assert done.returncode == 1
    assert "run.json: file missing" in done.stderr
    assert aegan_train(*base, "--resume", "--epochs", "3").returncode == 0
    assert aegan_train("evaluate", out, "--data", dataset).returncode == 0


def test_the_robust_recipe_goes_all_the_way(dataset: Path, tmp_path: Path) -> None:
    """The robust recipe gives the same scores in fit, evaluate, export and replay."""
    run, bundle = tmp_path / "run", tmp_path / "bundle"
    (tmp_path / "short.yaml").write_text("epoch_batches: 4\n")  # in place of 50: this test is about what comes after the training
    options = ["--preset", "tiny", "--config", tmp_path / "short.yaml", "--epochs", "1", "--out", run]
    done = aegan_train("fit", "--data", dataset, "--machine-type", "pump", *options)
    assert done.returncode == 0, done.stderr
    reported = done.stdout.splitlines()
    assert reported[0] == "computing the features of 12 recordings"
    began = next(number for number, line in enumerate(reported) if line.startswith("epoch"))
    assert reported[began] == "epoch 1 of 1, about 0 s left"
    steps = [line for line in reported[began + 1 :] if re.match("embedding|scoring", line)]  # between them: how far each is
    assert steps == [
        "embedding 10 clips and 40 copies with other backgrounds",
        "scoring 2 held-out clips and 128 copies with other backgrounds",
        "scoring 2 held-out clips without and with each of 5 pseudo-faults",
    ]
    done = aegan_train("evaluate", run, "--data", dataset, "--jsonl", tmp_path / "evaluate.jsonl")
    (_, *over, first, reason) = done.stdout.splitlines()[:5]
    for line, place in zip(over, ("the recorded", "any"), strict=True):
        assert re.match(
            rf"alarm within 120 s if they last, in {place} place \(F_joint [0-9.]+\): \d+ of 4 normal and \d+ of 4 anomalous clips$", line
        )
    assert re.match(r"label-free \(.*\): F_joint AUC [01]\.\d+ pAUC [01]\.\d+$", first)
    assert reason.strip().startswith("F_joint of D_density, D_near_density, C_linear_maha, ")
    export_bundle(run, bundle)
    record = load_bundle(bundle).record
    assert (record.features.band_scale, record.reference.n_backgrounds, record.score) == ("linear", 4, "F_joint")
    assert {place: (each.n_clips, each.n_copies) for place, each in record.calibration.items()} == {"recorded": (12, 0), "any": (2, 128)}
    for score in ("F_joint", "D_near", "C_linear_euclidean"):
        recorded, other = (make_threshold(record, score, place=place) for place in PLACES)
        assert (make_threshold(record, score), recorded.off < other.off, recorded.on <= other.on) == (recorded, True, True), score
    clips = sorted((dataset / "dev_data" / "pump" / "test").glob("*.wav"))
    arguments = ["replay", "--bundle", bundle, "--clips", "--jsonl", tmp_path / "replay.jsonl", *clips]
    with contextlib.redirect_stdout(io.StringIO()):
        assert monitor_main(list(map(str, arguments))) == 0
    evaluated, replayed = (
        [json.loads(line)["scores"] for line in (tmp_path / f"{name}.jsonl").read_text().splitlines()] for name in ("evaluate", "replay")
    )
    correlations = [[term.correlations.get(name, 0) for name in record.fusion] for term in record.fusion.values()]
    matrix = np.array(correlations) + np.array(correlations).T + np.eye(len(correlations))
    for one, other in zip(evaluated, replayed, strict=True):
        assert len(one) == 38
        assert other == pytest.approx(one, rel=1e-4, abs=1e-4)
        exceeding = np.array([max(0, (np.log(one[name]) - term.centre) / term.scale) for name, term in record.fusion.items()])
        assert one["F_joint"] == pytest.approx(np.sqrt(exceeding @ np.linalg.inv(matrix) @ exceeding / len(exceeding)))


def test_a_stuck_generator_is_drawn_anew_and_then_reported(tmp_path: Path, dataset: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A stuck generator is initialised again up to n_redraws times, then it is a warning."""
    config = load_config("tiny", None, n_epochs=2, batch_segments=2, learning_rate=1e-12, n_redraws=1, ndf=2, nz=8)
    fit(FitRequest(dataset, "pump", "tiny", config, tmp_path / "run", "cpu", 0))
    out, err = capsys.readouterr()
    assert len(re.findall(r"^the generator is stuck \(reconstruction error 0\.\d+, mean picture 0\.\d+\); restarting", out, re.M)) == 1
    assert len(re.findall(r"^warning: the generator is stuck \(.*\); train with another --seed, or set n_redraws$", err, re.M)) == 1
    training = load_checkpoint(tmp_path / "run", CPU)
    assert (training.n_redrawn, len(training.history)) == (1, 2)


@pytest.mark.full
def test_a_cosine_run_keeps_its_length(tmp_path: Path, dataset: Path) -> None:
    """A run with a cosine schedule cannot be resumed with another number of epochs."""
    base = ["fit", "--data", dataset, "--machine-type", "pump", "--preset", "tiny", "--out", tmp_path / "run"]
    assert aegan_train(*base, "--epochs", "2").returncode == 0
    for epochs, reason in (("1", "has 2 epochs, more than 1"), ("4", "a learning rate that falls over 2 epochs, now 4")):
        done = aegan_train(*base, "--epochs", epochs, "--resume")
        assert done.returncode == 1
        assert done.stderr == f"aegan-train: {tmp_path}/run: --resume: the run was begun with {reason}; choose another --out\n"
    assert aegan_train(*base, "--epochs", "2", "--resume").returncode == 0


class InterruptedOutput(io.StringIO):
    """A terminal whose user presses Ctrl-C on reading a line that holds `word`."""

    def __init__(self, word: str) -> None:
        super().__init__()
        self._word = word

    def write(self, text: str) -> int:
        if self._word and self._word in text:
            self._word = ""
            raise KeyboardInterrupt
        return super().write(text)


def test_ctrl_c_after_a_redraw_keeps_nothing_of_the_stuck_networks(tmp_path: Path, dataset: Path) -> None:
    """Ctrl-C after a redraw leaves no checkpoint or record of the stuck networks."""
    config = load_config("tiny", None, n_epochs=3, batch_segments=2, learning_rate=1e-12, n_redraws=1, ndf=2, nz=8)
    run = tmp_path / "run"
    request = FitRequest(dataset, "pump", "tiny", config, run, "cpu", 0)
    with contextlib.redirect_stdout(InterruptedOutput("restarting")) as out:
        assert not fit(request)
    assert "epoch 1 of 3" in out.getvalue()
    assert not run.exists()
