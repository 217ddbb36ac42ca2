"""The two files in configs/: the example configuration and its schema."""

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest
import yaml

from aegan_monitor.config import alarm as alarm_config
from aegan_monitor.config import broker as broker_config
from aegan_monitor.config import capture as capture_config
from aegan_monitor.config import model as config
from aegan_monitor.config import web as web_config
from aegan_monitor.config.alarm import AlarmConfig, FalseAlarmsConfig
from aegan_monitor.config.broker import CommandsConfig, MqttConfig, OutboxConfig, TlsConfig
from aegan_monitor.config.capture import FileCaptureConfig, MicCaptureConfig, StdinCaptureConfig
from aegan_monitor.config.evidence import EvidenceConfig
from aegan_monitor.config.history import HistoryConfig
from aegan_monitor.config.model import (
    HomeAssistantConfig,
    InferenceConfig,
    MachineConfig,
    MetricsConfig,
    MonitorConfig,
    OperatingStateConfig,
    load_config,
)
from aegan_monitor.config.validation import Settings
from aegan_monitor.config.web import WebConfig, WebTlsConfig
from example_config import FULL, MACHINE, Data
from schemas import config_schema_text

if TYPE_CHECKING:
    from pydantic import BaseModel


@pytest.fixture(scope="module")
def example(repository: Path) -> str:
    """The example configuration, as text."""
    return (repository / "configs" / "monitor.yaml").read_text(encoding="utf-8")


def commented(example: str, key: str) -> list[Any]:
    """The values of `key` in lines that are commented out."""
    return [yaml.safe_load(line)[key] for line in re.findall(rf"^ *# ({key}: .*)$", example, re.MULTILINE)]


def test_the_example_has_every_key_at_its_default(repository: Path, example: str) -> None:
    """The example has every key with the model's default, live or commented out."""
    path = repository / "configs" / "monitor.yaml"
    load_config(path)
    data = yaml.safe_load(example)
    (node,) = commented(example, "node")
    tls, web_tls = commented(example, "tls")
    files, stdin = commented(example, "capture")
    (own,) = commented(example, "false_alarms")
    machine = data["machines"][0]
    written: list[tuple[type[BaseModel], Data]] = [
        (MonitorConfig, {"node": node, **data}),
        (MqttConfig, data["mqtt"]),
        (TlsConfig, tls),
        (CommandsConfig, data["mqtt"]["commands"]),
        (OutboxConfig, data["outbox"]),
        (HistoryConfig, data["history"]),
        (EvidenceConfig, data["evidence"]),
        (InferenceConfig, data["inference"]),
        (HomeAssistantConfig, data["home_assistant"]),
        (MetricsConfig, data["metrics"]),
        (WebConfig, data["web"]),
        (WebTlsConfig, web_tls),
        (MachineConfig, machine),
        (FalseAlarmsConfig, data["false_alarms"]),
        (FalseAlarmsConfig, own),
        (AlarmConfig, machine["alarm"]),
        (OperatingStateConfig, machine["operating_state"]),
        (MicCaptureConfig, machine["capture"]),
        (FileCaptureConfig, files),
        (StdinCaptureConfig, stdin),
    ]
    values = [value for module in (config, alarm_config, broker_config, capture_config, web_config) for value in vars(module).values()]
    models = {value for value in values if isinstance(value, type) and issubclass(value, Settings)}
    assert {model for model, _ in written} == models - {Settings}
    for model, section in written:
        assert list(section) == list(model.model_fields), model
        settled = model.model_validate(section)
        for key, field in model.model_fields.items():
            if not field.is_required() and field.default_factory is None:
                assert getattr(settled, key) == field.default, f"{model.__name__}.{key}"


def test_the_example_names_its_schema_first(example: str) -> None:
    """The first line names the schema, so that editors complete and check the file."""
    assert example.startswith("# yaml-language-server: $schema=monitor.schema.json\n")


def test_the_schema_judges_as_the_models_do(example: str) -> None:
    """The schema accepts and refuses the same configurations as the models."""
    validator = jsonschema.Draft202012Validator(json.loads(config_schema_text()))
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
    """Every key has a description, which documentation and editors show."""
    schema = json.loads(config_schema_text())
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    keys = [(name, key, field) for name, model in [("", schema), *schema["$defs"].items()] for key, field in model["properties"].items()]
    missing = [f"{name}.{key}" for name, key, field in keys if "description" not in field and "$ref" not in field]
    assert missing == []
