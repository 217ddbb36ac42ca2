"""The demo: the alarm comes after the fault and reaches a subscriber, for several pumps."""

import re
import subprocess
import sys

import pytest

from aegan_monitor.demo.show import FAULT_FROM_S


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_demo(seed: int) -> None:
    """The demo ends with 0 after the subscriber has printed the alarm, at eight times the speed of CI's `make demo`."""
    command = [sys.executable, "-m", "aegan_monitor.cli", "demo", "--seed", str(seed), "--speed", "8"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    (alarm,) = [line for line in lines if "ALARM raised" in line]
    assert alarm.startswith("subscriber  aegan/demo/pump/event  ALARM raised: ")
    for resonance_khz in (2.9, 4.7):
        assert any(
            float(low) < resonance_khz < float(high) for low, high in re.findall(r"([\d.]+) to ([\d.]+) kHz louder than ever", alarm)
        )
    last_score = [line for line in lines if "/score" in line and lines.index(line) < lines.index(alarm)][-1]
    assert float(last_score.split()[2]) > FAULT_FROM_S
    assert re.fullmatch("demo: the alarm came [12][0-9] s after the fault and reached the subscriber", lines[-1])
    assert done.stderr == ""
    assert "mean nothing" not in done.stdout  # which holds for the demo's bundle on a microphone
