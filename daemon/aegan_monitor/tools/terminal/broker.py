"""Which broker a command visits, and which nodes there: by the options, or by a configuration."""

import argparse
import contextlib
import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from aegan_monitor.config.broker import MqttConfig
from aegan_monitor.config.model import MonitorConfig, load_config
from aegan_monitor.config.validation import validate
from aegan_monitor.errors import ConfigError, PublishError, UsageError
from aegan_monitor.mqtt.client import Protocol
from aegan_monitor.mqtt.endpoint import Endpoint, make_endpoint
from aegan_monitor.tools.broker_connection import FAILURE, BrokerConnection, Take, advise

CONFIG_PLACES = (Path("monitor.yaml"), Path("/etc/aegan-monitor/monitor.yaml"))
ALL_NODES = "aegan/+"
QUIET_S = 0.5  # without a message: then all that the broker had stored has come
NEED_HOST = ("port", "protocol", "tls", "ca_file")  # options
KEYS = {  # of a configuration, by the option that takes its place
    **{f"mqtt.{key}": f"--{key.replace('_', '-')}" for key in ("host", "port", "protocol", "username", "password_file")},
    "mqtt.tls.ca_file": "--ca-file",
    "mqtt.tls": "--tls",
}


@dataclass(frozen=True, slots=True)
class Broker:
    """A broker and the nodes that a command is about.

    Attributes:
        topic: Filter for the topics of the nodes, as `aegan/pump-house` or `aegan/+`.
        timeout_s: For each answer.
        config: The configuration that names it; None without one.
    """

    endpoint: Endpoint
    protocol: Protocol
    topic: str
    timeout_s: float
    config: MonitorConfig | None = None

    @contextlib.contextmanager
    def open(self, take: Take) -> Iterator[BrokerConnection]:
        """A connection for the length of the block; `take` gets each message.

        Raises:
            PublishError: The broker cannot be reached, or refuses.
        """
        connection = BrokerConnection(self.endpoint, self.protocol, self.timeout_s, take)
        try:
            connection.connect()
        except (OSError, PublishError) as error:
            raise self.fail(advise(error, self.endpoint) if isinstance(error, OSError) else str(error)) from error
        try:
            yield connection
        finally:
            connection.close()

    def subscribe(self, connection: BrokerConnection, *kinds: str) -> None:
        """Subscribe to topics below those of the nodes, with QoS 0: a broker then sends all that it has stored at once.

        Raises:
            PublishError: The broker refuses, or does not answer.
        """
        granted = connection.subscribe([f"{self.topic}/{kind}" for kind in kinds], qos=0)
        if granted is None:
            raise self.fail(str(connection.missing(f"the subscription to {self.topic}/#")))
        if granted.code >= FAILURE:
            raise self.fail(f"the subscription to {self.topic}/# was refused ({granted.text}); the ACL must let this user read it")

    def miss(self) -> PublishError:
        """The error where nothing is published."""
        is_own = self.config is not None and self.endpoint.username == self.config.mqtt.username is not None
        read = "May this user read it? The daemon's often may not: name another with --username" if is_own else "May this user read it?"
        return self.fail(f"nothing is published below {self.topic}/: does a daemon run there (--topic names another place)? {read}")

    def fail(self, problem: str) -> PublishError:
        """The error for a problem, in the words of the options if these name the broker."""
        if self.config is None:
            problem = _name_options(problem)
        return PublishError(f"MQTT broker {self.endpoint.host}:{self.endpoint.port}: {problem}")


def find_broker(arguments: argparse.Namespace, places: Sequence[Path] = CONFIG_PLACES) -> Broker:
    """The broker of --host, of --config, or of the first configuration in `places`.

    Raises:
        UsageError: There is none, or options contradict each other.
        ConfigError: The configuration is wrong, or a file that it names cannot be read.
    """
    if arguments.host is not None:
        if arguments.config is not None:
            raise UsageError(f"{arguments.command}: --host and --config name a broker each; keep one")
        mqtt, node, config = _read_options(arguments), "terminal", None
    else:
        if alone := [key for key in NEED_HOST if getattr(arguments, key)]:
            raise UsageError(f"{arguments.command}: --{alone[0].replace('_', '-')} needs --host")
        if arguments.password_file and not arguments.username:
            raise UsageError(f"{arguments.command}: --password-file needs --username")
        path = arguments.config or next((place for place in places if place.exists()), None)
        if path is None:
            raise UsageError(
                f"{arguments.command}: name the broker with --host, or a configuration with --config (no {CONFIG_PLACES[0]} here)"
            )
        config = _read_config(path)
        mqtt, node = config.mqtt.model_copy(update=_read_user(arguments)), config.node
    topic = arguments.topic or (ALL_NODES if config is None else f"{mqtt.base_topic}/{node}")
    try:
        endpoint = make_endpoint(mqtt, node)
    except ConfigError as error:
        raise _advise(error) if config else UsageError(f"{arguments.command}: {_name_options(str(error))}") from error
    return Broker(replace(endpoint, client_id=f"aegan-terminal-{secrets.token_hex(4)}"), mqtt.protocol, topic, arguments.timeout, config)


def wait_for_quiet(connection: BrokerConnection, count: Callable[[], int], timeout_s: float) -> None:
    """Serve the connection until no message has come for QUIET_S; `count` says how many have come."""
    deadline_s = time.monotonic() + timeout_s
    n_before = -1
    while count() != n_before and time.monotonic() < deadline_s:
        n_before = count()
        connection.serve(lambda: count() != n_before, QUIET_S)  # noqa: B023 - used within this turn


def _read_options(arguments: argparse.Namespace) -> MqttConfig:
    given = {key: getattr(arguments, key) for key in ("host", "port", "protocol", "username") if getattr(arguments, key) is not None}
    if arguments.password_file is not None:
        given["password_file"] = str(arguments.password_file)
    if arguments.tls or arguments.ca_file is not None:
        given["tls"] = {} if arguments.ca_file is None else {"ca_file": str(arguments.ca_file)}
    try:
        return validate(MqttConfig, given, arguments.command)
    except ConfigError as error:
        raise UsageError(_name_options(str(error).replace(f"{arguments.command}: ", f"{arguments.command}: mqtt."))) from error


def _read_user(arguments: argparse.Namespace) -> dict[str, object]:
    """The user of the options in place of the configuration's, which is that of the daemon."""
    if arguments.username is None:
        return {}
    return {"username": arguments.username, "username_file": None, "password_file": arguments.password_file}


def _name_options(problem: str) -> str:
    for key, option in KEYS.items():
        problem = problem.replace(key, option)
    return problem


def _read_config(path: Path) -> MonitorConfig:
    try:
        return load_config(path)
    except ConfigError as error:
        raise _advise(error) from error


def _advise(error: ConfigError) -> ConfigError:
    return ConfigError(f"{error}\nor name the broker in place of the configuration: --host, --username, --password-file, --tls")
