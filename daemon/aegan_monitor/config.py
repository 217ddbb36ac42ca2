"""The daemon's configuration: every key, its default, its unit, and what it may not say."""

import dataclasses
import json
import os
import re
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo
from pydantic.json_schema import GenerateJsonSchema

from aegan_monitor.logmel import FeatureParameters
from aegan_monitor.problems import ConfigPath, Expected, Settings, load_yaml, validate
from aegan_monitor.segments import ClipParameters, Scaling

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

_CREDENTIAL = "credential:"
_NAME = "[A-Za-z0-9][A-Za-z0-9_-]*"
_NAME_WORDS = "letters, digits, - and _, the first a letter or digit"
Name = Annotated[str, Field(pattern=f"^{_NAME}$"), Expected(_NAME_WORDS)]
Topic = Annotated[str, Field(pattern=f"^{_NAME}(/{_NAME})*$"), Expected(f"levels with / between them, each of {_NAME_WORDS}")]
Host = Annotated[  # no colon, or the two and more of an IPv6 address
    str, Field(pattern=r"^[^\s/@:]+$|^[^\s/@:]*:[^\s/@:]*:[^\s/@]*$"), Expected("a host name or address, without scheme and port")
]
Text = Annotated[str, Field(min_length=1), Expected("text")]


def make_name(text: str) -> str:
    """`text` as a level of a topic: what may not stand there becomes `-`."""
    return re.sub("[^A-Za-z0-9_-]", "-", text).lstrip("-_") or "node"


def _name_host() -> str:
    return make_name(socket.gethostname())


def _read_protocol(value: object) -> object:
    return str(value) if type(value) is int else value  # YAML reads a bare 5 as a number, but 3.1.1 as text


def _find_credential(value: object) -> object:
    """`credential:NAME` is the file with which systemd's `LoadCredential=NAME:...` hands a secret to the service alone."""
    if not isinstance(value, str) or not value.startswith(_CREDENTIAL):
        return value
    name, folder = value.removeprefix(_CREDENTIAL), os.environ.get("CREDENTIALS_DIRECTORY")
    if not name or "/" in name:
        raise ValueError(f"expected {_CREDENTIAL}NAME, with the name that LoadCredential= gives")
    if folder is None:
        raise ValueError(f"{value} is there in a systemd service alone, with LoadCredential={name}:FILE in its unit")
    return str(Path(folder) / name)


def _need_username(path: Path | None, info: ValidationInfo) -> Path | None:
    if path is not None and info.data.get("username", "") is None and info.data.get("username_file", "") is None:
        raise ValueError("a password is sent with a user name only; set username too")
    return path


def _need_no_username(path: Path | None, info: ValidationInfo) -> Path | None:
    if path is not None and info.data.get("username") is not None:
        raise ValueError("username stands here already; keep one")
    return path


def _need_certificate(path: Path | None, info: ValidationInfo) -> Path | None:
    if path is not None and "certificate_file" in info.data and info.data["certificate_file"] is None:
        raise ValueError("a key is of use with its certificate only; set certificate_file too")
    return path


def _refuse_twice(values: list[str]) -> list[str]:
    if twice := [value for index, value in enumerate(values) if value in values[:index]]:
        raise ValueError(f"{twice[0]} stands twice; keep one")
    return values


def _assume_mic(value: object) -> object:
    return {"kind": "mic", **value} if isinstance(value, dict) else value


SecretPath = Annotated[ConfigPath, BeforeValidator(_find_credential)]
"""A path, or `credential:NAME`."""


class TlsConfig(Settings):
    """How the broker and we prove who we are; TLS 1.2 or newer."""

    ca_file: SecretPath | None = Field(
        default=None, description="Certificates of the authorities that may sign the broker's; null trusts those of the system."
    )
    certificate_file: SecretPath | None = Field(default=None, description="Our own certificate, where the broker wants one.")
    key_file: Annotated[SecretPath | None, AfterValidator(_need_certificate)] = Field(
        default=None, description="Its private key, without a passphrase; null looks for it in certificate_file."
    )
    verify: bool = Field(default=True, description="False believes whoever answers; for a first try on a bench only.")


class MqttConfig(Settings):
    """The broker, and who we are there."""

    host: Host = Field(default="localhost", description="Host name or address of the broker.")
    port: Annotated[int, Field(ge=1, le=65535)] | None = Field(
        default=None, description="TCP port of the broker; null is 1883, and 8883 with tls."
    )
    protocol: Annotated[Literal["5", "3.1.1"], BeforeValidator(_read_protocol, json_schema_input_type=Literal["5", "3.1.1", 5])] = Field(
        default="5", description="MQTT version; 3.1.1 acknowledges even what the broker's access list has thrown away."
    )
    base_topic: Topic = Field(default="aegan", description="First level or levels of every topic; the node's name follows.")
    client_id: Text | None = Field(default=None, description="Client identifier, unlike any other at the broker; null is aegan-<node>.")
    username: Text | None = Field(default=None, description="User name at the broker; null connects without one.")
    username_file: Annotated[SecretPath | None, AfterValidator(_need_no_username)] = Field(
        default=None, description="File that holds the user name and nothing else, in place of username."
    )
    password_file: Annotated[SecretPath | None, AfterValidator(_need_username)] = Field(
        default=None,
        description="File that holds the password and nothing else; null connects without one. A password never stands in this file.",
    )
    keepalive_s: int = Field(
        default=30,
        ge=1,
        le=65535,
        description="Seconds of silence before the connection is probed; after 1.5 times as many both sides give it up.",
    )
    retry_s: float = Field(default=30.0, gt=0, description="Longest wait, in seconds, between two attempts to connect; the first is 1.")
    websocket_path: Annotated[str, Field(pattern="^/"), Expected("a path that begins with /")] | None = Field(
        default=None, description="Path of the broker's WebSocket; null speaks MQTT without one."
    )
    tls: TlsConfig | None = Field(default=None, description="Encryption; null is plain text, {} is TLS with the system's authorities.")


