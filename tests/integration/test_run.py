"""`aegan-monitor run` as its users meet it: bad input, missing parts, and the order in which it stops."""

import dataclasses
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from aegan_monitor.demo.pump import Pump
from aegan_monitor.detection.bundle import demo_bundle, load_bundle, write_record
from aegan_monitor.detection.policy import ThresholdPolicy
from broker import STEP_DEADLINE_S, Mosquitto, Subscriber, find_free_port
from soundcard import write_noisy_sounddevice
from synthetic import write_wav

RATE_HZ = 16_000
NO_BROKER = "MQTT broker 127.0.0.1:9: TCP: .*Connection refused.*"


def aegan_monitor(*arguments: object, **options: object) -> subprocess.CompletedProcess[str]:
    """Run aegan-monitor to its end."""
    command = [sys.executable, "-m", "aegan_monitor.cli", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60, **options)  # type: ignore[call-overload,no-any-return]


def write_config(folder: Path, capture: str, port: int, more: str = "") -> Path:
    """A configuration with the built-in bundle."""
    path = folder / "monitor.yaml"
    machine = f"{{name: pump, bundle: {demo_bundle()}, capture: {capture}}}"
    path.write_text(f"node: box\nmqtt: {{host: 127.0.0.1, port: {port}}}\noutbox: {{path: outbox.sqlite}}\nmachines: [{machine}]\n{more}")
    return path


def assert_lines(done: subprocess.CompletedProcess[str], code: int, *lines: str) -> None:
    """The command failed with that code and these lines."""
    assert done.returncode == code, done.stderr
    assert re.fullmatch("".join(rf"aegan-monitor: {line}\n" for line in lines), done.stderr), done.stderr


@pytest.mark.broker
def test_a_recording_goes_through_to_the_subscriber(broker: Mosquitto, tmp_path: Path) -> None:
    """At full speed: sensor, scores, one event, the retained alarm, online and offline; the daemon ends with the file."""
    sound = write_wav(tmp_path / "pump.wav", Pump(41, fault_from_s=40.0).read(70 * RATE_HZ))
    config = write_config(tmp_path, f"{{kind: file, paths: [{sound.name}], pace: fast}}", broker.port)
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
        assert (health["provider"], health["providers_requested"]) == ("cpu", ["cpu"])
        assert health["machines"]["pump"]["dropped_samples_total"] == 0
    assert "golden check passed; inference on cpu (asked for: cpu)" in done.stderr


def test_a_closed_standard_error_is_no_hindrance(tmp_path: Path) -> None:
    """As supervisors may start a program: it runs to the end of its sound."""
    config = write_config(tmp_path, "{kind: stdin, sample_format: s16le}", 9)
    command = ["sh", "-c", 'exec "$@" 2>&-', "sh", sys.executable, "-m", "aegan_monitor.cli", "run", "--config", str(config)]
    assert subprocess.run(command, input=bytes(1000), check=False, timeout=60).returncode == 0


@pytest.mark.broker
def test_raw_samples_on_standard_input(broker: Mosquitto, tmp_path: Path) -> None:
    """A pipe is listened to until it ends."""
    config = write_config(tmp_path, "{kind: stdin, sample_format: s16le}", broker.port)
    pcm = (Pump(42).read(15 * RATE_HZ) * 32768).astype("<i2").tobytes()
    command = [sys.executable, "-m", "aegan_monitor.cli", "run", "--config", str(config)]
    with Subscriber(broker.port, "aegan/box/pump/score") as subscriber:
        done = subprocess.run(command, input=pcm, capture_output=True, check=False, timeout=60)
        assert done.returncode == 0, done.stderr
        score = subscriber.wait_for(bool).json()
    assert score["state"] == "normal"


def test_a_broker_that_is_down_is_no_error(tmp_path: Path) -> None:
    """It starts, says so in one line, and ends with its recording."""
    sound = write_wav(tmp_path / "pump.wav", Pump(41).read(12 * RATE_HZ))
    port = find_free_port()
    done = aegan_monitor("run", "--config", write_config(tmp_path, f"{{kind: file, paths: [{sound}], pace: fast}}", port))
    assert done.returncode == 0
    assert done.stderr.count(f"MQTT broker 127.0.0.1:{port} cannot be reached (Connection refused); retrying every 1 to 30 s") == 1


