"""What the broker is to keep of a configuration, and nothing else: said at start, and again by a reload."""

import uuid
from collections.abc import Callable
from datetime import datetime

from aegan_monitor.alarm.events import Announcer
from aegan_monitor.config.model import MonitorConfig
from aegan_monitor.homeassistant.discovery import discover, is_of_node
from aegan_monitor.messages.topics import Topics
from aegan_monitor.outbox.outbox import Outbox
from aegan_monitor.outbox.retained_topics import find_states


def announce(config: MonitorConfig, topics: Topics, outbox: Outbox) -> None:
    """Tell Home Assistant which machines there are, and clear what an earlier configuration has left at the broker."""
    machines, told = [machine.name for machine in config.machines], config.home_assistant
    found = discover(topics, machines, told.prefix, commands=config.mqtt.commands.enabled) if told.discovery else []
    wanted = find_states(topics, machines).union(message.topic for message in found)
    outbox.belong(wanted, lambda topic: topic.startswith(topics.of_node("")) or is_of_node(topic, topics.node))
    for message in found:
        outbox.put(message)


def end_departed(
    config: MonitorConfig, topics: Topics, outbox: Outbox, time: datetime, new_id: Callable[[], str] = lambda: str(uuid.uuid4())
) -> None:
    """Tell, when an earlier run's last events come to light, that the alarm or shelf of a machine of this node that is gone has ended."""
    present = {topics.name("event", machine.name) for machine in config.machines}
    for topic in [topic for topic in outbox.last_events.untaken if topic not in present]:
        machine = topic.removeprefix(topics.of_node("")).removesuffix("/event")
        last = outbox.last_events.take(topic)
        if topic == topics.name("event", machine) and last is not None:
            *events, _ = Announcer(last.score_id, 1, new_id).begin(time, last)  # a state would be kept for nobody
            for event in events:
                outbox.put(topics.message(event, machine))
