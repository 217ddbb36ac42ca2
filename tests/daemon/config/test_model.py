"""The daemon's configuration: what it refuses and in which words, and the two files in configs/ that go with it."""

import copy
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from hypothesis import assume, given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from aegan_monitor.config import broker as broker_config
from aegan_monitor.config import capture as capture_config
from aegan_monitor.config import model as config
from aegan_monitor.config.broker import CommandsConfig, MqttConfig, OutboxConfig, TlsConfig
from aegan_monitor.config.capture import FileCaptureConfig, MicCaptureConfig, StdinCaptureConfig
from aegan_monitor.config.model import (
    AlarmConfig,
    HomeAssistantConfig,
    InferenceConfig,
    MachineConfig,
    MetricsConfig,
    MonitorConfig,
    load_config,
    schema_text,
)
from aegan_monitor.config.names import make_name
from aegan_monitor.config.validation import Settings
from aegan_monitor.errors import ConfigError

Data = dict[str, Any]
MACHINE = {"name": "pump", "bundle": "b"}
OWNED = "the bundle owns this feature parameter, so that it is the same as in training; remove the key"
NAME = "letters, digits, - and _, the first a letter or digit"
FULL: Data = {
    "node": "cellar",
    "mqtt": {
        "host": "broker",
        "port": 8883,
        "protocol": "3.1.1",
        "base_topic": "plant/hall-1",
        "client_id": "c",
        "username": "u",
        "keepalive_s": 9,
        "retry_s": 5,
        "websocket_path": "/mqtt",
        "tls": {"ca_file": "/ca.pem", "certificate_file": "/c.pem", "key_file": "/k.pem", "verify": True},
    },
    "outbox": {"path": "/o.sqlite", "max_mb": 1, "max_age_h": 2},
    "inference": {"providers": ["cuda", "cpu"], "policy": "require", "n_threads": 2},
    "metrics": {"host": "::1", "port": 9877},
    "log_level": "debug",
    "health_interval_s": 5,
    "machines": [
        {
            "name": "pump",
            "bundle": "bundles/pump",
            "capture": {"kind": "mic", "device": "USB", "channel": 1},
            "score": "D_maha",
            "alarm": {"quantile": 0.9, "margin": 1, "on_delay_s": 0, "off_delay_s": 2.5},
            "no_data_s": 1,
            "retry_s": 2,
        },
        {"name": "fan", "bundle": "/b", "capture": {"kind": "file", "paths": ["a.wav"], "pace": "fast", "loop": True}},
        {"name": "gear", "bundle": "/b", "capture": {"kind": "stdin", "sample_format": "f32le"}},
    ],
}


def settle(folder: Path, data: Data | str) -> MonitorConfig:
    """What `load_config` makes of `data`."""
    path = folder / "m.yaml"
    path.write_text(data if isinstance(data, str) else yaml.safe_dump(data), encoding="utf-8")
    return load_config(path)


def problems(folder: Path, data: Data | str) -> list[str]:
    """What `load_config` says of `data`, a line each, without the folder."""
    with pytest.raises(ConfigError) as caught:
        settle(folder, data)
    return str(caught.value).replace(f"{folder}/", "").split("\n")


def test_every_key_is_read(tmp_path: Path) -> None:
    """A full configuration comes back as it was written, with paths that begin in its folder."""
    expected = copy.deepcopy(FULL)
    expected["machines"][0]["bundle"] = str(tmp_path / "bundles/pump")
    expected["machines"][1]["capture"]["paths"] = [str(tmp_path / "a.wav")]
    assert settle(tmp_path, FULL).model_dump(mode="json", exclude_unset=True) == expected


def test_name_and_bundle_are_enough(tmp_path: Path) -> None:
    """All else has a default; the node is the host, by a name that may stand in a topic."""
    settled = settle(tmp_path, {"machines": [MACHINE]})
    assert settled.machines == [MachineConfig(name="pump", bundle=tmp_path / "b")]
    assert settled.mqtt == MqttConfig()
    assert settled.inference == InferenceConfig()
    assert isinstance(settled.machines[0].capture, MicCaptureConfig)
    assert re.fullmatch("[A-Za-z0-9][A-Za-z0-9_-]*", settled.node)


def test_a_password_file_begins_in_the_folder_too(tmp_path: Path) -> None:
    """As every path does; the file itself is not opened."""
    settled = settle(tmp_path, {"mqtt": {"username": "u", "password_file": "secret"}, "machines": [MACHINE]})
    assert settled.mqtt.password_file == tmp_path / "secret"


