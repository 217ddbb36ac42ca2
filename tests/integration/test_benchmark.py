"""`aegan-monitor benchmark`, as a user runs it."""

import json
import os
from pathlib import Path

import pytest

from aegan_monitor import __version__
from aegan_monitor.detection.bundle import demo_bundle
from aegan_monitor.errors import InferenceError
from aegan_monitor.inference.providers import STRICT
from aegan_monitor.tools.speed.benchmark import run_measure
from command_line import CommandLine, assert_lines

POSITIVE = {"segments_per_s", "machines", "delay_ms", "delay_p99_ms", "n_decisions", "rss_mb", "start_s", "processor_share"}
POWER = {"watts", "idle_watts"}
BOX = {"provider", "precision", "machine_type", "preset", "score", "graphs", "processor", "n_cores", "n_threads", "versions"}


def test_json_has_a_line_for_each_provider_and_precision(aegan_monitor: CommandLine) -> None:
    """Each line has every figure, of the size that it can have, and what it depends on; the CPU in fp32 is always among them."""
    done = aegan_monitor("benchmark", demo_bundle(), "--json", "--seconds", "0.1")
    assert (done.returncode, done.stderr) == (0, "")
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    (strict,) = [line for line in lines if (line["provider"], line["precision"]) == ("cpu", "fp32")]
    for line in lines:
        assert set(line) == POSITIVE | POWER | BOX
        assert all(line[name] > 0 for name in POSITIVE)
        assert all(line[name] is None or line[name] > 0 for name in POWER)
        assert line["delay_p99_ms"] >= line["delay_ms"]
    assert (strict["machine_type"], strict["preset"], strict["score"], strict["graphs"]) == ("pump", "tiny", "F_joint", ["embedding"])
    assert (strict["n_cores"], strict["n_threads"]) == (len(os.sched_getaffinity(0)), 1)
    assert strict["versions"]["aegan-monitor"] == __version__
    assert {"python", "numpy", "onnxruntime"} <= set(strict["versions"])
    assert 30 < strict["rss_mb"] < 1000


def test_bad_input_gets_one_line(aegan_monitor: CommandLine, tmp_path: Path) -> None:
    """A folder that is no bundle and one that is missing end with one line that says what to do; wrong numbers are wrong usage."""
    assert_lines(aegan_monitor("benchmark", tmp_path), 78, f"{tmp_path}/bundle.json: file missing, .*aegan-export RUN --out FOLDER")
    assert_lines(aegan_monitor("benchmark", tmp_path / "gone"), 1, f"{tmp_path}/gone: no such bundle folder; .*")
    for option, value in (("--seconds", "0"), ("--threads", "none")):
        done = aegan_monitor("benchmark", demo_bundle(), option, value)
        assert done.returncode == 2
        assert f"argument {option}: expected a" in done.stderr.splitlines()[-1]


def test_a_provider_that_fails_is_named_with_the_reason(tmp_path: Path) -> None:
    """The error of the process is one line, with provider and precision."""
    with pytest.raises(InferenceError, match=rf"^cpu in fp32: not measured: {tmp_path}/gone: no such bundle folder; [^\n]*$"):
        run_measure(tmp_path / "gone", STRICT, 1, 0.1)
