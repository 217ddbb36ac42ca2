"""One machine at a microphone that has a fault, another gain, or clips."""

from datetime import UTC, datetime

import numpy as np
import pytest

from aegan_monitor.alarm.judge import Judge
from aegan_monitor.alarm.machine import Machine
from aegan_monitor.config.alarm import AlarmConfig
from aegan_monitor.config.model import OperatingStateConfig
from aegan_monitor.decision.sound.integrity import Integrity
from aegan_monitor.demo.pump import Pump
from aegan_monitor.detection.bundle import demo_bundle, load_bundle
from aegan_monitor.detection.pipeline import Pipeline
from aegan_monitor.inference.onnx_runtime import OrtSession
from aegan_monitor.messages import payloads
from aegan_monitor.messages.model import Payload
from aegan_monitor.service.runtime import make_tracker
from aegan_monitor.types import FloatArray, Run
from published import checked
from synthetic import learn_state

NOW = datetime(2026, 1, 31, 8, 15, tzinfo=UTC)
RATE_HZ = 16_000


def hear(machine: Machine, sound: FloatArray, start: int = 0) -> list[Payload]:
    """Everything that is published about `sound`, which arrives in blocks of half a second."""
    blocks = [Run(sound[place : place + 8000], start + place) for place in range(0, len(sound), 8000)]
    return [payload for block in blocks for payload in checked(machine.hear(block, NOW, 0.0))]


def test_a_fault_of_the_microphone_is_no_alarm_of_the_machine() -> None:
    """A machine whose level falls far below its calibration is not judged until it is heard again; the alarm stays as it was."""
    bundle = load_bundle(demo_bundle())
    sound = Pump(21).read(70 * RATE_HZ)
    normal = [learn_state(sound)]
    integrity = Integrity(RATE_HZ, bundle.record.first_decision_samples, normal)
    judge = Judge(bundle.record, bundle.record.score, AlarmConfig(policy="threshold", on_delay_s=8.0))
    machine = Machine("pump", Pipeline(bundle.record, bundle.reference, OrtSession(bundle)), judge, integrity=integrity)
    sound[20 * RATE_HZ : 40 * RATE_HZ] *= np.float32(0.05)
    published = hear(machine, sound[: 30 * RATE_HZ])
    assert machine.fault is not None
    assert machine.fault.state == "level_low"
    published += hear(machine, sound[30 * RATE_HZ :], 30 * RATE_HZ)
    assert machine.fault is None
    times_s = [payload.stream_s for payload in published if isinstance(payload, payloads.Score)]
    assert not [time_s for time_s in times_s if 23 < time_s < 50]
    assert times_s[-1] > 69
    assert machine.n_samples_scored == pytest.approx((22 + 17) * RATE_HZ, abs=4 * RATE_HZ)
    assert not [payload for payload in published if isinstance(payload, payloads.Event)]


def test_after_a_level_step_the_machine_is_judged_as_before() -> None:
    """A gain of 6 dB that lasts raises no alarm: it is a fault for a minute, then scores are as before; a fault of the machine alarms."""
    bundle = load_bundle(demo_bundle())
    days = np.concatenate([Pump(seed).read(20 * RATE_HZ) for seed in range(40, 46)])
    integrity = Integrity(RATE_HZ, bundle.record.first_decision_samples, [learn_state(days)])
    judge = Judge(bundle.record, bundle.record.score, AlarmConfig(policy="threshold", on_delay_s=3.0))
    machine = Machine("pump", Pipeline(bundle.record, bundle.reference, OrtSession(bundle)), judge, integrity=integrity)
    sound = Pump(23, fault_from_s=102.0).read(115 * RATE_HZ)
    sound[20 * RATE_HZ :] *= np.float32(2)
    published = hear(machine, sound)
    (raised,) = [payload for payload in published if isinstance(payload, payloads.Event)]
    assert raised.sample > 102 * RATE_HZ
    scores = [payload for payload in published if isinstance(payload, payloads.Score)]
    before, after = ([each for each in scores if low < each.stream_s <= high] for low, high in ((0, 20), (92, 102)))
    assert [each.level_change_db for each in after] == [pytest.approx(6, abs=1.5)] * len(after)
    assert max(each.score for each in after) < 1.3 * max(each.score for each in before)
    level_db = 20 * np.log10(np.sqrt(2) * sound[92 * RATE_HZ : 102 * RATE_HZ].std())
    assert np.mean([each.level_dbfs for each in after]) == pytest.approx(level_db, abs=0.5)


def test_a_gross_fault_during_a_start_that_clips_raises_an_alarm() -> None:
    """A machine that starts with a fault, 24 dB louder than ever so that it clips, alarms within 30 s, in its grace time too."""
    bundle = load_bundle(demo_bundle())
    room = np.random.default_rng(1).normal(0, 0.001, 8 * RATE_HZ).astype(np.float32)
    states = [learn_state(room, name="off"), learn_state(Pump(20).read(30 * RATE_HZ))]
    fields = bundle.record.model_copy(update={"normal_sound": states})
    integrity = Integrity(RATE_HZ, fields.first_decision_samples, states)
    judge = Judge(fields, fields.score, AlarmConfig(policy="budget"))
    tracker = make_tracker(fields, OperatingStateConfig(grace_s=40))
    pipeline = Pipeline(fields, bundle.reference, OrtSession(bundle))
    machine = Machine("pump", pipeline, judge, states=tracker, integrity=integrity)
    published = hear(machine, room)
    assert not [payload for payload in published if isinstance(payload, payloads.Event)]
    faulty = np.clip(16 * Pump(22, fault_from_s=-2.0).read(30 * RATE_HZ), -1, 1)
    published = hear(machine, faulty, 8 * RATE_HZ)
    (raised,) = [payload for payload in published if isinstance(payload, payloads.Event)]
    assert (raised.kind, raised.clipped) == ("raised", True)
    assert [each.in_grace for each in published if isinstance(each, payloads.Score)][-1]


def test_scores_and_events_say_that_sound_is_clipped() -> None:
    """A fault that is so loud that it clips is judged, and the event says so."""
    bundle = load_bundle(demo_bundle())
    integrity = Integrity(RATE_HZ, bundle.record.first_decision_samples)
    judge = Judge(bundle.record, bundle.record.score, AlarmConfig(policy="threshold", on_delay_s=3.0))
    machine = Machine("pump", Pipeline(bundle.record, bundle.reference, OrtSession(bundle)), judge, integrity=integrity)
    loud = np.clip(30 * Pump(22, fault_from_s=-2.0).read(16 * RATE_HZ), -1, 1)
    published = hear(machine, loud)
    assert all(payload.clipped for payload in published if isinstance(payload, payloads.Score))
    assert [(payload.kind, payload.clipped) for payload in published if isinstance(payload, payloads.Event)] == [("raised", True)]