@pytest.mark.broker
@pytest.mark.parametrize("portaudio", [True, False])
def test_a_missing_microphone_is_published_and_tried_again(broker: Mosquitto, tmp_path: Path, portaudio: bool) -> None:
    """No such device, or no PortAudio at all: `run` starts, says `sensor: missing`, stays, and stops when it is told."""
    config = write_config(tmp_path, "{kind: mic, device: no such thing}", broker.port)
    command = [sys.executable, "-m", "aegan_monitor.cli", "run", "--config", str(config)]
    environment = without_portaudio(tmp_path) if not portaudio else None
    with Subscriber(broker.port, "aegan/box/#") as subscriber:
        process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment)
        sensor = subscriber.wait_for(lambda m: m.topic == "aegan/box/pump/sensor").json()
        time.sleep(0.5)  # it must not end by itself
        assert process.poll() is None
        process.send_signal(signal.SIGTERM)
        _, log = process.communicate(timeout=STEP_DEADLINE_S)
    assert sensor["state"] == "missing"
    assert process.returncode == 0
    assert "Traceback" not in log
    assert sensor["detail"] in log


def without_portaudio(folder: Path) -> dict[str, str]:
    """An environment in which importing sounddevice fails as it does without PortAudio."""
    (folder / "stub").mkdir()
    (folder / "stub" / "sounddevice.py").write_text("raise OSError('PortAudio library not found')\n")
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(folder / "stub"), *filter(None, [os.environ.get("PYTHONPATH")])])}


@pytest.mark.broker
def test_ctrl_c_is_no_fault_of_a_microphone(broker: Mosquitto, tmp_path: Path) -> None:
    """A terminal sends it to every process in front; the daemon alone takes it, and ends PortAudio's process itself."""
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


def test_check_and_devices_fail_without_a_microphone(tmp_path: Path) -> None:
    """Code 1, one line, what to install."""
    environment = without_portaudio(tmp_path)
    assert_lines(aegan_monitor("devices", env=environment), 1, "PortAudio is not installed.*apt-get install libportaudio2.*")
    done = aegan_monitor("check", "--config", write_config(tmp_path, "{kind: mic}", 9), env=environment)
    assert_lines(done, 1, "pump: PortAudio is not installed.*apt-get install libportaudio2.*", NO_BROKER)
    done = aegan_monitor("check", "--config", write_config(tmp_path, "{kind: mic, device: no such thing}", 9))
    assert_lines(done, 1, ".*no such thing.*", NO_BROKER)


def test_check_tries_everything_whatever_fails(tmp_path: Path) -> None:
    """Each failure has a line; the exit code is that of the most serious."""
    (tmp_path / "empty").mkdir()
    sound = write_wav(tmp_path / "pump.wav", Pump(1).read(2 * RATE_HZ))
    config = write_config(tmp_path, f"{{kind: file, paths: [{sound.name}]}}", 9)
    wrong = "{name: fan, bundle: empty, capture: {kind: mic, device: no such thing}}"
    config.write_text(config.read_text().replace("machines: [", f"machines: [{wrong}, "))
    done = aegan_monitor("check", "--config", config, env=without_portaudio(tmp_path))
    assert_lines(done, 78, ".*/empty/bundle.json: file missing, .*", "fan: PortAudio is not installed.*", NO_BROKER)
    told = done.stdout.splitlines()
    assert f"{config}: configuration is valid: node box, 2 machine(s)" == told[0]
    assert re.fullmatch(r"pump: hears .*, level -\d+\.\d dBFS, peak -\d+\.\d dBFS", told[-2])
    assert told[-1] == "MQTT broker 127.0.0.1:9: DNS: 127.0.0.1"


def test_check_hides_no_mistake_behind_another(tmp_path: Path) -> None:
    """A wrong score, a recording that is none (with a bundle and without), a required provider, secrets: each has its line."""
    (tmp_path / "text.wav").write_text("hello")
    (tmp_path / "cut.wav").write_text("")
    (tmp_path / "none").symlink_to("none")
    config = write_config(tmp_path, "{kind: file, paths: [text.wav]}", 9, "inference: {providers: [cuda], policy: require}\n")
    text = config.read_text().replace("name: pump,", "name: pump, score: D_moha,")
    text = text.replace("port: 9", "port: 9, username_file: user, password_file: password, tls: {ca_file: text.wav}")
    config.write_text(text.replace("machines: [", "machines: [{name: fan, bundle: none, capture: {kind: file, paths: [cut.wav]}}, "))
    no_recording = "expected a WAV or FLAC recording, found a file that cannot be read as one .*"
    assert_lines(
        aegan_monitor("check", "--config", config),
        78,
        ".*/none: .*",
        f".*/cut.wav: {no_recording}",
        r"inference\.providers: cuda is required, but .* offers only cpu; .*",
        "machine pump: score: 'D_moha' is none of .*",
        f".*/text.wav: {no_recording}",
        "mqtt.username_file: .*/user: cannot be read .*",
        "mqtt.password_file: .*/password: cannot be read .*",
        "mqtt.tls.ca_file: .*/text.wav: expected certificates in PEM, .*",
        NO_BROKER,
    )


