"""`aegan-monitor check` and `devices`: each fault has its line, and none hides another."""

import json
import re
from pathlib import Path

from aegan_monitor.decision.threshold_policy import ThresholdPolicy
from aegan_monitor.demo.pump import Pump
from aegan_monitor.detection.bundle import demo_bundle, load_bundle
from command_line import NO_BROKER, CommandLine, assert_lines, without_portaudio, write_config
from synthetic import write_wav

RATE_HZ = 16_000


def test_check_and_devices_fail_without_a_microphone(aegan_monitor: CommandLine, tmp_path: Path) -> None:
    """Without a microphone both end with 1 and one line that says what to install."""
    environment = without_portaudio(tmp_path)
    assert_lines(aegan_monitor("devices", env=environment), 1, "PortAudio is not installed.*apt-get install libportaudio2.*")
    done = aegan_monitor("check", "--config", write_config(tmp_path, "{kind: mic}", 9), env=environment)
    assert_lines(done, 1, "pump: PortAudio is not installed.*apt-get install libportaudio2.*", NO_BROKER)
    done = aegan_monitor("check", "--config", write_config(tmp_path, "{kind: mic, device: no such thing}", 9))
    assert_lines(done, 1, ".*no such thing.*", NO_BROKER)


def test_check_tries_everything_whatever_fails(aegan_monitor: CommandLine, tmp_path: Path) -> None:
    """Each failure has a line, and the exit code is that of the most serious one."""
    (tmp_path / "empty").mkdir()
    sound = write_wav(tmp_path / "pump.wav", Pump(1).read(2 * RATE_HZ))
    config = write_config(tmp_path, f"{{kind: file, paths: [{sound.name}]}}", 9)
    wrong = "{name: fan, bundle: empty, capture: {kind: mic, device: no such thing}}"
    config.write_text(config.read_text().replace("machines: [", f"machines: [{wrong}, "))
    done = aegan_monitor("check", "--config", config, env=without_portaudio(tmp_path))
    assert_lines(done, 78, ".*/empty/bundle.json: file missing, .*", "fan: PortAudio is not installed.*", NO_BROKER)
    reported = done.stdout.splitlines()
    assert f"{config}: configuration is valid: node box, 2 machine(s)" == reported[0]
    assert re.fullmatch(r"pump: hears .*, level -\d+\.\d dBFS, peak -\d+\.\d dBFS", reported[-2])
    assert reported[-1] == "MQTT broker 127.0.0.1:9: DNS: 127.0.0.1"


def test_check_hides_no_mistake_behind_another(aegan_monitor: CommandLine, tmp_path: Path) -> None:
    """A wrong score, a file that is no recording, a missing provider and a missing secret each have a line."""
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
        "machine pump: score: 'D_moha' is none of .*",
        r"inference\.providers: cuda in fp32 cannot be used: .* has no CUDAExecutionProvider; pip install 'aegan-monitor\[gpu\]' .*",
        f".*/text.wav: {no_recording}",
        "mqtt.username_file: .*/user: cannot be read .*",
        "mqtt.password_file: .*/password: cannot be read .*",
        "mqtt.tls.ca_file: .*/text.wav: expected certificates in PEM, .*",
        NO_BROKER,
    )


def test_check_looks_at_a_recording_without_its_bundle(aegan_monitor: CommandLine, tmp_path: Path) -> None:
    """Without its bundle a recording is checked for everything but its sample rate."""
    write_wav(tmp_path / "odd.wav", Pump(1).read(2 * RATE_HZ), 44_100)
    config = write_config(tmp_path, "{kind: file, paths: [odd.wav]}", 9)
    config.write_text(config.read_text().replace(str(demo_bundle()), "none"))
    done = aegan_monitor("check", "--config", config)
    assert_lines(done, 1, ".*/none: .*", NO_BROKER)
    assert "pump: hears " in done.stdout


def test_check_proves_a_bundle_once(aegan_monitor: CommandLine, tmp_path: Path) -> None:
    """A bundle of several machines, under any spelling of its path, is checked once."""
    config = write_config(tmp_path, "{kind: stdin, sample_format: s16le}", 9)
    (tmp_path / "link").symlink_to(demo_bundle())
    config.write_text(config.read_text().replace("machines: [", "machines: [{name: fan, bundle: link, capture: {device: no such thing}}, "))
    reported = aegan_monitor("check", "--config", config).stdout
    assert reported.count("golden check passed") == 1
    found = re.findall("(?m)^(fan|pump): F_joint, in the recorded place: false alarms by design: at most 0.5 a week", reported)
    assert found == ["fan", "pump"]


def test_check_reports_what_each_machine_alarms_on(aegan_monitor: CommandLine, tmp_path: Path) -> None:
    """`check` prints the configured score and threshold of each machine, not the defaults of the bundle."""
    config = write_config(tmp_path, "{kind: stdin, sample_format: s16le}", 9)
    config.write_text(config.read_text().replace("name: pump,", "name: pump, score: D_knn, alarm: {margin: 1000},"))
    reported = ThresholdPolicy(load_bundle(demo_bundle()).record, "D_knn", margin=1000).describe()
    assert f"pump: {reported}" in aegan_monitor("check", "--config", config).stdout.splitlines()


def test_one_report_has_all_machines(aegan_monitor: CommandLine, tmp_path: Path) -> None:
    """A machine that thresholds decide and one whose bundle is missing are in the report, beside one with a budget."""
    config = write_config(tmp_path, "{kind: stdin, sample_format: s16le}", 9)
    others = f"{{name: fan, bundle: none, capture: {{device: x}}}}, {{name: press, bundle: {demo_bundle()}, alarm: {{margin: 9}}}}, "
    config.write_text(config.read_text().replace("machines: [", f"machines: [{others}"))
    done = aegan_monitor("check", "--config", config, "--report", tmp_path / "reports")
    assert done.stdout.count(" written\n") == 1
    known = json.loads((tmp_path / "reports" / "commissioning.json").read_text())
    assert [(each["name"], each["policy"]) for each in known["machines"]] == [("fan", None), ("press", "threshold"), ("pump", "budget")]
    assert all(line in done.stdout for line in known["lines"] if line.startswith(("press: ", "pump: ")))


def test_wrong_usage_is_2(aegan_monitor: CommandLine) -> None:
    """Wrong usage ends with 2, as in argparse."""
    assert aegan_monitor("check").returncode == 2
    assert aegan_monitor("check", "--config", "monitor.yaml", "bundle").returncode == 2
    assert aegan_monitor("replay", "x.wav").returncode == 2
    assert aegan_monitor("backtest", "x.wav").returncode == 2
    assert aegan_monitor().returncode == 2
