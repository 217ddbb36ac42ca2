"""aegan-train in the process of the test: importing PyTorch takes longer than most of its commands."""

import contextlib
import io
import subprocess
from pathlib import Path

from aegan_train.cli import main

TINY = ("--preset", "tiny", "--recipe", "reference")


def aegan_train(*arguments: object) -> subprocess.CompletedProcess[str]:
    """Run aegan-train to its end."""
    argv = [str(argument) for argument in arguments]
    with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(io.StringIO()) as err:
        code = main(argv)
    return subprocess.CompletedProcess(argv, code, out.getvalue(), err.getvalue())


def fit_tiny(data: Path, out: Path) -> list[object]:
    """The arguments of a short training."""
    return ["fit", "--data", data, "--machine-type", "pump", *TINY, "--out", out]