def test_check_looks_at_a_recording_without_its_bundle(tmp_path: Path) -> None:
    """Whose rate it would have to have; it may have any then."""
    write_wav(tmp_path / "odd.wav", Pump(1).read(2 * RATE_HZ), 44_100)
    config = write_config(tmp_path, "{kind: file, paths: [odd.wav]}", 9)
    config.write_text(config.read_text().replace(str(demo_bundle()), "none"))
    done = aegan_monitor("check", "--config", config)
    assert_lines(done, 1, ".*/none: .*", NO_BROKER)
    assert "pump: hears " in done.stdout


def test_check_proves_a_bundle_once(tmp_path: Path) -> None:
    """However many machines it is of, and however they name it."""
    config = write_config(tmp_path, "{kind: stdin, sample_format: s16le}", 9)
    (tmp_path / "link").symlink_to(demo_bundle())
    config.write_text(config.read_text().replace("machines: [", "machines: [{name: fan, bundle: link, capture: {device: no such thing}}, "))
    told = aegan_monitor("check", "--config", config).stdout
    assert told.count("golden check passed") == 1
    assert re.findall("(?m)^(fan|pump): D_maha: normal sound scored up to", told) == ["fan", "pump"]


def test_check_tells_what_each_machine_alarms_on(tmp_path: Path) -> None:
    """Its own score and threshold, not those that the bundle would take."""
    config = write_config(tmp_path, "{kind: stdin, sample_format: s16le}", 9)
    config.write_text(config.read_text().replace("name: pump,", "name: pump, score: D_knn, alarm: {margin: 1000},"))
    told = ThresholdPolicy(load_bundle(demo_bundle()).record, "D_knn", margin=1000).describe()
    assert f"pump: {told}" in aegan_monitor("check", "--config", config).stdout.splitlines()


def test_all_mistakes_of_a_configuration_at_once(tmp_path: Path) -> None:
    """Exit code 78, a line each, with suggestions."""
    path = tmp_path / "monitor.yaml"
    path.write_text("mqqt: {}\nmachines: [{name: pump, bundel: x, n_mels: 64, alarm: {on_dealy_s: 1}}]\n")
    for command in ("run", "check"):
        done = aegan_monitor(command, "--config", path)
        assert done.returncode == 78
        lines = done.stderr.splitlines()
        assert all(line.startswith(f"aegan-monitor: {path}: ") for line in lines)
        owned = "n_mels: the bundle sets this feature parameter"
        for part in ("did you mean mqtt?", "did you mean bundle?", "did you mean on_delay_s?", owned):
            assert sum(part in line for line in lines) == 1, done.stderr


def test_a_spoiled_bundle_ends_run_check_and_replay(tmp_path: Path) -> None:
    """A changed byte, a missing file: 78, one line, from each command."""
    bundle = shutil.copytree(demo_bundle(), tmp_path / "bundle")
    content = bytearray((bundle / "weights.bin").read_bytes())
    content[1000] ^= 255
    (bundle / "weights.bin").write_bytes(content)
    config = tmp_path / "monitor.yaml"
    config.write_text("machines: [{name: pump, bundle: bundle}]\n")
    for arguments in (["run", "--config", config], ["check", bundle], ["replay", "--bundle", bundle, "x.wav"]):
        assert_lines(aegan_monitor(*arguments), 78, r".*weights\.bin: expected sha256 .* the file was changed; copy or export it again")


def test_a_required_gpu_that_is_missing_ends_run(tmp_path: Path) -> None:
    """78, so that the unit does not restart."""
    config = write_config(tmp_path, "{kind: stdin, sample_format: s16le}", 1883, "inference: {providers: [cuda], policy: require}\n")
    assert_lines(aegan_monitor("run", "--config", config), 78, r"inference\.providers: cuda is required, but .* offers only cpu; .*")


