"""Evidence through kills at any moment."""

import subprocess
import sys
from pathlib import Path

import pytest

import evidence_writing
from chaos import scaled

DEADLINE_S = 200


@pytest.mark.timeout(DEADLINE_S + 20)
def test_a_kill_leaves_nothing_half_written(tmp_path: Path) -> None:
    """What is shown is whole, the next start removes the rest, and the quota is kept."""
    command = [sys.executable, evidence_writing.__file__, str(tmp_path / "evidence"), str(scaled(100)), "1"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE_S, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"{scaled(100)} kills, ")
    assert " 0 left something half-written" not in done.stdout, "no kill came in the middle of a write"
    assert " 0 a whole case" not in done.stdout, "no kill came after one"