class OutboxConfig(Settings):
    """Where events wait for the broker."""

    path: ConfigPath | None = Field(
        default=None,
        description="SQLite file; null is outbox-<node>.sqlite in systemd's StateDirectory, else in $XDG_STATE_HOME/aegan-monitor.",
    )
    max_mb: float = Field(default=10.0, gt=0, description="Size of the events that are kept, in megabytes; then the oldest goes.")
    max_age_h: float = Field(default=168.0, gt=0, description="Hours that an event waits for the broker or a subscriber.")


class InferenceConfig(Settings):
    """Where the networks run."""

    providers: Annotated[list[Literal["tensorrt", "cuda", "cpu"]], Field(min_length=1), AfterValidator(_refuse_twice)] = Field(
        default=["cpu"], description="ONNX Runtime providers, the favourite first."
    )
    policy: Literal["prefer", "require"] = Field(
        default="prefer", description="When the favourite is missing: prefer takes the next and says so, require refuses to start."
    )
    n_threads: int = Field(default=1, ge=1, description="CPU threads of the runtime.")


class MicCaptureConfig(Settings):
    """One channel of a microphone."""

    kind: Literal["mic"] = Field(default="mic", description="A sound device.")
    device: Text | None = Field(
        default=None,
        description="Name of the device, or a part that only it has (aegan-monitor devices lists them); null is the system's default.",
    )
    channel: int = Field(default=0, ge=0, description="Channel of the device, from 0.")


class FileCaptureConfig(Settings):
    """Recordings, one after the other as one stream."""

    kind: Literal["file"] = Field(description="WAV or FLAC files.")
    paths: list[ConfigPath] = Field(min_length=1, description="Files, in the order in which they are heard.")
    pace: Literal["realtime", "fast"] = Field(
        default="realtime", description="realtime delivers as a microphone would, fast as soon as it is taken."
    )
    loop: bool = Field(default=False, description="Begin anew after the last file.")


class StdinCaptureConfig(Settings):
    """Raw mono samples on standard input, at the bundle's sample rate."""

    kind: Literal["stdin"] = Field(description="A pipe.")
    sample_format: Literal["s16le", "f32le"] = Field(description="16-bit integers or 32-bit floats, little-endian.")


Capture = Annotated[MicCaptureConfig | FileCaptureConfig | StdinCaptureConfig, Field(discriminator="kind"), BeforeValidator(_assume_mic)]


class AlarmConfig(Settings):
    """When a score becomes an alarm."""

    quantile: float | None = Field(
        default=None, ge=0.5, le=1, description="Quantile of the bundle's normal scores that the threshold starts from; null: its advice."
    )
    margin: float | None = Field(
        default=None,
        ge=0,
        description="The threshold lies this many times further from the median of the normal scores than their quantile does; "
        "null: the bundle's advice.",
    )
    on_delay_s: float = Field(
        default=12.0,
        ge=0,
        description="Seconds that the score must stay over the threshold before the alarm comes; "
        "a single bang keeps it there for as long as a clip (9.7 s).",
    )
    off_delay_s: float = Field(default=10.0, ge=0, description="Seconds that the score must stay under it before the alarm goes.")


class MachineConfig(Settings):
    """One machine that is listened to."""

    name: Name = Field(description="Name of the machine, a level of its topics.")
    bundle: ConfigPath = Field(description="Folder of its bundle; a relative path begins in this file's folder.")
    capture: Capture = Field(default=MicCaptureConfig(), description="Where its sound comes from; a mapping without kind is a mic.")
    score: Text | None = Field(default=None, description="Id of the score that is watched; null is the bundle's choice.")
    alarm: AlarmConfig = Field(default=AlarmConfig(), description="When a score becomes an alarm.")
    no_data_s: float = Field(default=5.0, gt=0, description="Seconds without a sample after which the sensor is stalled.")
    retry_s: float = Field(default=30.0, gt=0, description="Longest wait, in seconds, between two attempts to open the capture again.")


class MonitorConfig(Settings):
    """Configuration of aegan-monitor."""

    node: Name = Field(
        default_factory=_name_host, description="Name of this device, a level of every topic; the host name when the key is absent."
    )
    mqtt: MqttConfig = Field(default=MqttConfig(), description="The broker.")
    outbox: OutboxConfig = Field(default=OutboxConfig(), description="Events on their way, kept over an outage and a restart.")
    inference: InferenceConfig = Field(default=InferenceConfig(), description="Where the networks run.")
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="The least important messages that are logged."
    )
    health_interval_s: float = Field(default=30.0, gt=0, description="Seconds from one health message to the next.")
    machines: list[MachineConfig] = Field(min_length=1, description="The machines that are listened to; one is the normal case.")


def load_config(path: Path) -> MonitorConfig:
    """The configuration in a YAML file; nothing that it names is opened yet.

    Raises:
        ConfigError: The file cannot be read, or is wrong: all problems, one a line.
    """
    data = load_yaml(path)
    return validate(MonitorConfig, data, str(path), folder=path.parent, refused=_REFUSED, also=_find_conflicts(data))


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
