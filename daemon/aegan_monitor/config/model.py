"""The daemon's configuration: every key with its type, limits, default and description."""

import dataclasses
import socket
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from aegan_monitor.config.alarm import DAY_S, AlarmConfig, FalseAlarmsConfig
from aegan_monitor.config.broker import Host, MqttConfig, OutboxConfig
from aegan_monitor.config.capture import Capture, MicCaptureConfig
from aegan_monitor.config.evidence import EvidenceConfig
from aegan_monitor.config.history import HistoryConfig
from aegan_monitor.config.names import Name, Text, Topic, make_name
from aegan_monitor.config.validation import ConfigPath, Settings, validate
from aegan_monitor.config.web import WebConfig
from aegan_monitor.config.yaml import load_yaml
from aegan_monitor.detection.features import FeatureParameters
from aegan_monitor.detection.segments import ClipParameters, Scaling
from aegan_monitor.errors import ConfigError, UsageError

_OWNED_BY_BUNDLE = {
    *(field.name for owner in (FeatureParameters, ClipParameters, Scaling) for field in dataclasses.fields(owner)),
    *("features", "sample_rate", "samplerate", "n_mels", "hop", "hop_length", "win_length", "fmin", "fmax", "f_min", "f_max", "n_segments"),
}
_REFUSED = {
    **dict.fromkeys(
        sorted(_OWNED_BY_BUNDLE), "the bundle sets this feature parameter, so that it is the same as in training; remove the key"
    ),
    "password": "a configuration must not contain a secret; write it to a separate file and set password_file to that file",
}


def _name_host() -> str:
    return make_name(socket.gethostname())


def _refuse_twice(values: list[str]) -> list[str]:
    if twice := [value for index, value in enumerate(values) if value in values[:index]]:
        raise ValueError(f"{twice[0]} is listed twice; keep one")
    return values


class InferenceConfig(Settings):
    """On which processor the networks run."""

    providers: Annotated[
        list[Literal["auto", "tensorrt", "cuda", "openvino", "cpu"]], Field(min_length=1), AfterValidator(_refuse_twice)
    ] = Field(
        default=["auto"],
        description="Where the networks run, in order of preference: auto, tensorrt, cuda, openvino, cpu. auto is the fastest that "
        "aegan-monitor prepare has found right on this computer, and cpu before that.",
    )
    precision: Literal["auto", "fp32", "bf16", "fp16", "int8"] = Field(
        default="auto",
        description="In which precision they compute. auto is the fastest that aegan-monitor prepare has found right on this computer, and "
        "fp32 before that; fp32 rounds nothing.",
    )
    policy: Literal["prefer", "require"] = Field(
        default="prefer",
        description="What to do when the first provider is not available: prefer uses the next one and logs it; require does not start.",
    )
    n_threads: int = Field(default=1, ge=1, le=256, description="CPU threads for the networks. One is enough for most machines.")


class OperatingStateConfig(Settings):
    """Times of the operating state of a machine (off, starting, running, stopping)."""

    grace_s: float = Field(
        default=20.0,
        ge=0,
        le=DAY_S,
        description="Grace time after a start of the machine, in seconds; score messages have in_grace for so long. Set it to the length "
        "of a start. At most half of the time that the machine runs is grace time.",
    )
    standstill_alarm_s: float | None = Field(
        default=None,
        gt=0,
        le=DAY_S,
        description="Seconds for which the machine may be off. Then an alarm is raised. The recordings for the training must have the "
        "machine off, too. null: it may be off for ever.",
    )


class MachineConfig(Settings):
    """One monitored machine: its microphone, its bundle and its alarm."""

    name: Name = Field(description="Name of the machine. It is a level of its topics.")
    bundle: ConfigPath = Field(
        description="Folder of the bundle that aegan-export wrote. A relative path starts at the folder of this file."
    )
    capture: Capture = Field(default=MicCaptureConfig(), description="Where its sound comes from; a mapping without kind is a mic.")
    score: Text | None = Field(
        default=None, description="Id of the score that decides, for instance F_mean or D_near. null: the bundle's choice."
    )
    alarm: AlarmConfig = Field(default=AlarmConfig(), description="When a score becomes an alarm.")
    operating_state: OperatingStateConfig = Field(
        default=OperatingStateConfig(), description="Times of the operating state of the machine (off, starting, running, stopping)."
    )
    no_data_s: float = Field(
        default=1.5,
        gt=0,
        le=DAY_S,
        description="Seconds without a sample after which the sensor is `stalled`. Raise it for a sound server with large buffers.",
    )
    retry_s: float = Field(
        default=30.0, gt=0, le=DAY_S, description="Longest wait, in seconds, between two attempts to open the microphone again."
    )