@pytest.mark.parametrize(
    ("name", "samples", "rate_hz", "line"),
    [
        ("stereo", np.zeros((16_000, 2)), 16_000, "expected 1 channel at 16000 Hz, found 2 at 16000 Hz; .*"),
        ("rate", np.zeros(44_100), 44_100, "expected 1 channel at 16000 Hz, found 1 at 44100 Hz; .*"),
        ("empty", np.zeros(0), 16_000, "expected sound, found 0 samples; .*"),
        ("silent", np.zeros(160_000), 16_000, "expected sound, found only the value 0; .*"),
        ("nan", np.full(160_000, np.nan, np.float32), 16_000, "expected samples from -1 to 1, found nan at sample 0 .*"),
        ("short", np.tile([0.1, 0.2], 8_000), 16_000, r"expected at least 4\.06 s, found 1\.00 s; .*"),
    ],
)
def test_a_bad_recording_is_refused_alone(tmp_path: Path, name: str, samples: np.ndarray, rate_hz: int, line: str) -> None:
    """1 and one line; the others are scored."""
    good = write_wav(tmp_path / "good.wav", Pump(1).read(10 * RATE_HZ))
    bad = write_wav(tmp_path / f"{name}.wav", samples, rate_hz, "FLOAT")
    out = tmp_path / "out.jsonl"
    done = aegan_monitor("replay", "--bundle", demo_bundle(), "--clips", "--jsonl", out, good, bad, good)
    assert_lines(done, 1, rf"{re.escape(str(bad))}: {line}")
    assert [json.loads(each)["file"] for each in out.read_text().splitlines()] == [str(good)] * 2


def test_a_truncated_recording_ends_replay(tmp_path: Path) -> None:
    """A WAV whose header promises more than the file holds."""
    path = write_wav(tmp_path / "cut.wav", Pump(1).read(10 * RATE_HZ))
    path.write_bytes(path.read_bytes()[:-50_000])
    done = aegan_monitor("replay", "--bundle", demo_bundle(), path)
    assert_lines(done, 1, rf"{re.escape(str(path))}: .*")


def test_a_recording_too_short_for_a_decision_ends_replay(tmp_path: Path) -> None:
    """It must not end as `normal`: nothing was decided."""
    path = write_wav(tmp_path / "short.wav", Pump(1).read(6 * RATE_HZ))
    done = aegan_monitor("replay", "--bundle", demo_bundle(), path)
    line = r"expected at least 9\.76 s of sound without a pause for one decision, found 6\.00 s .*; name more recordings, or use --clips"
    assert_lines(done, 1, rf"{re.escape(str(path))}: {line}")
    assert done.stdout == ""


def test_replay_trusts_no_bundle_that_computes_something_else(tmp_path: Path) -> None:
    """A golden recording that does not fit ends it, like `run`."""
    bundle = shutil.copytree(demo_bundle(), tmp_path / "bundle")
    with np.load(bundle / "golden.npz") as arrays:
        golden = {name: arrays[name] for name in arrays}
    np.savez(bundle / "golden.npz", **{**golden, "embedding": golden["embedding"] * 2})
    write_record(bundle, load_bundle(demo_bundle()).record)
    sound = write_wav(tmp_path / "pump.wav", Pump(1).read(12 * RATE_HZ))
    assert_lines(aegan_monitor("replay", "--bundle", bundle, sound), 78, ".*: golden check failed at embedding: .*")


def test_replay_hears_as_one_machine_of_a_configuration(tmp_path: Path) -> None:
    """The one that is named, with its bundle and its score, and says so; of several none is taken by chance."""
    sound, config = write_wav(tmp_path / "pump.wav", Pump(1).read(12 * RATE_HZ)), tmp_path / "monitor.yaml"
    fan, pump = f"{{name: fan, bundle: {tmp_path / 'none'}}}", f"{{name: pump, bundle: {demo_bundle()}, score: D_knn}}"
    config.write_text(f"machines: [{fan}, {pump}]\n")
    done = aegan_monitor("replay", "--config", config, "--machine", "pump", "--clips", sound)
    assert (done.returncode, done.stderr) == (0, "")
    first, second = done.stdout.splitlines()[:2]
    assert first == f"{config}: machine pump, bundle {demo_bundle()}, score D_knn"
    assert second.startswith("D_knn: normal sound scored up to ")
    path = re.escape(str(config))
    assert_lines(
        aegan_monitor("replay", "--config", config, sound), 2, f"replay: {path} has several machines, fan, pump; choose one with --machine"
    )
    assert_lines(aegan_monitor("replay", "--config", config, "--machine", "x", sound), 78, f"{path}: no machine 'x'; there are: fan, pump")
    done = aegan_monitor("replay", "--bundle", demo_bundle(), "--machine", "pump", sound)
    line = "replay: --machine needs --config FILE; leave it out, or give --config instead of --bundle"
    assert_lines(done, 2, line)
    config.write_text(f"machines: [{pump}]\n")
    done = aegan_monitor("replay", "--config", config, "--clips", sound)
    assert (done.returncode, done.stdout.splitlines()[0]) == (0, first)


