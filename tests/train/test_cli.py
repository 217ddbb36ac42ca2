"""The command lines of training and export where their packages are missing."""

import subprocess
import sys
from pathlib import Path

import pytest

POISONED = "import sys; sys.modules[sys.argv[1]] = None; import {0}.cli; sys.exit({0}.cli.main(sys.argv[2:]))"


@pytest.mark.parametrize(
    ("module", "missing", "extra"),
    [
        ("aegan_train", "torch", "train"),
        pytest.param("aegan_train", "sklearn", "train", marks=pytest.mark.full),
        pytest.param("aegan_train", "tqdm", "train", marks=pytest.mark.full),
        ("aegan_export", "torch", "export"),
        ("aegan_export", "onnx", "export"),
    ],
)
def test_a_missing_extra_is_one_line_with_the_command_that_mends_it(tmp_path: Path, module: str, missing: str, extra: str) -> None:
    """As on a box where only the daemon's packages are installed."""
    fit = ["fit", "--data", "d", "--machine-type", "pump", "--preset", "tiny", "--out", "run"]
    arguments = fit if module == "aegan_train" else ["run", "--out", "bundle"]
    command = [sys.executable, "-c", POISONED.format(module), missing, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    program = module.replace("_", "-")
    assert done.stderr == f"{program}: {missing} is not installed, and {program} needs it: pip install 'aegan-monitor[{extra}]'\n"
    assert done.returncode == 1
    assert list(tmp_path.iterdir()) == []
