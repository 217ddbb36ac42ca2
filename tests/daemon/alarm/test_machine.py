"""One machine: what it publishes, in which order, and with which numbers."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from aegan_monitor.alarm.judge import Judge
from aegan_monitor.alarm.lifecycle import AlarmRecord
from aegan_monitor.alarm.machine import Machine
from aegan_monitor.audio.supervisor import SensorState
from aegan_monitor.config.alarm import AlarmConfig
from aegan_monitor.demo.pump import Pump
from aegan_monitor.detection.bundle import demo_bundle, load_bundle
from aegan_monitor.detection.pipeline import Pipeline
from aegan_monitor.inference.onnx_runtime import OrtSession
from aegan_monitor.messages import payloads
from aegan_monitor.messages.command_payloads import Command, Result
from aegan_monitor.messages.commands import Refusal
from aegan_monitor.messages.model import Payload
from aegan_monitor.types import FloatArray, Run
from published import checked

NOW = datetime(2026, 1, 31, 8, 15, tzinfo=UTC)
RATE_HZ = 16_000


def make_machine() -> Machine:
    """A machine with the demo bundle and short delays."""
    bundle = load_bundle(demo_bundle())
    judge = Judge(bundle.record, bundle.record.score, AlarmConfig(policy="threshold", on_delay_s=3.0, off_delay_s=3.0))
    ids = iter(f"id-{number}" for number in range(100))
    return Machine("pump", Pipeline(bundle.record, bundle.reference, OrtSession(bundle)), judge, new_id=lambda: next(ids))


@pytest.fixture
def machine() -> Machine:
    """A machine with the demo bundle and short delays."""
    return make_machine()


def hear(machine: Machine, sound: FloatArray, start: int = 0, after_gap: bool = False) -> list[Payload]:
    """Everything that is published about `sound`, which arrives in blocks of half a second."""
    found = []
    for place in range(0, len(sound), 8000):
        found += checked(machine.hear(Run(sound[place : place + 8000], start + place, after_gap and place == 0), NOW, 0.0))
    return found


def test_a_fault_raises_one_alarm_and_its_end_clears_it(machine: Machine) -> None:
    """Normal, faulty and normal sound raises one alarm and clears it, with consecutive numbers."""
    normal, faulty = Pump(21).read(30 * RATE_HZ), Pump(22, fault_from_s=-2.0).read(40 * RATE_HZ)
    assert not [p for p in hear(machine, normal) if isinstance(p, payloads.Event)]
    published = hear(machine, faulty, 8 * RATE_HZ) + hear(machine, Pump(23).read(40 * RATE_HZ), 70 * RATE_HZ)
    events = [payload for payload in published if isinstance(payload, payloads.Event)]
    assert [(event.kind, event.sequence, event.id) for event in events] == [("raised", 1, "id-0"), ("cleared", 2, "id-1")]
    raised, cleared = events
    assert raised.sample > 30 * RATE_HZ
    assert cleared.duration_s == (cleared.sample - raised.sample) / RATE_HZ
    assert raised.score > raised.threshold
    states = [payload.state for payload in published if isinstance(payload, payloads.Alarm)]
    assert states == ["pending", "alarm", "clearing", "normal"]


def test_one_bang_raises_no_alarm() -> None:
    """One bang raises no alarm, because the configured on-delay is longer than the 9.7 s that a clip contains it."""
    bundle = load_bundle(demo_bundle())
    judge = Judge(bundle.record, bundle.record.score, AlarmConfig(policy="threshold"))
    machine = Machine("pump", Pipeline(bundle.record, bundle.reference, OrtSession(bundle)), judge)
    sound = Pump(21).read(40 * RATE_HZ)
    sound[20 * RATE_HZ : 20 * RATE_HZ + 3200] += np.random.default_rng(0).normal(0, 0.5, 3200).astype(np.float32)
    published = hear(machine, sound)
    assert sum(payload.exceeded for payload in published if isinstance(payload, payloads.Score)) >= 8
    assert not [payload for payload in published if isinstance(payload, payloads.Event)]


def test_a_bang_and_a_fault_are_published_with_their_share() -> None:
    """While a bang is in the clip, the share in each score is small; while a fault goes on, it is large."""
    bundle = load_bundle(demo_bundle())

    def find_shares(sound: FloatArray) -> list[float]:
        judge = Judge(bundle.record, bundle.record.score, AlarmConfig(policy="threshold"))
        machine = Machine("pump", Pipeline(bundle.record, bundle.reference, OrtSession(bundle)), judge)
        shares = [payload.lasting_share for payload in hear(machine, sound) if isinstance(payload, payloads.Score)]
        return [share for share in shares if share is not None]

    banged, faulty = Pump(21).read(12 * RATE_HZ), Pump(22, fault_from_s=-2.0).read(12 * RATE_HZ)
    banged[5 * RATE_HZ : 5 * RATE_HZ + 3200] += np.random.default_rng(0).normal(0, 0.5, 3200).astype(np.float32)
    assert 0 < max(find_shares(banged)) < 0.1
    assert min(find_shares(faulty)) > 0.3


def test_an_event_goes_before_the_state_that_names_it(machine: Machine) -> None:
    """Each event is published before the retained state that refers to it."""
    published = hear(machine, Pump(22, fault_from_s=-2.0).read(30 * RATE_HZ))
    place = next(i for i, payload in enumerate(published) if isinstance(payload, payloads.Event))
    state = published[place + 1]
    assert isinstance(state, payloads.Alarm)
    assert (state.state, state.active, state.event_id) == ("alarm", True, "id-0")


def test_scores_tell_sample_and_stream_time(machine: Machine) -> None:
    """A decision falls every 1.024 s from 9.76 s on."""
    scores = [payload for payload in hear(machine, Pump(21).read(13 * RATE_HZ)) if isinstance(payload, payloads.Score)]
    assert [round(score.stream_s, 3) for score in scores] == [9.76, 10.784, 11.808, 12.832]
    assert [score.sample for score in scores] == [round(score.stream_s * RATE_HZ) for score in scores]
    assert all(-40 < score.level_dbfs < -15 and score.lasting_share is not None for score in scores)


def test_nothing_is_scored_across_a_gap(machine: Machine) -> None:
    """After a gap the next score needs a whole clip of new sound."""
    sound = Pump(21).read(40 * RATE_HZ)
    assert hear(machine, sound[: 9 * RATE_HZ]) == []
    published = hear(machine, sound[20 * RATE_HZ : 30 * RATE_HZ], 20 * RATE_HZ, after_gap=True)
    assert [payload.sample for payload in published if isinstance(payload, payloads.Score)] == [20 * RATE_HZ + 1024 + 303 * 512]


def test_the_wall_clock_decides_nothing() -> None:
    """Wall clock jumps of hours change no score, transition, duration or order."""
    found = []
    for jumps_h in ([0], [3, -5, 0, 9000, -2]):
        machine = make_machine()
        sound = np.concatenate([Pump(21).read(20 * RATE_HZ), Pump(22, fault_from_s=-2.0).read(30 * RATE_HZ), Pump(21).read(40 * RATE_HZ)])
        published: list[Payload] = []
        for number, start in enumerate(range(0, len(sound), 8192)):
            time = NOW + timedelta(hours=jumps_h[number % len(jumps_h)])
            published += machine.hear(Run(sound[start : start + 8192], start, after_gap=False), time, 0.0)
        times: dict[str, Any] = {"time": True, "since": True, "measured_at": True, "explanation": {"since"}, "case": {"began_at", "cause"}}
        messages = [payload.model_dump(exclude=times) for payload in checked(published)]
        found.append([{**message, "cause": message.get("cause", "").partition("; since")[0]} for message in messages])
    kinds = [payload["kind"] for payload in found[0] if "kind" in payload]
    assert kinds == ["raised", "cleared"]
    assert found[1] == found[0]


def test_the_sensor_is_reported_when_it_is_news(machine: Machine) -> None:
    """Each change of the sensor state is published once, except for `starting`."""
    states = [SensorState("starting"), SensorState("ok"), SensorState("ok"), SensorState("missing", "gone"), SensorState("ok")]
    reported = [payload for state in states for payload in checked(machine.sense(state, NOW))]
    assert [(payload.state, payload.detail) for payload in reported if isinstance(payload, payloads.Sensor)] == [
        ("ok", ""),
        ("missing", "gone"),
        ("ok", ""),
    ]


def test_the_demo_bundle_is_where_it_says() -> None:
    """The demo bundle lies in the package."""
    assert (demo_bundle() / "bundle.json").is_file()
    assert isinstance(demo_bundle(), Path)


def test_a_command_is_answered_behind_what_it_led_to(machine: Machine) -> None:
    """The result of a command follows its event and state; a refused command gets only its result."""
    machine.begin(NOW, 0.0, AlarmRecord())
    hear(machine, Pump(22, fault_from_s=-2.0).read(30 * RATE_HZ))
    event, state, result = checked(machine.obey(Command(command="shelve", id="7", duration_s=60.0), NOW, 30.0))
    assert isinstance(event, payloads.Event)
    assert isinstance(state, payloads.Alarm)
    assert isinstance(result, Result)
    assert (event.kind, event.sequence, event.sample) == ("shelved", 2, 30 * RATE_HZ)
    assert (state.active, machine.record.active, machine.record.shelved) == (False, False, True)
    assert state.shelved_until == NOW + timedelta(seconds=60)
    assert (result.command, result.id, result.accepted, result.reason) == ("shelve", "7", True, "")
    [result] = checked(machine.obey(Refusal("late", "shelve", "8"), NOW, 31.0))
    assert isinstance(result, Result)
    assert (result.command, result.id, result.accepted, result.reason) == ("shelve", "8", False, "late")
    [result] = checked(machine.obey(Command(command="acknowledge"), NOW, 32.0))
    assert isinstance(result, Result)
    assert (result.id, result.accepted, result.reason) == (None, False, "the alarm is shelved: none is active")


def test_only_what_a_score_covers_is_scored(machine: Machine) -> None:
    """Sound between gaps closer than a clip is counted as heard, but not as scored."""
    sound = Pump(21).read(20 * RATE_HZ)
    hear(machine, sound)
    until = machine.n_samples_scored
    assert 18.9 * RATE_HZ < until <= 20 * RATE_HZ
    for number in range(1, 4):
        hear(machine, sound[: 8 * RATE_HZ], number * 100 * RATE_HZ, after_gap=True)
    assert machine.n_samples_scored == until
    hear(machine, sound, 1000 * RATE_HZ, after_gap=True)
    assert machine.n_samples_scored == 2 * until


def test_a_machine_that_has_not_begun_stores_nothing(machine: Machine) -> None:
    """A start that fails does not overwrite the stored record of the previous run."""
    assert machine.take_record(0.0, is_last=True) is None
    machine.begin(NOW, 0.0, AlarmRecord(process="alarm", announced=True, event_ids=("old",)))
    record = machine.take_record(0.0, is_last=True)
    assert record is not None
    assert record.event_ids == ("old",)


def test_a_new_machine_is_normal_since_it_began(machine: Machine) -> None:
    """The state before the first decision has the time of the start, not 1970."""
    (state,) = machine.begin(NOW, 0.0, AlarmRecord())
    assert isinstance(state, payloads.Alarm)
    assert (state.state, state.since, state.confirmed) == ("normal", NOW, False)
