"""What all connections of a publisher have in common, and how they are asked to end."""

import math
import threading
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

from aegan_monitor.messages.topics import Topics
from aegan_monitor.mqtt.client import Protocol
from aegan_monitor.mqtt.endpoint import Connection
from aegan_monitor.mqtt.incoming import Hear
from aegan_monitor.outbox.outbox import Outbox

UNACKNOWLEDGED_KEEPALIVES = 1.5  # so late the end of a connection may be noticed at most


@dataclass(frozen=True, slots=True)
class Terms:
    """Of one publisher.

    Attributes:
        answer_timeout_s: For the connection, again for its answer, and again for what is retained: so long may `online` wait for it.
        repeat_s: Until an `online` that was refused is said again.
        clock: In seconds, for subscriptions that were refused.
    """

    connection: Connection
    protocol: Protocol
    topics: Topics
    outbox: Outbox
    listeners: Mapping[str, Hear]
    unwanted: Collection[str]
    keepalive_s: int
    settled_s: float
    answer_timeout_s: float
    repeat_s: float
    clock: Callable[[], float]

    @property
    def acknowledge_s(self) -> float:
        """So long may a message be without its acknowledgement."""
        return max(self.answer_timeout_s, UNACKNOWLEDGED_KEEPALIVES * self.keepalive_s)


@dataclass(slots=True)
class Stop:
    """Asked for by another thread, which sets `by_s` (on the monotonic clock) first: until then what is pending may go out."""

    asked: threading.Event = field(default_factory=threading.Event)
    by_s: float = math.inf

    @property
    def is_over(self) -> bool:
        """That time is up: who asked waits no longer, and the outbox may be another's by now."""
        return time.monotonic() > self.by_s
