"""Configuration of the broker: its address, the daemon's identity there, commands, and the outbox."""

import os
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo

from aegan_monitor.config.names import Text, Topic
from aegan_monitor.config.validation import ConfigPath, Expected, Settings

_CREDENTIAL = "credential:"
Host = Annotated[  # no colon, or two and more for IPv6
    str,
    Field(max_length=253, pattern=r"^[^\s/@:]+$|^[^\s/@:]*:[^\s/@:]*:[^\s/@]*$"),
    Expected("a host name or address, without scheme and port"),
]


def _read_protocol(value: object) -> object:
    return str(value) if type(value) is int else value  # YAML reads a bare 5 as a number, but 3.1.1 as text


def _find_credential(value: object) -> object:
    """The path of a systemd credential: `credential:NAME` for `LoadCredential=NAME:FILE` in the unit."""
    if not isinstance(value, str) or not value.startswith(_CREDENTIAL):
        return value
    name, folder = value.removeprefix(_CREDENTIAL), os.environ.get("CREDENTIALS_DIRECTORY")
    if not name or "/" in name:
        raise ValueError(f"expected {_CREDENTIAL}NAME, with the name that LoadCredential= gives")
    if folder is None:
        raise ValueError(f"{value} exists only in a systemd service with LoadCredential={name}:FILE in its unit")
    return str(Path(folder) / name)


def _requires(problem: str, *keys: str) -> AfterValidator:
    """Refuse a path without any of `keys`, which stand before it."""

    def check(path: Path | None, info: ValidationInfo) -> Path | None:
        if path is not None and all(info.data.get(key, "") is None for key in keys):
            raise ValueError(problem)
        return path

    return AfterValidator(check)


def _need_no_username(path: Path | None, info: ValidationInfo) -> Path | None:
    if path is not None and info.data.get("username") is not None:
        raise ValueError("username is set, too; keep one")
    return path


SecretPath = Annotated[ConfigPath, BeforeValidator(_find_credential)]
"""A path, or `credential:NAME`."""


class TlsConfig(Settings):
    """TLS 1.2 or newer, and the certificates of both sides."""

    ca_file: SecretPath | None = Field(
        default=None, description="Certificates of the authorities that may sign the broker's; null trusts those of the system."
    )
    certificate_file: SecretPath | None = Field(default=None, description="Our own certificate, where the broker wants one.")
    key_file: Annotated[SecretPath | None, _requires("a key needs its certificate; set certificate_file too", "certificate_file")] = Field(
        default=None, description="Its private key, without a passphrase; null looks for it in certificate_file."
    )
    verify: bool = Field(
        default=True, description="False accepts any certificate, and sends the password to any host; for a first try on a bench only."
    )


class CommandsConfig(Settings):
    """Commands over MQTT: acknowledge, shelve, unshelve, out_of_service, in_service, close."""

    enabled: bool = Field(default=True, description="False takes no command: there is no subscription.")
    max_bytes: int = Field(default=4096, ge=64, le=32_768, description="The largest command that is accepted, in bytes.")
    max_per_s: float = Field(default=1.0, gt=0, le=1_000_000, description="Commands a second for one machine; ten times as many at once.")


class MqttConfig(Settings):
    """The broker, and the daemon's identity there."""

    host: Host = Field(default="localhost", description="Host name or address of the broker.")
    port: Annotated[int, Field(ge=1, le=65535)] | None = Field(
        default=None, description="TCP port of the broker; null is 1883, and 8883 with tls."
    )
    protocol: Annotated[Literal["5", "3.1.1"], BeforeValidator(_read_protocol, json_schema_input_type=Literal["5", "3.1.1", 5])] = Field(
        default="5", description="MQTT version; with 3.1.1 a broker acknowledges even a message that its access list has discarded."
    )
    base_topic: Topic = Field(default="aegan", description="First level or levels of every topic; the node's name follows.")
    client_id: Text | None = Field(default=None, description="Client identifier, unlike any other at the broker; null is aegan-<node>.")
    username: Text | None = Field(default=None, description="User name at the broker; null connects without one.")
    username_file: Annotated[SecretPath | None, AfterValidator(_need_no_username)] = Field(
        default=None, description="File that holds the user name and nothing else, in place of username."
    )
    password_file: Annotated[
        SecretPath | None, _requires("a password needs a user name; set username too", "username", "username_file")
    ] = Field(
        default=None,
        description="File that holds the password and nothing else; null connects without one. A password never stands in this file.",
    )
    keepalive_s: int = Field(
        default=30,
        ge=1,
        le=65535,
        description="Seconds of silence before the connection is probed; the broker ends it after 1.5 times as many, "
        "the daemon after 2 times at most.",
    )
    retry_s: float = Field(
        default=30.0, gt=0, le=86_400, description="Longest wait, in seconds, between two attempts to connect; the first is 1."
    )
    websocket_path: Annotated[str, Field(pattern="^/"), Expected("a path that begins with /")] | None = Field(
        default=None, description="Path of the broker's WebSocket; null speaks MQTT without one."
    )
    tls: TlsConfig | None = Field(default=None, description="Encryption; null is plain text, {} is TLS with the system's authorities.")
    commands: CommandsConfig = Field(
        default=CommandsConfig(),
        description="Commands on <base>/<machine>/command; any user with write access to that topic can shelve an alarm.",
    )


class OutboxConfig(Settings):
    """The store of events that the broker has not taken yet."""

    path: ConfigPath | None = Field(
        default=None,
        description="SQLite file; null is outbox-<node>.sqlite in systemd's StateDirectory, else in $XDG_STATE_HOME/aegan-monitor.",
    )
    max_mb: float = Field(
        default=10.0, gt=0, le=1_000_000, description="Size of the events that are kept, in megabytes; beyond it the oldest is dropped."
    )
    max_age_h: float = Field(default=168.0, gt=0, le=1_000_000, description="Hours that an event waits for the broker.")
