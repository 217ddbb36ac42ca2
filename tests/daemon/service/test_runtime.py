"""The parts of a line agree on the length of a clip and on its time."""

import os
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from aegan_monitor.audio.supervisor import SensorState
from aegan_monitor.config.alarm import AlarmConfig
from aegan_monitor.config.capture import StdinCaptureConfig
from aegan_monitor.config.model import InferenceConfig, MachineConfig, OperatingStateConfig
from aegan_monitor.decision.budget import Budget
from aegan_monitor.decision.budget_policy import BudgetPolicy
from aegan_monitor.decision.proof import commission
from aegan_monitor.demo.pump import Pump
from aegan_monitor.detection.bundle import demo_bundle, load_bundle
from aegan_monitor.detection.record import NormalState
from aegan_monitor.errors import ConfigError
from aegan_monitor.messages.payloads import Score, Sensor
from aegan_monitor.service.inference import Sessions
from aegan_monitor.service.runtime import SLACK_S, Line, find_standard_input, make_capture, make_line, make_tracker
from aegan_monitor.types import Block, FloatArray, Run
from broker import wait_until
from fakes import ScriptedCapture

NEEDED_SAMPLES = load_bundle(demo_bundle()).record.first_decision_samples
N_STRETCHES = 3  # as many as the ring holds


def make_sound(n_samples: int) -> FloatArray:
    """Sound that the demo bundle knows; what looks like a fault of the microphone is not judged."""
    return Pump(0).read(n_samples)


def make(capture: ScriptedCapture, alarm: AlarmConfig | None = None) -> Line:
    """A machine with the demo bundle."""
    config = MachineConfig(name="pump", bundle=Path(demo_bundle()), alarm=alarm or AlarmConfig())
    return make_line(config, Sessions(InferenceConfig()), lambda *_: capture)


@pytest.mark.parametrize(("lacking_samples", "is_overrun", "n_decisions"), [(1, True, 0), (0, False, N_STRETCHES)])
def test_gaps_just_before_each_decision_are_an_overrun(lacking_samples: int, is_overrun: bool, n_decisions: int) -> None:
    """The ring's gap rate and the pipeline agree to the sample on the sound that a first decision needs."""
    n_samples = NEEDED_SAMPLES - lacking_samples
    starts = range(0, N_STRETCHES * n_samples, n_samples)
    capture = ScriptedCapture([[Block(make_sound(n_samples), start, overflowed=start > 0) for start in starts]])
    line = make(capture)
    line.supervisor.start()
    wait_until(lambda: capture.n_closed, "the last sample")
    n_found, states = 0, []
    while (run := line.ring.read(0.0)) is not None:
        n_found += sum(isinstance(payload, Score) for payload in line.machine.hear(run, datetime.now(UTC), 0.0))
        states.append(line.ring.overrun_window_samples > 0)
    assert n_found == n_decisions
    assert states[-1] == is_overrun


def test_each_decision_of_a_late_run_has_a_time_of_its_own() -> None:
    """Decisions made together 16 s late each carry the time of their own sound."""
    line, now = make(ScriptedCapture([])), datetime(2026, 3, 1, tzinfo=UTC)
    run = Run(make_sound(14 * 16_000), 0, began_s=100.0, ended_s=114.0)
    scores = [payload for payload in line.machine.hear(run, now, 130.0) if isinstance(payload, Score)]
    assert len(scores) >= 4
    for score in scores:
        assert score.time == pytest.approx(now - timedelta(seconds=30.0 - score.stream_s), abs=timedelta(milliseconds=1))


def test_the_watchdog_waits_for_a_whole_decision() -> None:
    """The watchdog's limit is longer than the time after which a silent sensor is reported."""
    line = make(ScriptedCapture([]))
    assert line.deadline_s == 2 * line.config.no_data_s + NEEDED_SAMPLES / line.sample_rate_hz + SLACK_S


def test_a_bundle_with_operating_states_has_them_followed() -> None:
    """The times of the configuration become samples; a bundle without operating states has no tracker."""
    record = load_bundle(demo_bundle()).record
    assert make_tracker(record.model_copy(update={"normal_sound": []}), OperatingStateConfig()) is None
    normal = [NormalState(name="off", share=1, level_dbfs=[-62, -60, -58], bands_dbfs=[[-72, -70, -68]] * 8)]
    tracker = make_tracker(record.model_copy(update={"normal_sound": normal}), OperatingStateConfig(standstill_alarm_s=60))
    assert tracker is not None
    tracker.push(0.001 * np.random.default_rng(0).standard_normal(66 * 16_000).astype(np.float32))
    assert (tracker.now.name, tracker.now.stands_still, tracker.at(60 * 16_000 - 1).stands_still) == ("off", True, False)


