"""Mutated configurations and bundles, 300 and 200 in a full run: each runs, or ends with clear lines and exit code 78."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import mutants
from aegan_monitor.detection.bundle import demo_bundle
from chaos import scaled

N_MUTANTS = {"config": scaled(300), "bundle": scaled(200, at_least=25)}
N_LEAST = scaled(10)  # of those that run, and of those that are refused
LONGEST_S, LONGEST_LINE = 10.0, 1200  # seconds of the processor, and of a stopwatch
TRY_ALL_S = 400.0  # half a minute of an idle core
MOST_BYTES = 600_000_000


def try_all(kind: str, folder: Path) -> list[dict[str, Any]]:
    """The result of each mutant, run in one process."""
    command = [sys.executable, mutants.__file__, kind, str(folder), str(demo_bundle()), "0", str(N_MUTANTS[kind])]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=TRY_ALL_S)
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 0, f"{kind} {len(found)} ended it: {done.stderr[-3000:]}"
    return found


@pytest.mark.timeout(600)
@pytest.mark.parametrize("kind", N_MUTANTS)
def test_each_mutant_is_refused_in_clear_lines_or_runs(tmp_path: Path, figure: Callable[[str], None], kind: str) -> None:
    """No mutant gives a traceback, another exit code or unbounded time and memory."""
    found = try_all(kind, tmp_path)
    codes = [mutant["code"] for mutant in found]
    figure(
        f"{kind}: {codes.count(78)} refused, {codes.count(0)} ran; at most {max(m['processor_s'] for m in found):.1f} s and "
        f"{found[-1]['largest_rss_bytes'] / 1e6:.0f} MB"
    )
    for mutant in found:
        lines = mutant["reported"]
        assert mutant["code"] in (0, 78), mutant
        assert bool(lines) == (mutant["code"] == 78), mutant
        assert all(line.startswith("aegan-monitor: ") and len(line) < LONGEST_LINE for line in lines), mutant
        assert kind == "config" or (len(lines) <= 1 and all(str(tmp_path) in line for line in lines)), mutant
        assert max(mutant["processor_s"], mutant["took_s"]) < LONGEST_S, mutant
    assert found[-1]["largest_rss_bytes"] < MOST_BYTES
    assert (len(found), min(codes.count(78), codes.count(0)) >= N_LEAST) == (N_MUTANTS[kind], True)
