"""`aegan-monitor forget`: clears what the broker has stored of a node that is gone, so that Home Assistant removes its devices."""

import json
from collections.abc import Callable
from dataclasses import replace

from aegan_monitor.errors import EXIT_FAILED
from aegan_monitor.homeassistant.discovery import is_of_node
from aegan_monitor.messages.topics import QOS_AND_RETAINED
from aegan_monitor.tools.broker_connection import FAILURE, BrokerConnection
from aegan_monitor.tools.terminal.broker import Broker, wait_for_quiet

OF_NODE = ("status", "health")
OF_MACHINE = tuple(f"+/{kind}" for kind in QOS_AND_RETAINED if kind not in (*OF_NODE, "discovery"))
SOURCES = ("state_topic", "command_topic", "image_topic")  # of an entity
QUESTION = "Clear all of these? The broker keeps no copy. [y/N] "


def forget(broker: Broker, node: str, prefix: str, report: Callable[[str], object], ask: Callable[[str], str] | None) -> int:
    """Report the retained topics of a node, and clear them after a confirmation. Returns 1 if that is refused.

    Args:
        broker: Where.
        node: Base topic and node, as `aegan/pump-house`.
        prefix: First levels of the discovery topics of Home Assistant.
        report: Takes each line.
        ask: Takes a question, and returns the answer; None: no question, clear at once.

    Raises:
        PublishError: The broker cannot be reached or refuses, the node is online, or nothing is stored.
    """
    broker = replace(broker, topic=node)
    found = find_topics(broker, prefix)
    if not found:
        raise broker.fail(
            f"nothing is stored of {node}; name the base topic, too, if it is another one (base/node). May this user read it?"
        )
    for topic in found:
        report(topic)
    if ask is not None and not is_confirmed(ask):
        report("nothing was cleared")
        return EXIT_FAILED
    clear(broker, find_topics(broker, prefix))  # once more: it may have come back during the question
    if left := find_topics(broker, prefix):
        raise broker.fail(f"{len(left)} topic(s) are still stored, such as {left[0]}; the ACL must let this user write them")
    report(f"{len(found)} topic(s) of {node} cleared")
    return 0


def is_confirmed(ask: Callable[[str], str]) -> bool:
    """Whether the answer is y or yes; the end of the input (Ctrl-D) is a no."""
    try:
        return ask(QUESTION).strip().lower() in ("y", "yes")
    except EOFError:
        return False


def find_topics(broker: Broker, prefix: str) -> list[str]:
    """The topics of the node that the broker has stored; those of discovery first, so that Home Assistant does not see states end.

    Raises:
        PublishError: The broker cannot be reached or refuses, or the node is online.
    """
    stored: dict[str, bytes] = {}
    n_messages = 0

    def take(topic: str, payload: bytes) -> None:
        nonlocal n_messages
        n_messages += 1
        stored[topic] = payload

    with broker.open(take) as connection:
        broker.subscribe(connection, *OF_NODE, *OF_MACHINE)
        replace(broker, topic=prefix).subscribe(connection, "+/+/+/config")
        wait_for_quiet(connection, lambda: n_messages, broker.timeout_s)
    if stored.get(f"{broker.topic}/status") == b"online":
        raise broker.fail(
            f"{broker.topic} is online, and its daemon would publish all again: stop it first. If it has not run for long: "
            f"mosquitto_pub -r -t {broker.topic}/status -m offline"
        )
    entities = sorted(topic for topic, payload in stored.items() if payload and is_entity(topic, payload, broker.topic))
    return entities + sorted(topic for topic, payload in stored.items() if payload and topic.startswith(f"{broker.topic}/"))


def is_entity(topic: str, payload: bytes, node: str) -> bool:
    """Whether a message is discovery of ours for a node: others may have devices of a similar name."""
    if not is_of_node(topic, node.rpartition("/")[2]):
        return False
    try:
        entity = json.loads(payload)
    except ValueError:
        return False
    sources = [entity.get(key) for key in SOURCES] if isinstance(entity, dict) else []
    return any(isinstance(source, str) and source.startswith(f"{node}/") for source in sources)


def clear(broker: Broker, topics: list[str]) -> None:
    """Clear each topic, and wait for the answers.

    Raises:
        PublishError: The broker refuses, or does not answer.
    """
    with broker.open(lambda _topic, _payload: None) as connection:
        for topic in topics:
            _clear_one(broker, connection, topic)


def _clear_one(broker: Broker, connection: BrokerConnection, topic: str) -> None:
    answer = connection.publish(topic, retained=True)
    if answer is None:
        raise broker.fail(str(connection.missing(topic)))
    if answer.code >= FAILURE:
        raise broker.fail(f"{topic}: clearing it was refused ({answer.text}); the ACL must let this user write it")
