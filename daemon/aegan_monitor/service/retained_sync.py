"""Publishes discovery, and clears retained topics that do not belong to this configuration."""

from aegan_monitor.config.model import MonitorConfig
from aegan_monitor.homeassistant.discovery import discover, is_of_node
from aegan_monitor.messages.topics import Topics
from aegan_monitor.outbox.outbox import Outbox
from aegan_monitor.outbox.retained_topics import find_states


def announce(config: MonitorConfig, topics: Topics, outbox: Outbox) -> None:
    """Publish discovery for Home Assistant, and clear what an earlier configuration left at the broker."""
    machines, home_assistant = [machine.name for machine in config.machines], config.home_assistant
    found = discover(topics, machines, home_assistant.prefix, commands=config.mqtt.commands.enabled) if home_assistant.discovery else []
    wanted = find_states(topics, machines).union(message.topic for message in found)
    outbox.belong(wanted, lambda topic: topic.startswith(topics.of_node("")) or is_of_node(topic, topics.node))
    for message in found:
        outbox.put(message)
