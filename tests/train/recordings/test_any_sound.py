"""`fit` on sound as a user has it: one long recording of any name, and short clips."""

import json
from pathlib import Path

import numpy as np

from aegan_export.bundle import export_bundle
from aegan_monitor.demo.pump import Pump
from aegan_monitor.detection.bundle import load_bundle
from aegan_monitor.detection.pipeline import Pipeline
from aegan_monitor.inference.onnx_runtime import OrtSession
from synthetic import RATE_HZ, write_dataset, write_wav
from training_program import TINY, aegan_train, fit_tiny


def test_one_long_recording_is_enough(tmp_path: Path) -> None:
    """A stereo file of another rate and any name is trained on, split in time with a warning, and its run holds no clips."""
    rate_hz, n = 44_100, 44_100 * 80
    sound = np.stack([0.01 * np.random.default_rng(0).standard_normal(n), Pump(1, rate_hz).read(n)], axis=1)
    path = write_wav(tmp_path / "Aufnahme 1.WAV", sound, rate_hz)
    run = tmp_path / "run"
    base = ["fit", "--data", path, "--machine-type", "pump", *TINY, "--out", run, "--epochs"]
    done = aegan_train(*base, 1)
    assert done.returncode == 1
    assert "choose one with --channel N (fit, " in done.stderr
    assert done.stderr.splitlines()[-1] == (
        f"aegan-train: {path}: no recording can be trained on, for the reasons above; mend them, or record normal sound again"
    )
    assert not run.exists()
    done = aegan_train(*base, 1, "--channel", 1)
    assert (done.returncode, done.stdout.splitlines()[:2]) == (
        0,
        ["cutting 1 recording into clips of 9.7 s", "computing the features of 8 recordings"],
    )
    (line,) = [line for line in done.stderr.splitlines() if "of one recording" in line]
    assert line.startswith(f"warning: all sound is of one recording ({path}), what is held out as well: ")
    files = [json.loads(line)["file"] for line in (run / "held_out.jsonl").read_text().splitlines()]
    places_s = [int(file.removesuffix(".flac")[-2:]) + 60 * int(file.removesuffix(".flac")[-5:-3]) for file in files]
    assert len(places_s) == 2
    assert 9 <= places_s[1] - places_s[0] <= 10  # neighbours
    assert {each.name for each in run.iterdir()} == {
        "checkpoint.pt", "run.json", "reference.npz", "golden.npz", "gate.npz", "segments.npz", "held_out.jsonl", "findings.json",
    }  # fmt: skip


def test_short_clips_shorten_the_clip_of_the_monitor(tmp_path: Path) -> None:
    """Clips of 5 s of unknown recordings give a bundle whose monitor scores 5 s."""
    data = write_dataset(tmp_path / "data", n_train=9, n_normal=0, n_anomaly=0, clip_s=5.0)
    (data / "manifest.csv").unlink()
    run = tmp_path / "run"
    (tmp_path / "short.yaml").write_text("shorten_clip: true\n")
    done = aegan_train(*fit_tiny(data, run), "--epochs", 1, "--config", tmp_path / "short.yaml")
    assert done.stdout.splitlines()[0] == (
        "the monitor will score clips of 5.0 s in place of 9.7 s: no longer one fits into every recording"
    )
    export_bundle(run, tmp_path / "bundle")
    bundle = load_bundle(tmp_path / "bundle")
    assert bundle.record.clip.clip_frames == 157
    pipeline = Pipeline(bundle.record, bundle.reference, OrtSession(bundle), [bundle.record.score])
    decisions = pipeline.push(Pump(1, RATE_HZ).read(6 * RATE_HZ))
    features = bundle.record.features
    assert decisions[0].end_sample == features.n_fft // 2 + (bundle.record.clip.covered_frames - 1) * features.hop_samples < 5 * RATE_HZ
