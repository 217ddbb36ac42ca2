"""What the broker is to keep of a configuration, and nothing else: said at start, and again by a reload."""

from aegan_monitor.config import MonitorConfig
from aegan_monitor.discovery import discover, is_of_node
from aegan_monitor.messages import Topics
from aegan_monitor.outbox import Outbox
from aegan_monitor.retained import find_states


def announce(config: MonitorConfig, topics: Topics, outbox: Outbox) -> None:
    """Tell Home Assistant which machines there are, and clear what an earlier configuration has left at the broker."""
    machines, told = [machine.name for machine in config.machines], config.home_assistant
    found = discover(topics, machines, told.prefix, commands=config.mqtt.commands.enabled) if told.discovery else []
    wanted = find_states(topics, machines).union(message.topic for message in found)
    outbox.belong(wanted, lambda topic: topic.startswith(topics.of_node("")) or is_of_node(topic, topics.node))
    for message in found:
        outbox.put(message)
