"""The daemon's configuration: what it accepts and refuses."""

import copy
import re
from pathlib import Path

import pytest
import yaml
from pydantic import ValidationError

from aegan_monitor.config.broker import MqttConfig
from aegan_monitor.config.capture import MicCaptureConfig
from aegan_monitor.config.model import (
    InferenceConfig,
    MachineConfig,
    load_config,
)
from aegan_monitor.config.names import make_name
from aegan_monitor.errors import ConfigError
from example_config import FULL, MACHINE, OWNED, problems, settle

CONFIGURATIONS = Path(__file__).with_name("configurations")  # named by the commit whose keys they have


def test_every_key_is_read(tmp_path: Path) -> None:
    """A full configuration is read as written, with paths relative to its folder."""
    expected = copy.deepcopy(FULL)
    expected["machines"][0]["bundle"] = str(tmp_path / "bundles/pump")
    expected["machines"][1]["capture"]["paths"] = [str(tmp_path / "a.wav")]
    assert settle(tmp_path, FULL).model_dump(mode="json", exclude_unset=True) == expected


@pytest.mark.parametrize("path", sorted(CONFIGURATIONS.iterdir()), ids=lambda path: path.stem)
def test_a_configuration_of_an_older_version_runs(path: Path) -> None:
    """A configuration with every key that the version of that commit had is read as written."""
    read = load_config(path).model_dump(mode="json", exclude_unset=True)
    expected = yaml.safe_load(path.read_text())
    for section in ("node", "outbox", "inference", "home_assistant", "metrics", "log_level", "health_interval_s"):
        assert read[section] == expected[section]
    assert read["mqtt"] == {**expected["mqtt"], "protocol": str(expected["mqtt"]["protocol"])}
    assert [machine.keys() for machine in read["machines"]] == [machine.keys() for machine in expected["machines"]]


def test_name_and_bundle_are_enough(tmp_path: Path) -> None:
    """Name and bundle are enough; the node defaults to the host name in a form that fits a topic."""
    settled = settle(tmp_path, {"machines": [MACHINE]})
    assert settled.machines == [MachineConfig(name="pump", bundle=tmp_path / "b")]
    assert settled.mqtt == MqttConfig()
    assert settled.inference == InferenceConfig()
    assert isinstance(settled.machines[0].capture, MicCaptureConfig)
    assert re.fullmatch("[A-Za-z0-9][A-Za-z0-9_-]*", settled.node)


def test_a_password_file_begins_in_the_folder_too(tmp_path: Path) -> None:
    """The path of a password file is relative to the folder, and the file is not opened."""
    settled = settle(tmp_path, {"mqtt": {"username": "u", "password_file": "secret"}, "machines": [MACHINE]})
    assert settled.mqtt.password_file == tmp_path / "secret"


def test_a_credential_of_systemd_is_a_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A systemd credential is a path in the service; elsewhere the line explains credentials."""
    data = {"mqtt": {"username_file": "credential:user", "password_file": "credential:pass"}, "machines": [MACHINE]}
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", "/run/credentials/x")
    mqtt = settle(tmp_path, data).mqtt
    assert (mqtt.username_file, mqtt.password_file) == (Path("/run/credentials/x/user"), Path("/run/credentials/x/pass"))
    monkeypatch.delenv("CREDENTIALS_DIRECTORY")
    told = "credential:pass exists only in a systemd service with LoadCredential=pass:FILE in its unit"
    assert f"m.yaml: mqtt.password_file: {told}" in problems(tmp_path, data)
    data["mqtt"] = {"username": "u", "password_file": "credential:../x"}
    told = "expected credential:NAME, with the name that LoadCredential= gives"
    assert problems(tmp_path, data) == [f"m.yaml: mqtt.password_file: {told}"]


@pytest.mark.parametrize(
    ("host", "node"),
    [("pump-1", "pump-1"), ("pump.example.org", "pump-example-org"), ("--a", "a"), ("grün/+#", "gr-n---"), ("...", "node")],
)
def test_a_host_name_becomes_a_level_of_a_topic(host: str, node: str) -> None:
    """Any host name becomes a valid topic level."""
    assert make_name(host) == node


@pytest.mark.parametrize(("text", "protocol"), [("5", "5"), ("'5'", "5"), ("3.1.1", "3.1.1"), ("'3.1.1'", "3.1.1")])
def test_protocol_needs_no_quotes(tmp_path: Path, text: str, protocol: str) -> None:
    """The protocol may be written as 5 or 3.1.1 without quotes."""
    assert settle(tmp_path, f"mqtt: {{protocol: {text}}}\nmachines: [{{name: a, bundle: b}}]").mqtt.protocol == protocol


@pytest.mark.parametrize("host", ["localhost", "broker.example.org", "10.0.0.7", "::1", "fe80::1%eth0"])
def test_a_host_is_a_name_or_an_address(tmp_path: Path, host: str) -> None:
    """A host is a name or an address of either IP version."""
    assert settle(tmp_path, {"mqtt": {"host": host}, "machines": [MACHINE]}).mqtt.host == host


def test_all_problems_are_reported_at_once(tmp_path: Path) -> None:
    """All problems are reported at once: unknown keys, types, ranges, missing keys and conflicting machines."""
    text = """
