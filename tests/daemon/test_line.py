"""A line is made of parts that agree on what a clip is."""

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from aegan_monitor.bundle import load_bundle
from aegan_monitor.config import InferenceConfig, MachineConfig
from aegan_monitor.demo import bundle_path
from aegan_monitor.line import SLACK_S, Line, Sessions, make_line
from aegan_monitor.payloads import Score
from aegan_monitor.types import Block
from broker import wait_until
from fakes import ScriptedCapture

NEEDED_SAMPLES = load_bundle(bundle_path()).record.first_decision_samples
N_STRETCHES = 3  # as many as the ring holds


def make(capture: ScriptedCapture) -> Line:
    """A machine with the demo's bundle."""
    return make_line(MachineConfig(name="pump", bundle=Path(bundle_path())), Sessions(InferenceConfig()), lambda *_: capture)


@pytest.mark.parametrize(("lacking_samples", "state", "n_decisions"), [(1, "overrun", 0), (0, "ok", N_STRETCHES)])
def test_gaps_just_before_each_decision_are_told(lacking_samples: int, state: str, n_decisions: int) -> None:
    """A sample less than a decision needs is a clip that did not come whole; nobody would be told that nothing is ever judged."""
    n_samples = NEEDED_SAMPLES - lacking_samples
    starts = range(0, N_STRETCHES * n_samples, n_samples)
    capture = ScriptedCapture([[Block(np.zeros(n_samples, np.float32), start, overflowed=start > 0) for start in starts]])
    line = make(capture)
    line.listener.start()
    wait_until(lambda: capture.n_closed, "the last sample")
    assert line.listener.sensor().state == state
    n_found = 0
    while (run := line.ring.read(0.0)) is not None:
        n_found += sum(isinstance(payload, Score) for payload in line.machine.hear(run, datetime.now(UTC), 0.0))
    assert n_found == n_decisions


def test_the_watchdog_waits_for_a_whole_decision() -> None:
    """After as long as the sensor may be silent, and with some slack."""
    line = make(ScriptedCapture([]))
    assert line.deadline_s == 2 * line.config.no_data_s + NEEDED_SAMPLES / line.sample_rate_hz + SLACK_S