class MetricsConfig(Settings):
    """HTTP endpoint for Prometheus."""

    host: Host = Field(
        default="127.0.0.1",
        description="Address to listen on. There is no password and no encryption: keep the loopback address, or use a firewall.",
    )
    port: Annotated[int, Field(ge=1, le=65535)] | None = Field(
        default=None, description="TCP port to listen on, for instance 9877. null: no endpoint."
    )


class HomeAssistantConfig(Settings):
    """MQTT discovery for Home Assistant."""

    discovery: bool = Field(
        default=True, description="Machines appear in Home Assistant by themselves. false: their devices are removed there."
    )
    prefix: Topic = Field(
        default="homeassistant", description="First level of the discovery topics. It must be the prefix that Home Assistant is set to."
    )


class MonitorConfig(Settings):
    """Configuration of aegan-monitor."""

    node: Name = Field(
        default_factory=_name_host,
        description="Name of this device. It is a level of every topic, and must be unique at the broker. Set it, because a later change "
        "of the host name would change all topics.",
    )
    mqtt: MqttConfig = Field(default=MqttConfig(), description="The MQTT broker.")
    outbox: OutboxConfig = Field(default=OutboxConfig(), description="Where events wait for the broker.")
    history: HistoryConfig = Field(default=HistoryConfig(), description="What happened before, for the page and the command line.")
    evidence: EvidenceConfig = Field(default=EvidenceConfig(), description="Sound and pictures of alarms.")
    inference: InferenceConfig = Field(default=InferenceConfig(), description="On which processor the networks run.")
    home_assistant: HomeAssistantConfig = Field(default=HomeAssistantConfig(), description="MQTT discovery for Home Assistant.")
    metrics: MetricsConfig = Field(default=MetricsConfig(), description="HTTP endpoint for Prometheus.")
    web: WebConfig = Field(default=WebConfig(), description="HTTP interface and page.")
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="Least important level that is logged: debug, info, warning or error."
    )
    health_interval_s: float = Field(default=30.0, gt=0, le=DAY_S, description="Seconds between two health messages.")
    common_cause_s: float = Field(
        default=15.0,
        ge=0,
        le=DAY_S,
        description="Seconds within which the alarms of several machines have a common cause, such as a passing truck, and share the case "
        "of the first. 0: each machine has a case of its own.",
    )
    false_alarms: FalseAlarmsConfig = Field(
        default=FalseAlarmsConfig(), description="The budget of all machines together that have none of their own."
    )
    machines: list[MachineConfig] = Field(min_length=1, description="The monitored machines, one or more.")


def load_config(path: Path) -> MonitorConfig:
    """Read and check the configuration in a YAML file, without opening the files that it names.

    Raises:
        ConfigError: The file cannot be read, or is wrong; one line a problem.
    """
    data = load_yaml(path)
    return validate(MonitorConfig, data, str(path), folder=path.parent, refused=_REFUSED, also=_find_conflicts(data))


def find_machine(command: str, path: Path, machines: Sequence[MachineConfig], name: str | None) -> MachineConfig:
    """The machine that --machine names. A single machine needs no name.

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
    """Conflicts between machines, found in the raw data to be reported with all other problems."""
    machines = data.get("machines")
    first: dict[tuple[str, str], int] = {}
    for index, machine in enumerate(machines if isinstance(machines, list) else []):
        if not isinstance(machine, dict):
            continue
        name, capture = machine.get("name"), machine.get("capture")
        if isinstance(name, str) and (other := first.setdefault(("name", name), index)) != index:
            yield f"machines[{index}].name: machines[{other}] has the same name; give each machine its own"
        if isinstance(capture, dict) and capture.get("kind") == "stdin" and (other := first.setdefault(("stdin", ""), index)) != index:
            yield f"machines[{index}].capture.kind: machines[{other}] reads stdin already; only one machine can read it"
