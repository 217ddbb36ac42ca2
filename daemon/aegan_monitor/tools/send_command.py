"""Sends an operator's command (acknowledge, shelve, ...) to a running daemon over MQTT, and waits for the answer."""

import threading
import uuid
from dataclasses import replace

from paho.mqtt.client import Client, ConnectFlags, MQTTMessage
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from pydantic import ValidationError

from aegan_monitor.config.model import MonitorConfig
from aegan_monitor.errors import AeganError, ConfigError, PublishError, UsageError
from aegan_monitor.messages.payloads import Command, CommandName, Result
from aegan_monitor.messages.topics import Topics
from aegan_monitor.mqtt.client import ADVICE, connect, make_client
from aegan_monitor.mqtt.endpoint import explain, make_endpoint

KEEPALIVE_S = 30


def make_command(name: CommandName, by: str, reason: str, hours: float | None) -> Command:
    """The message, with an id of its own.

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
    endpoint = replace(endpoint, client_id=f"{endpoint.client_id}-{command.id}")
    where = f"MQTT broker {endpoint.host}:{endpoint.port}"
    answered = threading.Event()
    refusals: list[str] = []
    answers: list[Result] = []

    def on_connect(client: Client, _: object, __: ConnectFlags, reason: ReasonCode, ___: Properties | None) -> None:
        if reason.is_failure:
            refusals.append(f"{where}: refused the connection ({reason}): {ADVICE.get(str(reason), 'see its log')}")
            answered.set()
        else:
            client.subscribe(topics.name("result", machine), qos=1)

    def on_subscribe(client: Client, *_: object) -> None:
        client.publish(topics.name("command", machine), command.model_dump_json(exclude_none=True), qos=1)

    def on_message(_: Client, __: object, message: MQTTMessage) -> None:
        try:
            result = Result.model_validate_json(message.payload)
        except ValidationError:
            return  # not an answer of a daemon
        if result.id == command.id:
            answers.append(result)
            answered.set()

    client = make_client(endpoint, config.mqtt.protocol, timeout_s)
    client.on_connect, client.on_subscribe, client.on_message = on_connect, on_subscribe, on_message
    try:
        connect(client, endpoint, KEEPALIVE_S)
    except OSError as error:
        raise PublishError(f"{where}: {explain(error, endpoint)}") from error
    client.loop_start()
    answered.wait(timeout_s)
    client.disconnect()
    client.loop_stop()
    if answers:
        return answers[0]
    topic = topics.name("command", machine)
    silence = f"{where}: no answer to {topic} within {timeout_s:g} s; check that the daemon runs, its machine's name, and its node"
    raise PublishError(refusals[0] if refusals else silence)


def require_accepted(result: Result) -> None:
    """Do nothing if the daemon has accepted the command.

    Raises:
        AeganError: The daemon has refused it, with the daemon's reason.
    """
    if not result.accepted:
        raise AeganError(f"{result.command}: refused: {result.reason}")
