"""The whole line with real parts: a PulseAudio null sink, mosquitto, and mosquitto_sub."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from aegan_monitor.demo.pump import Pump
from aegan_monitor.detection.bundle import demo_bundle
from broker import Mosquitto, Subscriber
from chaos import IS_FULL
from pulse import SINK, PulseServer
from synthetic import write_wav

RATE_HZ = 16_000
PART_S = 60 if IS_FULL else 30
HOP_S = 1.024  # from decision to decision, the first after a clip of 9.7 s


def write_config(folder: Path, bundle: Path, port: int) -> Path:
    """A configuration as a user would write it."""
    path = folder / "monitor.yaml"
    machine = f"{{name: pump, bundle: {bundle}, capture: {{device: 'pulse:{SINK}.monitor'}}}}"
    path.write_text(f"node: box\nhealth_interval_s: 5\nmqtt: {{host: 127.0.0.1, port: {port}}}\nmachines: [{machine}]\n")
    return path


def hear(pulse: PulseServer, broker: Mosquitto, config: Path, sound: Path) -> tuple[Subscriber, str]:
    """Play `sound` to a running daemon; returns the subscribed messages and the log."""
    subscriber = Subscriber(broker.port, "aegan/box/#")
    with subscriber:
        command = [sys.executable, "-m", "aegan_monitor.cli", "run", "--config", str(config)]
        process = subprocess.Popen(command, env=pulse.env, stderr=subprocess.PIPE, text=True)
        try:
            subscriber.wait_for(lambda m: m.topic == "aegan/box/pump/sensor" and m.json()["state"] == "silent", 60)  # it listens
            pulse.play(sound)
        finally:
            process.terminate()
            _, log = process.communicate(timeout=60)
        assert process.returncode == 0, log
        subscriber.wait_for(lambda m: m.topic == "aegan/box/status" and m.payload == "offline")
    return subscriber, log


@pytest.mark.mic
@pytest.mark.broker
@pytest.mark.timeout(240)
def test_normal_and_then_faulty_sound_is_one_alarm(pulse: PulseServer, broker: Mosquitto, tmp_path: Path) -> None:
    """Normal sound (one minute in a full run) raises no alarm, and as much faulty sound exactly one."""
    sound = Pump(31, fault_from_s=PART_S).read(2 * PART_S * RATE_HZ)
    config = write_config(tmp_path, demo_bundle(), broker.port)
    subscriber, log = hear(pulse, broker, config, write_wav(tmp_path / "pump.wav", sound))
    events = [json.loads(payload) for payload in subscriber.payloads("aegan/box/pump/event")]
    assert [event["kind"] for event in events] == ["raised"], log
    scores = [json.loads(payload) for payload in subscriber.payloads("aegan/box/pump/score")]
    assert -22 < len(scores) - 2 * PART_S / HOP_S < 7
    health = [json.loads(payload) for payload in subscriber.payloads("aegan/box/health")][-1]
    assert health["machines"]["pump"]["dropped_samples_total"] == 0
    assert health["machines"]["pump"]["gaps_total"] == 0
    assert health["provider"] == "cpu"
    normal = [score for score in scores if score["sample"] < events[0]["sample"] and not score["exceeded"]]
    assert len(normal) > PART_S / HOP_S - 13


@pytest.mark.full
@pytest.mark.mic
@pytest.mark.broker
@pytest.mark.dataset
@pytest.mark.timeout(600)  # it trains first
def test_real_recordings(pulse: PulseServer, broker: Mosquitto, recordings: Path, tmp_path: Path) -> None:
    """A bundle trained on real normal clips scores a real flight through microphone and broker."""
    from aegan_export.bundle import export_bundle
    from aegan_train.config import load_config
    from aegan_train.fit import FitRequest, fit

    data = recordings / "quadcopter_mixed"
    fit(FitRequest(data, "quadcopter", "tiny", load_config("tiny", None, n_epochs=3), tmp_path / "run", "cpu", 0))
    export_bundle(tmp_path / "run", tmp_path / "bundle")
    clips = sorted((data / "dev_data" / "quadcopter" / "test").glob("normal*.wav"))[:3]
    sound = write_wav(tmp_path / "flight.wav", np.concatenate([soundfile.read(clip)[0] for clip in clips]))
    config = write_config(tmp_path, tmp_path / "bundle", broker.port)
    subscriber, _ = hear(pulse, broker, config, sound)
    scores = [json.loads(payload) for payload in subscriber.payloads("aegan/box/pump/score")]
    assert 17 < len(scores) < 50
    assert all(np.isfinite(score["score"]) for score in scores)
