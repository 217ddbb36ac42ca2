"""Training as its users meet it: runs, resuming, stopping, and bad input."""

import contextlib
import csv
import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from aegan_export.bundle import export_bundle
from aegan_monitor.cli import main as monitor_main
from aegan_monitor.detection.bundle import load_bundle
from aegan_train.checkpoint import load_checkpoint, load_trained
from aegan_train.cli import main
from aegan_train.config import PRESETS, load_config
from aegan_train.fit import FitRequest, fit
from aegan_train.recordings.folder import tell_skipped, write_skipped
from synthetic import write_dataset, write_wav

CPU = torch.device("cpu")
TINY = ("--preset", "tiny", "--recipe", "reference")


def aegan_train(*arguments: object) -> subprocess.CompletedProcess[str]:
    """Run aegan-train to its end, in this process: importing torch takes longer than most of these commands."""
    argv = [str(argument) for argument in arguments]
    with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(io.StringIO()) as err:
        code = main(argv)
    return subprocess.CompletedProcess(argv, code, out.getvalue(), err.getvalue())


def fit_tiny(data: Path, out: Path) -> list[object]:
    """The arguments of a short training."""
    return ["fit", "--data", data, "--machine-type", "pump", *TINY, "--out", out]


def start_fit(data: Path, out: Path, streams: int) -> subprocess.Popen[str]:
    """A training that goes on until it is stopped; `streams` is what becomes of stdout and stderr."""
    command = [sys.executable, "-m", "aegan_train.cli", *map(str, fit_tiny(data, out)), "--epochs", "500"]
    return subprocess.Popen(command, stdout=streams, stderr=streams, text=True)


def test_presets_are_the_documented_ones() -> None:
    """ndf, nz, batch and hop of each."""
    found = {
        name: (c.ndf, c.nz, c.batch_segments, c.segment_hop_frames, c.network.n_embedding)
        for name in PRESETS
        for c in [load_config(name, None)]
    }
    assert found == {"paper": (32, 256, 512, 1, 512), "edge": (16, 256, 32, 16, 256), "tiny": (8, 64, 32, 16, 128)}


def test_a_run_holds_what_export_needs(run_folder: Path) -> None:
    """And the checkpoint describes itself."""
    assert {path.name for path in run_folder.iterdir()} == {
        "checkpoint.pt", "run.json", "reference.npz", "golden.npz", "segments.npz", "held_out.jsonl",
    }  # fmt: skip
    training = load_checkpoint(run_folder, CPU)
    assert (training.machine_type, training.preset, training.seed, len(training.history)) == ("pump", "tiny", 0, 3)
    assert training.history[-1]["recon"] < training.history[0]["recon"]


def test_a_resumed_run_is_the_run_that_never_stopped(dataset: Path, run_folder: Path, tmp_path: Path) -> None:
    """Two epochs and then one more give the weights of three, bit for bit."""
    out = tmp_path / "run"
    fit(FitRequest(dataset, "pump", "tiny", load_config("tiny", None, n_epochs=2), out, "cpu", 0))
    fit(FitRequest(dataset, "pump", "tiny", load_config("tiny", None, n_epochs=3), out, "cpu", 0, resume=True))
    one, other = load_checkpoint(out, CPU), load_checkpoint(run_folder, CPU)
    assert one.history == other.history
    for network in ("generator", "discriminator"):
        for name, value in getattr(one, network).state_dict().items():
            assert torch.equal(value, getattr(other, network).state_dict()[name]), name
    assert (out / "run.json").read_text() == (run_folder / "run.json").read_text()


def test_a_run_is_not_overwritten_nor_continued_with_other_settings(dataset: Path, run_folder: Path) -> None:
    """Each is one line."""
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
        if line.startswith("epoch 2/500:"):
            process.send_signal(signal.SIGINT)
            break
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert re.search(r"^stopped; epoch (\d+) is kept, continue with --resume$", errors, re.MULTILINE)
    assert "Traceback" not in errors
    n_epochs = json.loads((out / "run.json").read_text())["provenance"]["n_epochs"]
    assert n_epochs == len(load_checkpoint(out, CPU).history) >= 2