def test_standard_input_that_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Python has None for it (`<&-`, some supervisors); the error names the key and the remedy."""
    machine = MachineConfig(name="pump", bundle=Path("b"), capture=StdinCaptureConfig(kind="stdin", sample_format="s16le"))
    monkeypatch.setattr(sys, "stdin", None)
    find_standard_input.cache_clear()
    with pytest.raises(ConfigError, match=r"machine pump: capture.*standard input is closed; .* \| aegan-monitor run"):
        make_capture(machine, 16_000)


def test_a_reload_amid_a_sample_hears_no_halves_of_two(monkeypatch: pytest.MonkeyPatch) -> None:
    """After a reload a new capture continues standard input at the next byte, so no sample is split."""
    reading, writing = os.pipe()
    values = np.arange(100, 110, dtype="<i2")
    machine = MachineConfig(name="pump", bundle=Path("b"), capture=StdinCaptureConfig(kind="stdin", sample_format="s16le"))
    heard: list[float] = []
    with os.fdopen(reading) as standard_input, os.fdopen(writing, "wb", buffering=0) as writer:
        monkeypatch.setattr(sys, "stdin", standard_input)
        find_standard_input.cache_clear()
        for part in (values.tobytes()[:7], values.tobytes()[7:]):
            writer.write(part)
            capture = make_capture(machine, 16_000)
            capture.open()
            block = capture.read()
            assert block is not None
            heard += (block.samples * 32768).tolist()
            capture.close()
    find_standard_input.cache_clear()
    assert heard == values.tolist()


def test_the_sensor_reports_a_fault_that_the_sound_shows() -> None:
    """Zeros from a pipe are `silent`, bring no score after their first second, and end with sound; a fault of the capture goes first."""
    line = make(ScriptedCapture([]))
    line.supervisor._state = SensorState("ok")
    sound, silence = make_sound(14 * 16_000), np.zeros(14 * 16_000, np.float32)
    assert line.hear(Run(sound, 0), datetime.now(UTC), 0.0)
    assert line.sensor().state == "ok"
    scores = [payload for payload in line.hear(Run(silence, len(sound)), datetime.now(UTC), 0.0) if isinstance(payload, Score)]
    assert not [score for score in scores if score.stream_s >= 15]
    assert (line.sensor().state, line.sensor().detail != "") == ("silent", True)
    line.supervisor._state = SensorState("missing", "unplugged")
    assert line.sensor() == SensorState("missing", "unplugged")
    line.supervisor._state = SensorState("ok")
    assert line.hear(Run(sound, 2 * len(sound)), datetime.now(UTC), 0.0)
    assert line.sensor().state == "ok"


def test_the_sensor_has_the_step_of_a_level_as_a_field() -> None:
    """The detail of `level_changed` is made of `level_change_db`, which is null in every other state."""
    line, now = make(ScriptedCapture([])), datetime.now(UTC)
    line.supervisor._state = SensorState("ok")
    sound = make_sound(40 * 16_000)
    sound[20 * 16_000 :] *= np.float32(0.5)
    line.hear(Run(sound[: 20 * 16_000], 0), now, 0.0)
    (before,) = line.machine.sense(line.sensor(), now)
    line.hear(Run(sound[20 * 16_000 :], 20 * 16_000), now, 0.0)
    (after,) = line.machine.sense(line.sensor(), now)
    assert isinstance(before, Sensor)
    assert isinstance(after, Sensor)
    assert (before.state, before.level_change_db, after.state) == ("ok", None, "level_changed")
    heard_db = 20 * np.log10(sound[23 * 16_000 : 28 * 16_000].std() / sound[10 * 16_000 : 20 * 16_000].std())  # the pump varies, too
    assert after.level_change_db == pytest.approx(heard_db, abs=1)
    assert f"the level changed by {after.level_change_db:+.1f} dB" in after.detail


def test_the_commissioning_report_is_computed_once_for_a_budget() -> None:
    """It is that of `check`; a machine that thresholds decide has none."""
    assert make(ScriptedCapture([]), AlarmConfig(policy="threshold")).describe_proof() == []
    line = make(ScriptedCapture([]))
    assert isinstance(line.policy, BudgetPolicy)
    found = line.describe_proof()
    assert found == commission(line.policy).describe()
    assert line.describe_proof() is found
    line.policy.budget = Budget(2.0)
    assert line.describe_proof() != found