mqtt: {port: abc, passwrd: x, n_mels: 64}
machines:
  - {name: pump, bundle: b, alarm: {on_dealy_s: 5, quantile: 2}, capture: {kind: stdin}}
  - {name: pump, capture: {kind: stdin, sample_format: s16le}, hop_length: 512}
lgo_level: info
"""
    assert problems(tmp_path, text) == [
        "m.yaml: mqtt.port: expected a whole number from 1 to 65535 or null, found 'abc'",
        "m.yaml: mqtt.passwrd: unknown key; did you mean password_file?",
        f"m.yaml: mqtt.n_mels: {OWNED}",
        "m.yaml: machines[0].capture.sample_format: missing key; expected s16le or f32le",
        "m.yaml: machines[0].alarm.quantile: expected a number from 0.5 to 1 or null, found 2",
        "m.yaml: machines[0].alarm.on_dealy_s: unknown key; did you mean on_delay_s?",
        "m.yaml: machines[1].bundle: missing key; expected a path",
        f"m.yaml: machines[1].hop_length: {OWNED}",
        "m.yaml: lgo_level: unknown key; did you mean log_level?",
        "m.yaml: machines[1].name: machines[0] has the same name; give each machine its own",
        "m.yaml: machines[1].capture.kind: machines[0] reads stdin already; only one machine can read it",
    ]


def test_a_duplicate_key_is_refused(tmp_path: Path) -> None:
    """A duplicate key is refused."""
    text = "machines:\n  - name: pump\n    bundle: a\n    name: fan\n"
    assert problems(tmp_path, text) == ["m.yaml: line 4: duplicate key name (first in line 2); keep one"]


def test_a_missing_file_is_reported(tmp_path: Path) -> None:
    """A missing file is reported with its path."""
    with pytest.raises(ConfigError) as caught:
        load_config(tmp_path / "none.yaml")
    assert str(caught.value) == f"{tmp_path}/none.yaml: expected a file that can be read, found: No such file or directory"


def test_an_inline_password_is_refused_and_not_repeated(tmp_path: Path) -> None:
    """An inline password is refused with the key password_file, and appears in no message or repr."""
    data = {"mqtt": {"password": "hunter2", "passwrod": "hunter2", "password_file": ["hunter2"]}, "machines": [MACHINE]}
    lines = problems(tmp_path, data)
    assert [line for line in lines if line.startswith("m.yaml: mqtt.password: ") and "set password_file" in line]
    for text in ("{password:hunter2}", "password:hunter2", "*hunter2", "!hunter2", '"hunter2', "{password_file: [hunter2]}", "[hunter2]"):
        lines += problems(tmp_path, f"machines: [{{name: a, bundle: b}}]\nmqtt: {text}\n")
    assert not [line for line in lines if "hunter2" in line]
    with pytest.raises(ValidationError) as caught:
        MqttConfig.model_validate({"password": "hunter2"})
    assert "hunter2" not in str(caught.value)
