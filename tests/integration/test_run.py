"""`aegan-monitor run`: bad input, missing parts, and the order of its end."""

import dataclasses
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from aegan_monitor.demo.pump import Pump
from aegan_monitor.detection.bundle import demo_bundle, load_bundle, write_record
from broker import STEP_DEADLINE_S, Mosquitto, Subscriber
from command_line import NO_BROKER, CommandLine, assert_lines, without_portaudio, write_config
from soundcard import write_noisy_sounddevice
from synthetic import write_wav

RATE_HZ = 16_000


@pytest.mark.broker
def test_a_recording_goes_through_to_the_subscriber(aegan_monitor: CommandLine, broker: Mosquitto, tmp_path: Path) -> None:
    """A recording at full speed gives sensor, scores, one event, the retained alarm, online and offline, then `run` ends."""
    sound = write_wav(tmp_path / "pump.wav", Pump(41, fault_from_s=40.0).read(70 * RATE_HZ))
    config = write_config(tmp_path, f"{{kind: file, paths: [{sound.name}], pace: fast}}", broker.port)
    config.write_text(config.read_text().replace("name: pump,", "name: pump, alarm: {policy: threshold},"))
    with Subscriber(broker.port, "aegan/box/#") as subscriber:
        done = aegan_monitor("run", "--config", config)
        assert done.returncode == 0, done.stderr
        subscriber.wait_for(lambda m: m.topic == "aegan/box/status" and m.payload == "offline")
        events = [json.loads(payload) for payload in subscriber.payloads("aegan/box/pump/event")]
        assert [(event["kind"], event["sequence"]) for event in events] == [("raised", 1)]
        assert 40 < events[0]["sample"] / RATE_HZ < 60
        assert json.loads(subscriber.payloads("aegan/box/pump/alarm")[-1])["active"] is True
        assert subscriber.payloads("aegan/box/status") == ["online", "offline"]
        health = json.loads(subscriber.payloads("aegan/box/health")[-1])
        assert (health["provider"], health["precision"], health["providers_requested"]) == ("cpu", "fp32", ["auto"])
        assert health["machines"]["pump"]["dropped_samples_total"] == 0
    assert "golden check passed; inference on cpu in fp32 (requested: auto)" in done.stderr


def test_a_closed_standard_error_is_no_hindrance(tmp_path: Path) -> None:
    """With standard error closed `run` processes its whole input."""
    config = write_config(tmp_path, "{kind: stdin, sample_format: s16le}", 9)
    command = ["sh", "-c", 'exec "$@" 2>&-', "sh", sys.executable, "-m", "aegan_monitor.cli", "run", "--config", str(config)]
    assert subprocess.run(command, input=bytes(1000), check=False, timeout=60).returncode == 0


@pytest.mark.broker
@pytest.mark.parametrize("portaudio", [True, False])
def test_a_missing_microphone_is_published_and_tried_again(
    aegan_monitor: CommandLine, broker: Mosquitto, tmp_path: Path, portaudio: bool
) -> None:
    """Without the device or without PortAudio `run` publishes `missing`, keeps running, and stops on request."""
    config = write_config(tmp_path, "{kind: mic, device: no such thing}", broker.port)
    environment = without_portaudio(tmp_path) if not portaudio else None
    with Subscriber(broker.port, "aegan/box/#") as subscriber:
        process = aegan_monitor.start("run", "--config", config, env=environment)
        process.stdin.close()
        sensor = subscriber.wait_for(lambda m: m.topic == "aegan/box/pump/sensor").json()
        subscriber.wait_for(lambda m: m.topic == "aegan/box/health")  # it does not end by itself
        process.send_signal(signal.SIGTERM)
        with process.stderr as stream:
            log = stream.read().decode()
        assert process.wait(STEP_DEADLINE_S) == 0
    assert sensor["state"] == "missing"
    assert "Traceback" not in log
    assert sensor["detail"] in log


@pytest.mark.broker
def test_ctrl_c_is_no_fault_of_a_microphone(broker: Mosquitto, tmp_path: Path) -> None:
    """Ctrl-C reaches every foreground process; the daemon ends PortAudio's process itself, without a sensor fault."""
    config = write_config(tmp_path, "{kind: mic}", broker.port)
    path = os.pathsep.join([str(write_noisy_sounddevice(tmp_path)), *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = {**os.environ, "PYTHONPATH": path, "PULSE_SERVER": "unix:/nonexistent"}
    command = [sys.executable, "-m", "aegan_monitor.cli", "run", "--config", str(config)]
    for _ in range(3):
        with Subscriber(broker.port, "aegan/box/#") as subscriber:
            process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment, start_new_session=True)
            subscriber.wait_for(lambda m: m.topic == "aegan/box/pump/sensor" and m.json()["state"] == "ok" and not m.retained)
            os.killpg(process.pid, signal.SIGINT)
            _, log = process.communicate(timeout=STEP_DEADLINE_S)
            subscriber.wait_for(lambda m: m.topic == "aegan/box/status" and m.payload == "offline" and not m.retained)
            assert json.loads(subscriber.payloads("aegan/box/pump/sensor")[-1])["state"] == "ok"
        assert process.returncode == 0
        assert "sensor missing" not in log


def spoil_top_db(folder: Path) -> Path:
    """A bundle that was trained with `top_db`."""
    bundle = shutil.copytree(demo_bundle(), folder / "bundle")
    record = load_bundle(demo_bundle()).record
    write_record(bundle, record.model_copy(update={"features": dataclasses.replace(record.features, top_db=80.0)}))
    return bundle


@pytest.mark.parametrize("command", ["run", "check"])
def test_a_bundle_that_cannot_be_streamed_is_refused(aegan_monitor: CommandLine, tmp_path: Path, command: str) -> None:
    """`check` and `run` both refuse a bundle that cannot be streamed."""
    spoil_top_db(tmp_path)
    config = tmp_path / "monitor.yaml"
    config.write_text("mqtt: {port: 9}\nmachines: [{name: pump, bundle: bundle, capture: {kind: stdin, sample_format: s16le}}]\n")
    done = aegan_monitor(command, "--config", config)
    others = [NO_BROKER.replace("127.0.0.1", "localhost")] if command == "check" else []
    assert_lines(done, 78, ".*: trained with top_db 80, which needs whole clips and cannot be streamed; .*", *others)


@pytest.mark.broker
def test_a_silent_pipe_is_reported_and_does_not_hold_up_the_end(aegan_monitor: CommandLine, broker: Mosquitto, tmp_path: Path) -> None:
    """A pipe without data gives `stalled`, and SIGTERM still ends the daemon with `offline`."""
    path = write_config(tmp_path, "{kind: stdin, sample_format: s16le}", broker.port)
    path.write_text(path.read_text().replace("name: pump,", "name: pump, no_data_s: 0.5,"))
    with Subscriber(broker.port, "aegan/box/#") as subscriber:
        process = aegan_monitor.start("run", "--config", path)
        sensor = subscriber.wait_for(lambda m: m.topic == "aegan/box/pump/sensor").json()
        assert (sensor["state"], "check the program that writes them" in sensor["detail"]) == ("stalled", True)
        process.send_signal(signal.SIGTERM)
        with process.stderr as stream, process.stdin:
            log = stream.read()
        assert process.wait(STEP_DEADLINE_S) == 0, log
        subscriber.wait_for(lambda m: m.topic == "aegan/box/status" and m.payload == "offline")
    assert b"Fatal" not in log
