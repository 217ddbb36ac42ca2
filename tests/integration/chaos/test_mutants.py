"""Spoiled configurations and bundles, 300 and 200 in a full run: each is refused in clear lines with 78, or runs."""

import contextlib
import json
import signal
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import mutants
from aegan_monitor.config.capture import FileCaptureConfig
from aegan_monitor.config.model import load_config
from aegan_monitor.demo.pump import Pump
from aegan_monitor.detection.bundle import demo_bundle
from aegan_monitor.errors import AeganError
from broker import wait_until
from chaos import scaled
from synthetic import RATE_HZ, write_wav

N_MUTANTS = {"config": scaled(300), "bundle": scaled(200)}
N_REAL = scaled(10)  # of those that run, and of those that are refused
LONGEST_S, LONGEST_LINE = 10.0, 1200  # seconds of the processor, and of a stopwatch
TRY_ALL_S = 400.0  # half a minute of an idle core
MOST_BYTES = 600_000_000
RUN_S = 2.0  # a configuration may have been changed to one that never ends
DEADLINE_S = 100.0


def try_all(kind: str, folder: Path) -> list[dict[str, Any]]:
    """What became of each mutant, in one process."""
    command = [sys.executable, mutants.__file__, kind, str(folder), str(demo_bundle()), "0", str(N_MUTANTS[kind])]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=TRY_ALL_S)
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 0, f"{kind} {len(found)} ended it: {done.stderr[-3000:]}"
    return found


def can_be_told_to_end(pid: int) -> bool:
    """Whether it takes SIGTERM by now."""
    status = dict(line.split(":\t", 1) for line in Path("/proc", str(pid), "status").read_text().splitlines())
    return bool(int(status["SigCgt"], 16) >> (signal.SIGTERM - 1) & 1)


def never_ends(config: Path) -> bool:
    """Whether it may listen until it is told to end; one that ends by itself is past all signals as it does."""
    try:
        captures = [machine.capture for machine in load_config(config).machines]
    except AeganError:
        return False
    return not all(isinstance(capture, FileCaptureConfig) and not capture.loop for capture in captures)


def run_really(config: Path) -> tuple[int, list[str]]:
    """`aegan-monitor run` until it ends, or is told to: its exit code and its last words."""
    command = [sys.executable, "-m", "aegan_monitor.cli", "run", "--config", str(config)]
    told = config.with_name("told")
    with told.open("wb") as stderr, subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=stderr) as process:
        try:
            wait_until(lambda: process.poll() is not None or can_be_told_to_end(process.pid), "its end, or that it monitors", DEADLINE_S)
            if never_ends(config):
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(RUN_S)
                process.terminate()
            process.wait(DEADLINE_S)
        finally:
            process.kill()
    log = told.read_text()
    assert "Traceback" not in log, log
    return process.returncode, [line for line in log.splitlines() if line.startswith("aegan-monitor: ")]


@pytest.mark.timeout(600)
@pytest.mark.parametrize("kind", N_MUTANTS)
def test_each_mutant_is_refused_in_clear_lines_or_runs(tmp_path: Path, figure: Callable[[str], None], kind: str) -> None:
    """No traceback, no other exit code, bounded in time and memory; and a sample does the same in processes of its own."""
    found = try_all(kind, tmp_path)
    codes = [mutant["code"] for mutant in found]
    figure(
        f"{kind}: {codes.count(78)} refused, {codes.count(0)} ran; at most {max(m['processor_s'] for m in found):.1f} s and "
        f"{found[-1]['largest_rss_bytes'] / 1e6:.0f} MB"
    )
    for mutant in found:
        lines = mutant["told"]
        assert mutant["code"] in (0, 78), mutant
        assert bool(lines) == (mutant["code"] == 78), mutant
        assert all(line.startswith("aegan-monitor: ") and len(line) < LONGEST_LINE for line in lines), mutant
        assert kind == "config" or (len(lines) <= 1 and all(str(tmp_path) in line for line in lines)), mutant
        assert max(mutant["processor_s"], mutant["took_s"]) < LONGEST_S, mutant
    assert found[-1]["largest_rss_bytes"] < MOST_BYTES
    assert (len(found), min(codes.count(78), codes.count(0)) >= N_REAL) == (N_MUTANTS[kind], True)

    sample = [mutant for code in (0, 78) for mutant in [m for m in found if m["code"] == code][:N_REAL]]
    folders = [tmp_path / f"{kind}{mutant['number']}" for mutant in sample]
    for folder in folders:
        write_wav(folder / "loop.wav", Pump(1).read(12 * RATE_HZ))
    with ThreadPoolExecutor(2) as pool:
        for mutant, (code, lines) in zip(sample, pool.map(run_really, [folder / "monitor.yaml" for folder in folders]), strict=True):
            assert (code, lines) == (mutant["code"], mutant["told"]), mutant
