"""Sends an operator's command (acknowledge, shelve, ...) to a running daemon over MQTT, and waits for the answer."""

import contextlib
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import replace

from paho.mqtt.client import MQTTMessage
from pydantic import ValidationError

from aegan_monitor.config.model import MonitorConfig
from aegan_monitor.errors import AeganError, ConfigError, PublishError, UsageError
from aegan_monitor.messages.payloads import Command, CommandName, Result
from aegan_monitor.messages.topics import Topics
from aegan_monitor.mqtt.endpoint import explain, make_endpoint
from aegan_monitor.tools.broker_visit import BrokerVisit


def make_command(name: CommandName, by: str, reason: str, hours: float | None) -> Command:
    """The message, with a new id.

    Raises:
        UsageError: A text is too long, or the shelf is.
    """
    try:
        return Command(command=name, id=uuid.uuid4().hex, duration_s=None if hours is None else hours * 3600, by=by, reason=reason)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        option = {"duration_s": "--hours"}.get(str(first["loc"][0]), f"--{first['loc'][0]}") if first["loc"] else name
        raise UsageError(f"{name}: {option}: {first['msg'][:1].lower()}{first['msg'][1:]}") from None


def send_command(config: MonitorConfig, machine: str, command: Command, timeout_s: float) -> Result:
    """Publish the command, and wait for the daemon's answer to it.

    Raises:
        ConfigError: The configuration turns commands off.
        PublishError: The broker cannot be reached or refuses, or no answer comes within `timeout_s`.
    """
    if not config.mqtt.commands.enabled:
        raise ConfigError("mqtt.commands.enabled: is false, so the daemon takes no commands; set it to true and reload the daemon")
    topics = Topics(config.mqtt.base_topic, config.node)
    endpoint = make_endpoint(config.mqtt, config.node)
    where, topic = f"MQTT broker {endpoint.host}:{endpoint.port}", topics.name("command", machine)
    visit = BrokerVisit(replace(endpoint, client_id=f"{endpoint.client_id}-{command.id}"), config.mqtt.protocol, timeout_s)
    try:
        with contextlib.closing(visit):
            visit.connect()
            visit.subscribe(topics.name("result", machine))
            visit.send(topic, command.model_dump_json(exclude_none=True).encode())
            visit.serve(lambda: any(read_results(visit.received, command)))
    except PublishError as error:
        raise PublishError(f"{where}: {error}") from error
    except OSError as error:
        raise PublishError(f"{where}: {explain(error, endpoint)}") from error
    for result in read_results(visit.received, command):
        return result
    raise PublishError(
        f"{where}: no answer to {topic} within {timeout_s:g} s; check that the daemon runs, the name of the machine, and the node"
    )


def read_results(messages: Iterable[MQTTMessage], command: Command) -> Iterator[Result]:
    """The daemon's answers to this command; other messages are left out."""
    for message in messages:
        with contextlib.suppress(ValidationError):
            result = Result.model_validate_json(message.payload)
            if result.id == command.id:
                yield result


def require_accepted(result: Result) -> None:
    """Do nothing if the daemon has accepted the command.

    Raises:
        AeganError: The daemon has refused it, with the daemon's reason.
    """
    if not result.accepted:
        raise AeganError(f"{result.command}: refused: {result.reason}")
