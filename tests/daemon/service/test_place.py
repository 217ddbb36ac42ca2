"""The place of a monitor: which of a bundle's thresholds holds, and what an update of the daemon changes."""

import json
import logging
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest

from aegan_monitor.alarm.judge import Judge
from aegan_monitor.alarm.lifecycle import AlarmRecord
from aegan_monitor.config.alarm import AlarmConfig
from aegan_monitor.config.model import InferenceConfig, MachineConfig
from aegan_monitor.decision.threshold_policy import ThresholdPolicy
from aegan_monitor.detection.bundle import DIGEST_KEY, RECORD, demo_bundle, digest_of, load_bundle, write_record
from aegan_monitor.detection.record import BundleFields, Calibration, Place
from aegan_monitor.detection.threshold import Threshold
from aegan_monitor.errors import ConfigError
from aegan_monitor.service.inference import Sessions
from aegan_monitor.service.runtime import Line, choose_score, make_line
from fakes import ScriptedCapture
from synthetic import copy_demo_as_format_2

PROBABILITIES = [0.0, 0.5, 1.0]


def calibrate(largest: float, n_copies: int) -> Calibration:
    """What a score of 1 to `largest` over normal sound is calibrated to: the alarm lies at `largest`."""
    names = load_bundle(demo_bundle()).record.normalisation
    quantiles = {name: [1.0, 1.0, largest] for name in names}
    return Calibration(n_clips=8, n_copies=n_copies, quantile=1.0, margin=0.0, probabilities=PROBABILITIES, quantiles=quantiles)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A bundle that knows both places."""
    folder = shutil.copytree(demo_bundle(), tmp_path / "bundle")
    calibration = {"recorded": calibrate(2.0, 0), "any": calibrate(5.0, 128)}
    write_record(folder, load_bundle(folder).record.model_copy(update={"calibration": calibration}))
    return folder


@pytest.fixture
def older(tmp_path: Path) -> Path:
    """A bundle of format 2, calibrated with copies before other backgrounds."""
    folder = copy_demo_as_format_2(tmp_path / "older")
    record = json.loads((folder / RECORD).read_text())
    assert record["format"] == 2
    record["calibration"] |= {"n_copies": 144, "quantile": 0.95, "margin": 0.1}
    (folder / RECORD).write_text(json.dumps({**record, DIGEST_KEY: digest_of(record)}))
    return folder


def find_thresholds(fields: BundleFields, score: str, settings: AlarmConfig) -> Threshold:
    """The thresholds by which a machine with these settings is judged."""
    policy = Judge(fields, score, settings).policy
    assert isinstance(policy, ThresholdPolicy)
    return policy.threshold


def start(folder: Path, place: Place | None = None) -> Line:
    """The runtime objects of a machine in this place."""
    config = MachineConfig(name="pump", bundle=folder, alarm=AlarmConfig(place=place))
    return make_line(config, Sessions(InferenceConfig()), lambda *_: ScriptedCapture([]))


@pytest.mark.parametrize(("place", "on", "words"), [(None, 2, "recorded"), ("recorded", 2, "recorded"), ("any", 5, "any")])
def test_the_configuration_chooses_the_threshold(
    folder: Path, place: Place | None, on: float, words: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The recorded place is the default; the log says which place and threshold hold."""
    record = load_bundle(folder).record
    assert find_thresholds(record, record.score, AlarmConfig(place=place)).on == on
    with caplog.at_level(logging.INFO):
        start(folder, place)
    assert f"in {'the recorded' if words == 'recorded' else 'any'} place: " in caplog.text
    assert f"alarm above {on} " in caplog.text
    assert "train again" not in caplog.text


def test_quantile_and_margin_hold_in_each_place(folder: Path) -> None:
    """Settings for the threshold replace the advice of both places."""
    record = load_bundle(folder).record
    found = [find_thresholds(record, record.score, AlarmConfig(place=place, quantile=0.75, margin=1.0)) for place in ("recorded", "any")]
    assert [(each.on, each.off) for each in found] == [(2.0, 1.5), (5.0, 3.0)]


def test_a_place_that_a_bundle_does_not_know(older: Path) -> None:
    """It is one line that names the key, what there is, and the remedy."""
    config = MachineConfig(name="pump", bundle=older, alarm=AlarmConfig(place="recorded"))
    with pytest.raises(
        ConfigError, match=r"machine pump: alarm.place: recorded, but .* place any alone; remove the key, or train"
    ) as caught:
        choose_score(config, load_bundle(older))
    assert "\n" not in str(caught.value)


def test_a_bundle_of_format_2_runs_as_before(older: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Its one threshold holds by default, an alarm from before the update goes on, and a line says that there is no lower threshold."""
    raw = json.loads((older / RECORD).read_text())
    values, probabilities = (raw["calibration"][key] for key in ("quantiles", "probabilities"))
    off = values[raw["score"]][probabilities.index(0.95)]
    with caplog.at_level(logging.INFO):
        line = start(older)
    threshold = find_thresholds(line.bundle.record, raw["score"], AlarmConfig())
    assert threshold.off == off
    assert threshold.on == off + 0.1 * (off - values[raw["score"]][probabilities.index(0.5)])
    assert "train again to find smaller faults" in caplog.text
    basis = f"{raw[DIGEST_KEY]} {raw['score']} None None"  # as version 0.2 stored it
    line.machine.begin(datetime.now(UTC), 0.0, AlarmRecord(basis=basis, process="alarm"))
    assert (line.machine.record.process, line.machine.record.basis) == ("alarm", basis)


@pytest.mark.parametrize(("before", "now", "stays"), [(None, "recorded", True), (None, "any", False), ("any", None, False)])
def test_another_place_ends_an_alarm(folder: Path, before: Place | None, now: Place | None, stays: bool) -> None:
    """Another threshold supersedes an active alarm; to name the default changes nothing."""
    first, second = start(folder, before), start(folder, now)
    first.machine.begin(datetime.now(UTC), 0.0, AlarmRecord(process="alarm"))
    second.machine.begin(datetime.now(UTC), 0.0, first.machine.record)
    assert (second.machine.record.process == "alarm") == stays
