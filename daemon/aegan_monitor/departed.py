"""Machines that have left the configuration while the daemon was down, or as a reload was cut off: their alarms end, too."""

import uuid
from collections.abc import Callable
from datetime import datetime

from aegan_monitor.announcer import Announcer
from aegan_monitor.config import MonitorConfig
from aegan_monitor.messages import Topics
from aegan_monitor.outbox import Outbox


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
