"""Installations and rollbacks of bundles are killed at any moment."""

import random
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from chaos import scaled
from command_line import MODULES, CommandLine
from other_bundles import find_digest, make_bundle, write_small_config
from prepared import Prepared

DEADLINE_S = 60.0
N_KILLS = scaled(100)
LONGEST_S = 0.35  # of an installation, about


@pytest.mark.timeout(300)
def test_kills_leave_a_whole_bundle(tmp_path: Path, figure: Callable[[str], None]) -> None:
    """Installations and rollbacks, each killed at some moment: the folder always has a whole bundle, and the next one goes on."""
    dice, ends = random.Random(0), Counter[str]()
    digests = [make_bundle(tmp_path / name, margin) for name, margin in (("a", 1.0), ("b", 2.0), ("pump", 3.0))]
    config, began_s = write_small_config(tmp_path, tmp_path / "pump"), time.monotonic()
    with Prepared(*MODULES) as prepared:
        run = CommandLine(prepared)
        for _ in range(N_KILLS):
            action = dice.choice([("install", tmp_path / "a"), ("install", tmp_path / "b"), ("rollback",)])
            process = run.start("bundle", *action, "--config", config)
            with process.stdin, process.stderr:
                time.sleep(dice.uniform(0.0, LONGEST_S))
                process.kill()
                ends["killed" if process.wait(DEADLINE_S) < 0 else "ended"] += 1
            assert find_digest(tmp_path / "pump") in digests
            previous = tmp_path / "pump.previous"
            assert not (previous / "bundle.json").exists() or find_digest(previous) in digests
        done = run("bundle", "install", tmp_path / "a", "--config", config)
        assert done.returncode == 0, done.stderr
    assert find_digest(tmp_path / "pump") == digests[0]
    assert not list(tmp_path.glob(".pump*"))
    figure(f"{N_KILLS} installations and rollbacks in {time.monotonic() - began_s:.0f} s: {dict(ends)}")
