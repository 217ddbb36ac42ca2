"""`fit` with unusable recordings and settings."""

import csv
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from aegan_train.recordings.folder import print_skipped, write_skipped
from synthetic import write_dataset, write_wav
from training_program import aegan_train, fit_tiny

SPOILT: dict[str, tuple[Callable[[Path], object], str]] = {
    "stereo": (lambda p: write_wav(p, np.zeros((16_000, 2))), "expected 1 channel, found 2; they are not mixed silently; .*"),
    "slow": (lambda p: write_wav(p, np.zeros(8_000), 8_000), "expected a rate of at least 16000 Hz, found 8000 Hz, .*"),
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
    """White noise at an RMS of 0.1."""
    return 0.1 * np.random.default_rng(0).standard_normal(n)


def test_bad_recordings_are_skipped_and_reported(tmp_path: Path) -> None:
    """Bad recordings are listed with their reason on stderr and in the run, and the others are trained on, whatever their rate."""
    data = write_dataset(tmp_path / "data", n_train=10, n_normal=0, n_anomaly=0)
    paths = {name: data / "dev_data" / "pump" / "train" / f"normal_id_00_{20 + i:08d}.wav" for i, name in enumerate(SPOILT)}
    for name, (spoil, _) in SPOILT.items():
        spoil(paths[name])
    write_wav(paths["stereo"].with_name("normal_id_00_00000030.wav"), noise(480_000), 48_000)
    done = aegan_train(*fit_tiny(data, tmp_path / "run"), "--epochs", "1")
    assert done.returncode == 0
    reported = done.stderr.splitlines()
    assert reported[0] == "9 files skipped:"
    for line, (name, (_, reason)) in zip(reported[1:10], SPOILT.items(), strict=True):
        assert re.fullmatch(rf"  {re.escape(str(paths[name]))}: {reason}", line), line
    with (tmp_path / "run" / "skipped.csv").open(newline="") as file:
        rows = list(csv.reader(file))
    assert rows[0] == ["path", "reason"]
    assert [f"  {path}: {reason}" for path, reason in rows[1:]] == reported[1:10]
    provenance = json.loads((tmp_path / "run" / "run.json").read_text())["provenance"]
    assert provenance["n_training_clips"] + provenance["n_held_out_clips"] == 11


def test_too_few_good_recordings_are_an_error(tmp_path: Path) -> None:
    """Too few good recordings are an error after the list of bad ones, and nothing is written."""
    data = write_dataset(tmp_path / "data", n_train=8, n_normal=0, n_anomaly=0)
    train = data / "dev_data" / "pump" / "train"
    command = fit_tiny(data, tmp_path / "run")
    write_wav(train / "normal_id_00_00000004.wav", np.zeros(160_000))
    done = aegan_train(*command)
    assert done.returncode == 1
    first, second, last = done.stderr.splitlines()
    assert first == "1 file skipped:"
    assert second.startswith(f"  {train}/normal_id_00_00000004.wav: expected sound, ")
    assert last == f"aegan-train: {data}: expected at least 8 normal clips, found 7; record more normal sound"
    for path in train.glob("*.wav"):
        write_wav(path, np.zeros(160_000))
    done = aegan_train(*command)
    assert done.stderr.splitlines()[-1] == (
        f"aegan-train: {data}: no recording can be trained on, for the reasons above; mend them, or record normal sound again"
    )
    assert not (tmp_path / "run").exists()


def test_a_long_list_is_cut_on_screen(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The screen shows twenty skipped files, and the run's file all; without any the file is removed."""
    skipped = [(Path(f"{number}.wav"), "bad, very") for number in range(23)]
    print_skipped(skipped)
    reported = capsys.readouterr().err.splitlines()
    assert (reported[0], reported[20], reported[21:]) == ("23 files skipped:", "  19.wav: bad, very", ["  and 3 more"])
    write_skipped(skipped, tmp_path / "skipped.csv")
    assert (tmp_path / "skipped.csv").read_text().splitlines()[-1] == '22.wav,"bad, very"'
    write_skipped([], tmp_path / "skipped.csv")
    assert not (tmp_path / "skipped.csv").exists()


def test_a_folder_without_normal_clips_is_one_line(tmp_path: Path) -> None:
    """A folder with anomalies alone gives one line."""
    write_wav(tmp_path / "dev_data" / "pump" / "train" / "anomaly_id_00_00000000.wav", np.zeros(160_000))
    done = aegan_train(*fit_tiny(tmp_path, tmp_path / "run"))
    assert done.returncode == 1
    assert done.stderr == (
        f"aegan-train: {tmp_path}/dev_data/pump/train: no normal clip of pump in it (1 skipped, the first anomaly_id_00_00000000.wav: "
        "an anomaly among training clips); put recordings there, e.g. normal_id_00_00000000.wav\n"
    )


def test_a_wrong_configuration_is_reported_at_once(tmp_path: Path, dataset: Path) -> None:
    """All problems of a configuration are printed with suggestions and exit code 78."""
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


@pytest.mark.parametrize(
    ("setting", "line"),
    [
        ("segment_hop_frames: 24", "decision_hop_frames 32 is no multiple of segment_hop_frames 24"),
        ("segment_hop_frames: 200", "segment_hop_frames 200 is not from 1 to segment_frames 128"),
    ],
)
def test_settings_that_do_not_fit_are_reported_before_training(tmp_path: Path, dataset: Path, setting: str, line: str) -> None:
    """Settings that do not fit end with 78 before anything is written."""
    (tmp_path / "c.yaml").write_text(setting + "\n")
    base = fit_tiny(dataset, tmp_path / "run")
    done = aegan_train(*base, "--config", tmp_path / "c.yaml")
    assert done.returncode == 78
    assert line in done.stderr
    assert not (tmp_path / "run").exists()