def test_a_credential_of_systemd_is_a_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the service finds it; elsewhere the line says who hands it over."""
    data = {"mqtt": {"username_file": "credential:user", "password_file": "credential:pass"}, "machines": [MACHINE]}
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", "/run/credentials/x")
    mqtt = settle(tmp_path, data).mqtt
    assert (mqtt.username_file, mqtt.password_file) == (Path("/run/credentials/x/user"), Path("/run/credentials/x/pass"))
    monkeypatch.delenv("CREDENTIALS_DIRECTORY")
    told = "credential:pass is there in a systemd service alone, with LoadCredential=pass:FILE in its unit"
    assert f"m.yaml: mqtt.password_file: {told}" in problems(tmp_path, data)
    data["mqtt"] = {"username": "u", "password_file": "credential:../x"}
    told = "expected credential:NAME, with the name that LoadCredential= gives"
    assert problems(tmp_path, data) == [f"m.yaml: mqtt.password_file: {told}"]


@pytest.mark.parametrize(
    ("host", "node"),
    [("pump-1", "pump-1"), ("pump.example.org", "pump-example-org"), ("--a", "a"), ("grün/+#", "gr-n---"), ("...", "node")],
)
def test_a_host_name_becomes_a_level_of_a_topic(host: str, node: str) -> None:
    """Whatever it holds."""
    assert make_name(host) == node


@pytest.mark.parametrize(("text", "protocol"), [("5", "5"), ("'5'", "5"), ("3.1.1", "3.1.1"), ("'3.1.1'", "3.1.1")])
def test_protocol_needs_no_quotes(tmp_path: Path, text: str, protocol: str) -> None:
    """YAML reads a bare 5 as a number and 3.1.1 as text."""
    assert settle(tmp_path, f"mqtt: {{protocol: {text}}}\nmachines: [{{name: a, bundle: b}}]").mqtt.protocol == protocol


@pytest.mark.parametrize("host", ["localhost", "broker.example.org", "10.0.0.7", "::1", "fe80::1%eth0"])
def test_a_host_is_a_name_or_an_address(tmp_path: Path, host: str) -> None:
    """Of either IP version."""
    assert settle(tmp_path, {"mqtt": {"host": host}, "machines": [MACHINE]}).mqtt.host == host


def test_all_problems_are_told_at_once(tmp_path: Path) -> None:
    """Unknown keys, wrong types, ranges, missing keys and machines in each other's way: one line each."""
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
        "m.yaml: machines[1].name: machines[0] has the same; give each machine a name of its own",
        "m.yaml: machines[1].capture.kind: machines[0] reads stdin already; only one machine can",
    ]


def test_a_key_that_stands_twice_is_refused(tmp_path: Path) -> None:
    """YAML would keep the last in silence."""
    text = "machines:\n  - name: pump\n    bundle: a\n    name: fan\n"
    assert problems(tmp_path, text) == ["m.yaml: line 4: key name stands twice (first in line 2); keep one"]


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    """With its whole path."""
    with pytest.raises(ConfigError) as caught:
        load_config(tmp_path / "none.yaml")
    assert str(caught.value) == f"{tmp_path}/none.yaml: expected a file that can be read, found: No such file or directory"


def test_an_inline_password_is_refused_and_not_repeated(tmp_path: Path) -> None:
    """The line names password_file instead, and no way of writing a password brings it into a message or a repr."""
    data = {"mqtt": {"password": "hunter2", "passwrod": "hunter2", "password_file": ["hunter2"]}, "machines": [MACHINE]}
    lines = problems(tmp_path, data)
    reason = "no secret may stand in a configuration; write it to a file of its own and name that file in password_file"
    assert f"m.yaml: mqtt.password: {reason}" in lines
    for text in ("{password:hunter2}", "password:hunter2", "*hunter2", "!hunter2", '"hunter2', "{password_file: [hunter2]}", "[hunter2]"):
        lines += problems(tmp_path, f"machines: [{{name: a, bundle: b}}]\nmqtt: {text}\n")
    assert not [line for line in lines if "hunter2" in line]
    with pytest.raises(ValidationError) as caught:
        MqttConfig.model_validate({"password": "hunter2"})
    assert "hunter2" not in str(caught.value)


FOREIGN = (
    "sample_rate_hz sample_rate n_fft hop hop_samples hop_length n_mels n_bands band_scale f_min_hz f_max_hz floor_power top_db "
    "segment_frames segment_hop_frames clip_frames decision_hop_frames centre_db half_range_db"
)


@pytest.mark.parametrize("key", FOREIGN.split())
def test_feature_parameters_are_refused_anywhere(tmp_path: Path, key: str) -> None:
    """In every section, with the owner and what to do."""
    data = copy.deepcopy(FULL)
    lines = []
    for path, section in sections(data):
        section[key] = 1
        lines.append(f"m.yaml: {path}{key}: {OWNED}")
    assert sorted(problems(tmp_path, data)) == sorted(lines)


def sections(data: Data, path: str = "") -> Iterator[tuple[str, Data]]:
    """Every mapping in `data`, with the beginning of its keys' paths."""
    yield path, data
    for key, value in list(data.items()):
        for index, inner in enumerate(value if isinstance(value, list) else [value]):
            if isinstance(inner, dict):
                yield from sections(inner, f"{path}{key}[{index}]." if isinstance(value, list) else f"{path}{key}.")


PLACES = [(number, key) for number, (_, section) in enumerate(sections(FULL)) for key in section]