def test_a_kill_leaves_a_whole_checkpoint(dataset: Path, tmp_path: Path) -> None:
    """kill -9 at any moment: the file that is there loads."""
    out = tmp_path / "run"
    process = start_fit(dataset, out, subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while not (out / "checkpoint.pt").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(0.7)  # any moment will do
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert len(load_checkpoint(out, CPU).history) >= 1


SPOILT: dict[str, tuple[Callable[[Path], object], str]] = {
    "stereo": (lambda p: write_wav(p, np.zeros((16_000, 2))), "expected 1 channel at 16000 Hz, found 2 at 16000 Hz; nothing is .*"),
    "fast": (lambda p: write_wav(p, np.zeros(44_100), 44_100), "expected 1 channel at 16000 Hz, found 1 at 44100 Hz; nothing is .*"),
    "empty": (lambda p: write_wav(p, np.zeros(0)), "expected sound, found 0 samples; record it again or remove it"),
    "cut": (lambda p: p.write_bytes(b"RIFF"), "expected a WAV or FLAC recording, found .*"),
    "short": (lambda p: write_wav(p, noise(16_000)), r"expected at least 4\.06 s, found 1\.00 s; record longer clips or remove it"),
    "nan": (lambda p: write_wav(p, np.full(160_000, np.nan), subtype="FLOAT"), "expected samples from -1 to 1, found nan at sample 0 .*"),
    "silent": (lambda p: write_wav(p, np.zeros(160_000)), "expected sound, found 160000 samples that all are 0; check the .*"),
    "constant": (lambda p: write_wav(p, np.full(160_000, 0.25)), r"expected sound, found 160000 samples that all are 0\.25; check the .*"),
    "copy": (
        lambda p: shutil.copy(p.with_name("normal_id_00_00000000.wav"), p),
        "the same samples as normal_id_00_00000000.wav; remove one of them",
    ),
}


def noise(n: int) -> np.ndarray:
    """White, at -20 dBFS."""
    return 0.1 * np.random.default_rng(0).standard_normal(n)


def test_bad_recordings_are_skipped_and_told(tmp_path: Path) -> None:
    """Each with its reason, in the order of names, on stderr and in the run's list; the good ones are trained on."""
    data = write_dataset(tmp_path / "data", n_train=10, n_normal=0, n_anomaly=0)
    paths = {name: data / "dev_data" / "pump" / "train" / f"normal_id_00_{20 + i:08d}.wav" for i, name in enumerate(SPOILT)}
    for name, (spoil, _) in SPOILT.items():
        spoil(paths[name])
    done = aegan_train(*fit_tiny(data, tmp_path / "run"), "--epochs", "1")
    assert done.returncode == 0
    told = done.stderr.splitlines()
    assert told[0] == "9 files skipped:"
    for line, (name, (_, reason)) in zip(told[1:10], SPOILT.items(), strict=True):
        assert re.fullmatch(rf"  {re.escape(str(paths[name]))}: {reason}", line), line
    with (tmp_path / "run" / "skipped.csv").open(newline="") as file:
        rows = list(csv.reader(file))
    assert rows[0] == ["path", "reason"]
    assert [f"  {path}: {reason}" for path, reason in rows[1:]] == told[1:10]
    provenance = json.loads((tmp_path / "run" / "run.json").read_text())["provenance"]
    assert provenance["n_training_clips"] + provenance["n_held_out_clips"] == 10


def test_too_few_good_recordings_are_an_error(tmp_path: Path) -> None:
    """The bad ones are listed before it, and nothing is written."""
    data = write_dataset(tmp_path / "data", n_train=8, n_normal=0, n_anomaly=0)
    train = data / "dev_data" / "pump" / "train"
    command = fit_tiny(data, tmp_path / "run")
    write_wav(train / "normal_id_00_00000004.wav", np.zeros(160_000))
    done = aegan_train(*command)
    assert done.returncode == 1
    first, second, last = done.stderr.splitlines()
    assert first == "1 file skipped:"
    assert second.startswith(f"  {train}/normal_id_00_00000004.wav: expected sound, ")
    assert last.startswith(f"aegan-train: {train}: expected at least 8 normal clips, found 7; ")
    assert "aegan-monitor record --from" in last
    for path in train.glob("*.wav"):
        write_wav(path, np.zeros(160_000))
    done = aegan_train(*command)
    assert done.stderr.splitlines()[-1] == f"aegan-train: {data}: none of 8 normal clips is fit for training; record normal sound anew"
    assert not (tmp_path / "run").exists()


def test_a_long_list_is_cut_on_screen(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Twenty lines and how many more; the file has all, and is removed when there is none."""
    skipped = [(Path(f"{number}.wav"), "bad, very") for number in range(23)]
    tell_skipped(skipped)
    told = capsys.readouterr().err.splitlines()
    assert (told[0], told[20], told[21:]) == ("23 files skipped:", "  19.wav: bad, very", ["  and 3 more"])
    write_skipped(skipped, tmp_path / "skipped.csv")
    assert (tmp_path / "skipped.csv").read_text().splitlines()[-1] == '22.wav,"bad, very"'
    write_skipped([], tmp_path / "skipped.csv")
    assert not (tmp_path / "skipped.csv").exists()


def test_a_folder_without_normal_clips_is_one_line(tmp_path: Path) -> None:
    """Anomalies alone teach nothing."""
    write_wav(tmp_path / "dev_data" / "pump" / "train" / "anomaly_id_00_00000000.wav", np.zeros(160_000))
    done = aegan_train(*fit_tiny(tmp_path, tmp_path / "run"))
    assert done.returncode == 1
    assert done.stderr == (
        f"aegan-train: {tmp_path}/dev_data/pump/train: no normal clip of pump in it (1 skipped, the first anomaly_id_00_00000000.wav: "
        "an anomaly among training clips); put recordings there, e.g. normal_id_00_00000000.wav\n"
    )


def test_a_wrong_configuration_is_told_at_once(tmp_path: Path, dataset: Path) -> None:
    """All problems, with suggestions, exit code 78."""
    (tmp_path / "c.yaml").write_text("n_epoch: 3\nbeta1: 2\n")
    done = aegan_train(
        *fit_tiny(dataset, tmp_path / "run"),
        "--config",
        tmp_path / "c.yaml",
    )
    assert done.returncode == 78
    assert "n_epoch: unknown key; did you mean n_epochs?" in done.stderr
    assert "beta1: expected a number of 0 or more and under 1, found 2" in done.stderr
    assert "Traceback" not in done.stderr


def test_evaluate_prints_all_scores_and_writes_lines(run_folder: Path, dataset: Path, tmp_path: Path) -> None:
    """The label-free choice first, all scores and controls with AUC and pAUC, the oracle named so, one JSON object a clip."""
    done = aegan_train("evaluate", run_folder, "--data", dataset, "--jsonl", tmp_path / "s.jsonl")
    assert done.returncode == 0, done.stderr
    rows = [line.split() for line in done.stdout.splitlines() if re.match(r"[CDG]_", line)]
    assert len(rows) == 27
    assert re.match(r"label-free \(what the monitor decides by\): D_maha AUC [01]\.\d+ pAUC [01]\.\d+$", done.stdout.splitlines()[1])
    assert all(0 <= float(row[1]) <= 1 and 0 <= float(row[2]) <= 1 for row in rows)
    assert done.stdout.splitlines()[-1].startswith("oracle (the best by these labels, which nobody has in a plant): ")
    lines = [json.loads(line) for line in (tmp_path / "s.jsonl").read_text().splitlines()]
    assert len(lines) == 8
    assert all(len(line["scores"]) == 27 for line in lines)


def test_evaluate_without_a_run_is_one_line(tmp_path: Path, dataset: Path) -> None:
    """With the command that makes one."""
    done = aegan_train("evaluate", tmp_path, "--data", dataset)
    assert done.returncode == 1
    assert done.stderr.startswith(
        f"aegan-train: {tmp_path}/run.json: file missing: {tmp_path} is no finished run; train it with: aegan-train fit"
    )


@pytest.mark.parametrize(
    ("setting", "line"),
    [
        ("segment_hop_frames: 24", "decision_hop_frames 32 is no multiple of segment_hop_frames 24"),
        ("segment_hop_frames: 200", "segment_hop_frames 200 is not from 1 to segment_frames 128"),
    ],
)
def test_settings_that_do_not_fit_are_told_before_training(tmp_path: Path, dataset: Path, setting: str, line: str) -> None:
    """78, and nothing is written."""
    (tmp_path / "c.yaml").write_text(setting + "\n")
    base = fit_tiny(dataset, tmp_path / "run")
    done = aegan_train(*base, "--config", tmp_path / "c.yaml")
    assert done.returncode == 78
    assert line in done.stderr
    assert not (tmp_path / "run").exists()


def test_a_training_that_diverges_keeps_the_last_good_epoch(tmp_path: Path, dataset: Path, run_folder: Path) -> None:
    """One line; no NaN gets into a checkpoint, and the run counts as unfinished until it is finished again."""
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


def test_fp16_goes_on_from_unrounded_weights(tmp_path: Path, dataset: Path) -> None:
    """The checkpoint keeps them; what the bundle computes with is rounded."""
    run = tmp_path / "run"
    fit(FitRequest(dataset, "pump", "tiny", load_config("tiny", None, n_epochs=1, precision="fp16"), run, "cpu", 0))
    kept, trained = (load(run, CPU).generator.state_dict()["Encoder.main.0.weight"] for load in (load_checkpoint, load_trained))
    assert not torch.equal(kept, kept.half().float())
    assert torch.equal(trained, kept.half().float())


def test_a_damaged_run_is_one_line(tmp_path: Path, dataset: Path, run_folder: Path) -> None:
    """With the file that is cut, and what to do."""
    run = shutil.copytree(run_folder, tmp_path / "run")
    (run / "reference.npz").write_bytes((run / "reference.npz").read_bytes()[:1000])
    done = aegan_train("evaluate", run, "--data", dataset)
    assert done.returncode == 1
    assert re.fullmatch(r"aegan-train: .*: is damaged: .*reference\.npz: cannot be read as arrays .*; finish it again .*\n", done.stderr)


def test_the_robust_recipe_goes_all_the_way(dataset: Path, tmp_path: Path) -> None:
    """Linear bands, a fused score with its reason, other backgrounds under the covariance: from fit to replay, the same numbers."""
    run, bundle = tmp_path / "run", tmp_path / "bundle"
    done = aegan_train("fit", "--data", dataset, "--machine-type", "pump", "--preset", "tiny", "--epochs", "1", "--out", run)
    assert done.returncode == 0, done.stderr
    told = done.stdout.splitlines()
    assert told[0] == "reading 12 recordings"
    place = next(place for place, line in enumerate(told) if line.startswith("epoch"))
    assert re.fullmatch(r"epoch 1/1: critic .*, \d+ segments/s, 0\.0 min of training left", told[place])
    steps = [line for line in told[place + 1 :] if re.match("embedding|scoring", line)]  # between them, on a slow machine, how far each is
    assert steps == [
        "embedding 10 clips and 40 copies before other backgrounds",
        "scoring 2 held-out clips and 128 copies before other backgrounds",
        "scoring 2 held-out clips plain and altered in 5 ways",
    ]
    done = aegan_train("evaluate", run, "--data", dataset, "--jsonl", tmp_path / "evaluate.jsonl")
    first, reason = done.stdout.splitlines()[1:3]
    assert re.match(r"label-free \(what the monitor decides by\): F_mean AUC [01]\.\d+ pAUC [01]\.\d+$", first)
    assert reason.strip() == (
        "F_mean, the mean of D_near, C_linear_euclidean: each as log ratio to held-out normal sound, in "
        "units of what other backgrounds do to it; no fault of this machine was looked at"
    )
    export_bundle(run, bundle)
    record = load_bundle(bundle).record
    assert (record.features.band_scale, record.reference.n_backgrounds, record.score) == ("linear", 4, "F_mean")
    clips = sorted((dataset / "dev_data" / "pump" / "test").glob("*.wav"))
    arguments = ["replay", "--bundle", bundle, "--clips", "--jsonl", tmp_path / "replay.jsonl", *clips]
    with contextlib.redirect_stdout(io.StringIO()):
        assert monitor_main([str(argument) for argument in arguments]) == 0
    evaluated, replayed = (
        [json.loads(line)["scores"] for line in (tmp_path / f"{name}.jsonl").read_text().splitlines()] for name in ("evaluate", "replay")
    )
    for one, other in zip(evaluated, replayed, strict=True):
        assert len(one) == 28
        assert other == pytest.approx(one, rel=1e-4, abs=1e-4)  # F_mean passes through 0
        members = [(np.log(one[name]) - term.centre) / term.scale for name, term in record.fusion.items()]
        assert one["F_mean"] == pytest.approx(np.mean(members))


def test_a_stuck_generator_is_drawn_anew_and_then_told(tmp_path: Path, dataset: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One that learns nothing stays worse than the mean picture; after the draws that are allowed it is a warning, and remembered."""
    config = load_config("tiny", None, n_epochs=2, batch_segments=2, learning_rate=1e-12, n_redraws=1)
    fit(FitRequest(dataset, "pump", "tiny", config, tmp_path / "run", "cpu", 0))
    out, err = capsys.readouterr()
    assert (
        len(
            re.findall(
                r"^the generator is stuck \(reconstruction error 0\.\d+, that of the mean picture 0\.\d+\); beginning anew", out, re.M
            )
        )
        == 1
    )
    assert len(re.findall(r"^warning: the generator is stuck \(.*\); train with another --seed, or set n_redraws$", err, re.M)) == 1
    training = load_checkpoint(tmp_path / "run", CPU)
    assert (training.n_redrawn, len(training.history)) == (1, 2)


def test_a_cosine_run_keeps_its_length(tmp_path: Path, dataset: Path) -> None:
    """Its rate has fallen to nothing at the end: more epochs would be another training, fewer are no continuation."""
    base = ["fit", "--data", dataset, "--machine-type", "pump", "--preset", "tiny", "--out", tmp_path / "run"]
    assert aegan_train(*base, "--epochs", "2").returncode == 0
    for epochs, reason in (("1", "has 2 epochs, more than 1"), ("4", "a learning rate that falls over 2 epochs, now 4")):
        done = aegan_train(*base, "--epochs", epochs, "--resume")
        assert done.returncode == 1
        assert done.stderr == f"aegan-train: {tmp_path}/run: --resume: the run was begun with {reason}; choose another --out\n"
    assert aegan_train(*base, "--epochs", "2", "--resume").returncode == 0


def test_a_checkpoint_of_another_version_is_one_line(tmp_path: Path, dataset: Path, run_folder: Path) -> None:
    """A setting that this version does not know, or one that is missing."""
    for key, line in (("config", "ValidationError"), ("rng", "KeyError")):
        run = shutil.copytree(run_folder, tmp_path / key)
        state = torch.load(run / "checkpoint.pt", weights_only=True)
        if key == "config":
            state["config"]["unheard_of"] = 1
        else:
            del state[key]
        torch.save(state, run / "checkpoint.pt")
        done = aegan_train("evaluate", run, "--data", dataset)
        assert done.returncode == 1
        assert done.stderr == f"aegan-train: {run}/checkpoint.pt: is of another version ({line}); train again with this one\n"


def test_evaluate_skips_and_tells_what_it_cannot_hear(tmp_path: Path, dataset: Path, run_folder: Path) -> None:
    """The other clips are scored; with none left it is an error."""
    data = tmp_path / "data"
    shutil.copytree(dataset, data)
    test = data / "dev_data" / "pump" / "test"
    (test / "normal_id_00_00000001.wav").write_bytes(b"RIFF")
    done = aegan_train("evaluate", run_folder, "--data", data)
    assert done.returncode == 0, done.stderr
    assert done.stderr.startswith("1 file skipped:\n")
    assert "3 normal and 4 anomalous test clips" in done.stdout
    for path in test.iterdir():
        path.write_bytes(b"RIFF")
    done = aegan_train("evaluate", run_folder, "--data", data)
    assert done.returncode == 1
    assert done.stderr.startswith("aegan-train: none of 8 test clips can be scored; the first, ")
