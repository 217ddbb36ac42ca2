"""Training and export on a full disk: one line with place and remedy, and no partial file."""

import re
import sys
from pathlib import Path

import pytest

from small_disk import run_on_small_disk

pytestmark = pytest.mark.mount


@pytest.mark.parametrize(
    ("n_bytes", "line", "left"),
    [
        (1_000_000, "run: the features cannot be stored: No space left on device; free some space there", ""),
        pytest.param(
            5_000_000,
            "run/checkpoint.pt: cannot be written: No space left on device; free some space there; no epoch is kept",
            "",
            marks=pytest.mark.full,
        ),
        (
            22_000_000,
            "run/checkpoint.pt: cannot be written: No space left on device; free some space there; epoch 1 is kept, go on with --resume",
            "{disk}/run/checkpoint.pt\n",
        ),
    ],
    ids=["features", "first checkpoint", "second checkpoint"],
)
def test_fit_on_a_full_disk(dataset: Path, tmp_path: Path, n_bytes: int, line: str, left: str) -> None:
    """`fit` keeps complete files, removes partial ones, and says how to continue."""
    command = [sys.executable, "-m", "aegan_train.cli", "fit", "--data", dataset, "--machine-type", "pump", "--preset", "tiny"]
    done = run_on_small_disk(tmp_path, n_bytes, [*command, "--epochs", 2, "--recipe", "reference", "--out", tmp_path / "run"])
    assert done.returncode == 1
    assert done.stderr.endswith(f"aegan-train: {tmp_path}/{line}\n{left.format(disk=tmp_path)}"), done.stderr


def test_export_to_a_full_disk(run_folder: Path, tmp_path: Path) -> None:
    """Export names the target and the space that it needs, and leaves nothing."""
    done = run_on_small_disk(tmp_path, 1_000_000, [sys.executable, "-m", "aegan_export.cli", run_folder, "--out", tmp_path / "bundle"])
    assert done.returncode == 1
    expected = "bundle: cannot be written: No space left on device; a bundle of this run takes [0-9]+ MB: free as much there, or choose"
    assert re.fullmatch(rf"aegan-export: {tmp_path}/{expected} another --out\n", done.stderr), done.stderr