@given(
    place=st.sampled_from(PLACES),
    at=st.integers(0, 20),
    letter=st.sampled_from("abeilmnorst_xyz019"),
    how=st.sampled_from(["drop", "put", "swap"]),
)
def test_any_change_of_one_letter_of_a_key_is_refused(
    tmp_path_factory: pytest.TempPathFactory, place: tuple[int, str], at: int, letter: str, how: str
) -> None:
    """Dropped, put in or put in another's place: the line has the path of the misspelt key."""
    number, key = place
    at = min(at, len(key) - 1)
    misspelt = key[:at] + ("" if how == "drop" else letter) + key[at if how == "put" else at + 1 :]
    assume(misspelt != key)
    data = copy.deepcopy(FULL)
    path, section = list(sections(data))[number]
    section[misspelt] = section.pop(key)
    lines = problems(tmp_path_factory.getbasetemp(), data)
    assert [line for line in lines if line.startswith(f"m.yaml: {path}{misspelt}: unknown key; ")]


@pytest.mark.parametrize(("number", "key"), PLACES)
def test_a_misspelt_key_is_recognised(tmp_path: Path, number: int, key: str) -> None:
    """Two letters in each other's place: the line asks for the right one."""
    misspelt = key[0] + key[2] + key[1] + key[3:]
    if misspelt == key:
        misspelt = key[:-1]
    data = copy.deepcopy(FULL)
    path, section = list(sections(data))[number]
    section[misspelt] = section.pop(key)
    told = [line for line in problems(tmp_path, data) if line.startswith(f"m.yaml: {path}{misspelt}: ")]
    assert told == [f"m.yaml: {path}{misspelt}: unknown key; did you mean {key}?"]


@pytest.fixture(scope="module")
def example(repository: Path) -> str:
    """The example configuration, as text."""
    return (repository / "configs" / "monitor.yaml").read_text(encoding="utf-8")


def commented(example: str, key: str) -> list[Any]:
    """The values that `key` has in lines that are commented out."""
    return [yaml.safe_load(line)[key] for line in re.findall(rf"^ *# ({key}: .*)$", example, re.MULTILINE)]


def test_the_example_has_every_key_at_its_default(repository: Path, example: str) -> None:
    """Live, or commented out where only one of several can be: none is forgotten, none says another default than the model."""
    path = repository / "configs" / "monitor.yaml"
    load_config(path)
    data = yaml.safe_load(example)
    (node,) = commented(example, "node")
    (tls,) = commented(example, "tls")
    files, stdin = commented(example, "capture")
    machine = data["machines"][0]
    written: list[tuple[type[BaseModel], Data]] = [
        (MonitorConfig, {"node": node, **data}),
        (MqttConfig, data["mqtt"]),
        (TlsConfig, tls),
        (CommandsConfig, data["mqtt"]["commands"]),
        (OutboxConfig, data["outbox"]),
        (InferenceConfig, data["inference"]),
        (HomeAssistantConfig, data["home_assistant"]),
        (MetricsConfig, data["metrics"]),
        (MachineConfig, machine),
        (AlarmConfig, machine["alarm"]),
        (MicCaptureConfig, machine["capture"]),
        (FileCaptureConfig, files),
        (StdinCaptureConfig, stdin),
    ]
    values = [value for module in (config, broker_config, capture_config) for value in vars(module).values()]
    models = {value for value in values if isinstance(value, type) and issubclass(value, Settings)}
    assert {model for model, _ in written} == models - {Settings}
    for model, section in written:
        assert list(section) == list(model.model_fields), model
        settled = model.model_validate(section)
        for key, field in model.model_fields.items():
            if not field.is_required() and field.default_factory is None:
                assert getattr(settled, key) == field.default, f"{model.__name__}.{key}"


def test_the_example_names_its_schema_first(example: str) -> None:
    """So that editors complete and check it."""
    assert example.startswith("# yaml-language-server: $schema=monitor.schema.json\n")


def test_the_schema_judges_as_the_models_do(example: str) -> None:
    """An editor accepts what the daemon does, and marks an unknown key, a wrong kind and a capture that is none."""
    validator = jsonschema.Draft202012Validator(json.loads(schema_text()))
    validator.check_schema(validator.schema)
    (node,) = commented(example, "node")
    data = {"node": node, **yaml.safe_load(example)}
    good = [
        data,
        FULL,
        *({"machines": [{**MACHINE, "capture": capture}]} for capture in [{}, {"channel": 1}, *commented(example, "capture")]),
    ]
    assert [list(validator.iter_errors(case)) for case in [*good, {"mqtt": {"protocol": 5}, "machines": [MACHINE]}]] == [[]] * (
        len(good) + 1
    )
    for wrong in [{}, {"machines": []}, {**data, "lgo_level": "info"}, {"machines": [{**MACHINE, "capture": {"kind": "usb"}}]}]:
        assert not validator.is_valid(wrong)


def test_every_key_has_a_description() -> None:
    """Documentation and editors take it from the models."""
    schema = json.loads(schema_text())
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    keys = [(name, key, field) for name, model in [("", schema), *schema["$defs"].items()] for key, field in model["properties"].items()]
    missing = [f"{name}.{key}" for name, key, field in keys if "description" not in field and "$ref" not in field]
    assert missing == []