def spoil_top_db(folder: Path) -> Path:
    """A bundle that was trained with `top_db`."""
    bundle = shutil.copytree(demo_bundle(), folder / "bundle")
    record = load_bundle(demo_bundle()).record
    write_record(bundle, record.model_copy(update={"features": dataclasses.replace(record.features, top_db=80.0)}))
    return bundle


@pytest.mark.parametrize("command", ["run", "check"])
def test_a_bundle_that_cannot_be_streamed_is_refused(tmp_path: Path, command: str) -> None:
    """By `check` as by `run`: what passes here must start there."""
    spoil_top_db(tmp_path)
    config = tmp_path / "monitor.yaml"
    config.write_text("mqtt: {port: 9}\nmachines: [{name: pump, bundle: bundle, capture: {kind: stdin, sample_format: s16le}}]\n")
    done = aegan_monitor(command, "--config", config)
    others = [NO_BROKER.replace("127.0.0.1", "localhost")] if command == "check" else []
    assert_lines(done, 78, ".*: trained with top_db 80, which needs whole clips and cannot be streamed; .*", *others)


def test_lines_go_into_a_pipe_and_a_link_stays_one(tmp_path: Path) -> None:
    """--jsonl writes where it is told; a folder is refused."""
    sound = write_wav(tmp_path / "pump.wav", Pump(1).read(10 * RATE_HZ))
    os.mkfifo(tmp_path / "pipe")
    with subprocess.Popen(["cat", str(tmp_path / "pipe")], stdout=subprocess.PIPE, text=True) as reader:
        assert aegan_monitor("replay", "--bundle", demo_bundle(), "--clips", "--jsonl", tmp_path / "pipe", sound).returncode == 0
        assert json.loads(reader.communicate(timeout=STEP_DEADLINE_S)[0])["file"] == str(sound)
    assert (tmp_path / "pipe").is_fifo()
    (tmp_path / "target").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "target" / "out.jsonl")
    assert aegan_monitor("replay", "--bundle", demo_bundle(), "--clips", "--jsonl", tmp_path / "link", sound).returncode == 0
    assert (tmp_path / "link").is_symlink()
    assert [path.name for path in (tmp_path / "target").iterdir()] == ["out.jsonl"]
    done = aegan_monitor("replay", "--bundle", demo_bundle(), "--clips", "--jsonl", ".", sound, cwd=tmp_path)
    assert_lines(done, 1, r"\.: cannot be written: Is a directory; choose another --jsonl")


@pytest.mark.broker
def test_a_silent_pipe_is_told_and_does_not_hold_up_the_end(broker: Mosquitto, tmp_path: Path) -> None:
    """A writer that hangs is `stalled`; SIGTERM ends the daemon all the same, with `offline`."""
    path = write_config(tmp_path, "{kind: stdin, sample_format: s16le}", broker.port)
    path.write_text(path.read_text().replace("name: pump,", "name: pump, no_data_s: 0.5,"))
    command = [sys.executable, "-m", "aegan_monitor.cli", "run", "--config", str(path)]
    with (
        Subscriber(broker.port, "aegan/box/#") as subscriber,
        subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE) as process,
    ):
        sensor = subscriber.wait_for(lambda m: m.topic == "aegan/box/pump/sensor").json()
        assert (sensor["state"], "check what delivers them" in sensor["detail"]) == ("stalled", True)
        process.send_signal(signal.SIGTERM)
        assert process.stderr is not None
        log = process.stderr.read()
        assert process.wait(STEP_DEADLINE_S) == 0, log
        subscriber.wait_for(lambda m: m.topic == "aegan/box/status" and m.payload == "offline")
    assert b"Fatal" not in log


def test_check_proves_the_built_in_bundle() -> None:
    """With --verbose every stage with its deviation."""
    done = aegan_monitor("check", "--verbose", demo_bundle())
    assert done.returncode == 0, done.stderr
    assert "golden check passed" in done.stdout
    assert done.stdout.count(" ok\n") == 7


def test_wrong_usage_is_2() -> None:
    """As argparse says it."""
    assert aegan_monitor("check").returncode == 2
    assert aegan_monitor("replay", "x.wav").returncode == 2
    assert aegan_monitor().returncode == 2
