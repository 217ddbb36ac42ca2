"""The daemon's configuration: every key, its default, its unit, and what it may not say."""

import dataclasses
import json
import socket
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field
from pydantic.json_schema import GenerateJsonSchema

from aegan_monitor.config.broker import Host, MqttConfig, OutboxConfig
from aegan_monitor.config.capture import Capture, MicCaptureConfig
from aegan_monitor.config.names import Name, Text, Topic, make_name
from aegan_monitor.config.validation import ConfigPath, Settings, validate
from aegan_monitor.config.yaml import load_yaml
from aegan_monitor.detection.features import FeatureParameters
from aegan_monitor.detection.segments import ClipParameters, Scaling
from aegan_monitor.errors import ConfigError, UsageError

DAY_S = 86_400

_OWNED_BY_BUNDLE = {
    *(field.name for owner in (FeatureParameters, ClipParameters, Scaling) for field in dataclasses.fields(owner)),
    *("features", "sample_rate", "samplerate", "n_mels", "hop", "hop_length", "win_length", "fmin", "fmax", "f_min", "f_max", "n_segments"),
}
_REFUSED = {
    **dict.fromkeys(
        sorted(_OWNED_BY_BUNDLE), "the bundle owns this feature parameter, so that it is the same as in training; remove the key"
    ),
    "password": "no secret may stand in a configuration; write it to a file of its own and name that file in password_file",
}


def _name_host() -> str:
    return make_name(socket.gethostname())


def _refuse_twice(values: list[str]) -> list[str]:
    if twice := [value for index, value in enumerate(values) if value in values[:index]]:
        raise ValueError(f"{twice[0]} stands twice; keep one")
    return values


class InferenceConfig(Settings):
    """Where the networks run."""

    providers: Annotated[list[Literal["tensorrt", "cuda", "cpu"]], Field(min_length=1), AfterValidator(_refuse_twice)] = Field(
        default=["cpu"], description="ONNX Runtime providers, the favourite first."
    )
    policy: Literal["prefer", "require"] = Field(
        default="prefer", description="When the favourite is missing: prefer takes the next and says so, require refuses to start."
    )
    n_threads: int = Field(default=1, ge=1, le=256, description="CPU threads of the runtime.")


class AlarmConfig(Settings):
    """When a score becomes an alarm."""

    quantile: float | None = Field(
        default=None, ge=0.5, le=1, description="Quantile of the bundle's normal scores that the threshold starts from; null: its advice."
    )
    margin: float | None = Field(
        default=None,
        ge=0,
        le=1000,
        description="The threshold lies this many times further from the median of the normal scores than their quantile does; "
        "null: the bundle's advice.",
    )
    on_delay_s: float = Field(
        default=12.0,
        ge=0,
        le=DAY_S,
        description="Seconds that the score must stay over the threshold before the alarm comes; "
        "a single bang keeps it there for as long as a clip (9.7 s).",
    )
    off_delay_s: float = Field(default=10.0, ge=0, le=DAY_S, description="Seconds that the score must stay under it before the alarm goes.")


class MachineConfig(Settings):
    """One machine that is listened to."""

    name: Name = Field(description="Name of the machine, a level of its topics.")
    bundle: ConfigPath = Field(description="Folder of its bundle; a relative path begins in this file's folder.")
    capture: Capture = Field(default=MicCaptureConfig(), description="Where its sound comes from; a mapping without kind is a mic.")
    score: Text | None = Field(default=None, description="Id of the score that is watched; null is the bundle's choice.")
    alarm: AlarmConfig = Field(default=AlarmConfig(), description="When a score becomes an alarm.")
    no_data_s: float = Field(default=1.5, gt=0, le=DAY_S, description="Seconds without a sample after which the sensor is stalled.")
    retry_s: float = Field(
        default=30.0, gt=0, le=DAY_S, description="Longest wait, in seconds, between two attempts to open the capture again."
    )


