"""`aegan-monitor prepare` as a user runs it, and what it makes of its trials."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from aegan_monitor.detection.bundle import demo_bundle, load_bundle
from aegan_monitor.errors import InferenceError
from aegan_monitor.inference.gate import GateFigures
from aegan_monitor.inference.prepared import FILE, Finding
from aegan_monitor.inference.providers import STRICT, Choice
from aegan_monitor.inference.trial import run_trial
from aegan_monitor.tools.speed.prepare import describe


def run(*arguments: object, state: Path) -> "subprocess.CompletedProcess[str]":
    """A command to its end, with a state directory of its own."""
    command = [sys.executable, "-m", "aegan_monitor", *map(str, arguments)]
    environment = {**os.environ, "STATE_DIRECTORY": str(state)}
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)


def test_what_prepare_finds_check_and_run_use(tmp_path: Path) -> None:
    """One JSON object has every choice that was tried; strict fp32 is right; `check` opens the fastest that is, and prints it."""
    done = run("prepare", "--json", demo_bundle(), state=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    found = json.loads(done.stdout)
    assert (found["bundle"], found["n_threads"]) == (str(demo_bundle()), 1)
    strict = next(each for each in found["choices"] if (each["provider"], each["precision"]) == STRICT)
    assert strict["problem"] == ""
    assert min(strict["segments_per_s"], strict["start_s"], strict["rss_bytes"]) > 0
    best = max((each for each in found["choices"] if not each["problem"]), key=lambda each: each["segments_per_s"])
    shown = run("check", demo_bundle(), state=tmp_path).stdout
    assert f"provider: {best['provider']}, precision: {best['precision']} (requested: auto)" in shown
    assert f"prepared: {best['segments_per_s']:.0f} segments/s; " in shown


def test_the_table_shows_what_is_used_and_why_others_are_not() -> None:
    """One line a choice, with the ratio to strict fp32, and the choice of `auto` at the end."""
    bundle = load_bundle(demo_bundle())
    findings = [
        Finding("cpu", "fp32", "", 100.0, 0.1, 100_000_000, 0.001),
        Finding("openvino", "bf16", "", 250.0, 0.3, 130_000_000, 0.5, GateFigures(42, 0.9991, 0.012, 0.0, 1.0)),
        Finding("cuda", "fp32", "cuda in fp32: no device"),
    ]
    lines = list(describe(demo_bundle(), "F_joint", bundle, findings, findings[1]))
    assert lines[2].split()[:4] == ["cpu", "fp32", "100", "1.00"]
    assert lines[3].split()[:4] == ["openvino", "bf16", "250", "2.50"]
    assert lines[3].endswith(
        "golden check at 50 % of its bound, gate 42 clips: rank correlation 0.9991, largest change 1.2 % of the way to the alarm, "
        "AUC +0.0000, false alarms x 1.000"
    )
    assert lines[4].split()[:2] == ["cuda", "fp32"]
    assert lines[4].endswith("  cuda in fp32: no device")
    assert lines[5] == "auto: openvino in bf16"
    assert list(describe(demo_bundle(), "F_joint", bundle, findings, replace(findings[1], gate=None)))[-1].endswith("decides")


def test_a_state_directory_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    """It names the file and what to do, and ends with 1; `--json` prints nothing that was not remembered."""
    (tmp_path / "state").write_text("no folder")
    done = run("prepare", "--json", demo_bundle(), state=tmp_path / "state")
    assert (done.returncode, done.stdout) == (1, "")
    assert f"aegan-monitor: {tmp_path}/state/{FILE}: cannot be written: " in done.stderr
    assert done.stderr.rstrip().endswith("run prepare as the user of the daemon")


def test_a_trial_that_fails_says_why() -> None:
    """A provider that this computer lacks is an error with the choice and the reason."""
    with pytest.raises(InferenceError, match=r"^cuda in fp32: .*CUDAExecutionProvider"):
        run_trial(demo_bundle(), "D_maha", Choice("cuda"))