class MetricsConfig(Settings):
    """An endpoint for Prometheus."""

    host: Host = Field(default="127.0.0.1", description="Address to listen on; there is neither password nor encryption.")
    port: Annotated[int, Field(ge=1, le=65535)] | None = Field(default=None, description="TCP port to listen on; null is no endpoint.")


class HomeAssistantConfig(Settings):
    """What Home Assistant is told."""

    discovery: bool = Field(
        default=True, description="Machines appear in Home Assistant by themselves; false takes them away from there again."
    )
    prefix: Topic = Field(default="homeassistant", description="First level of the discovery topics, as Home Assistant has it.")


class MonitorConfig(Settings):
    """Configuration of aegan-monitor."""

    node: Name = Field(
        default_factory=_name_host,
        description="Name of this device, unlike any other at the broker, a level of every topic; the host name when the key is absent.",
    )
    mqtt: MqttConfig = Field(default=MqttConfig(), description="The broker.")
    outbox: OutboxConfig = Field(default=OutboxConfig(), description="Events on their way, kept over an outage and a restart.")
    inference: InferenceConfig = Field(default=InferenceConfig(), description="Where the networks run.")
    home_assistant: HomeAssistantConfig = Field(default=HomeAssistantConfig(), description="What Home Assistant is told.")
    metrics: MetricsConfig = Field(default=MetricsConfig(), description="How the daemon fares, for Prometheus.")
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="The least important messages that are logged."
    )
    health_interval_s: float = Field(default=30.0, gt=0, le=DAY_S, description="Seconds from one health message to the next.")
    machines: list[MachineConfig] = Field(min_length=1, description="The machines that are listened to; one is the normal case.")


def load_config(path: Path) -> MonitorConfig:
    """The configuration in a YAML file; nothing that it names is opened yet.

    Raises:
        ConfigError: The file cannot be read, or is wrong: all problems, one a line.
    """
    data = load_yaml(path)
    return validate(MonitorConfig, data, str(path), folder=path.parent, refused=_REFUSED, also=_find_conflicts(data))


def find_machine(command: str, path: Path, machines: Sequence[MachineConfig], name: str | None) -> MachineConfig:
    """The one that a command's --machine names among those of the configuration at `path`; the only one needs no name.

    Raises:
        UsageError: There are several, and none is named.
        ConfigError: There is no such machine.
    """
    names = ", ".join(machine.name for machine in machines)
    if name is None and len(machines) > 1:
        raise UsageError(f"{command}: {path} has several machines, {names}; choose one with --machine")
    for machine in machines:
        if name in (None, machine.name):
            return machine
    raise ConfigError(f"{path}: no machine {name!r}; there are: {names}")


def _find_conflicts(data: Any) -> Iterator[str]:
    """What one machine takes from another; on raw data, so that it is told together with what else is wrong."""
    machines = data.get("machines")
    first: dict[tuple[str, str], int] = {}
    for index, machine in enumerate(machines if isinstance(machines, list) else []):
        if not isinstance(machine, dict):
            continue
        name, capture = machine.get("name"), machine.get("capture")
        if isinstance(name, str) and (other := first.setdefault(("name", name), index)) != index:
            yield f"machines[{index}].name: machines[{other}] has the same; give each machine a name of its own"
        if isinstance(capture, dict) and capture.get("kind") == "stdin" and (other := first.setdefault(("stdin", ""), index)) != index:
            yield f"machines[{index}].capture.kind: machines[{other}] reads stdin already; only one machine can"


class _UntitledSchema(GenerateJsonSchema):
    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002 - the base's signature
        return False  # a title that only repeats the key helps nobody


def schema_text() -> str:
    """The JSON Schema (2020-12) of the configuration, as `configs/monitor.schema.json` holds it."""
    schema = MonitorConfig.model_json_schema(schema_generator=_UntitledSchema)
    return json.dumps({"$schema": GenerateJsonSchema.schema_dialect, **schema}, indent=2) + "\n"
