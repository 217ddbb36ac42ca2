"""What all connections of a publisher have in common."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from aegan_monitor.messages.topics import Topics
from aegan_monitor.mqtt.client import Protocol
from aegan_monitor.mqtt.endpoint import Endpoint
from aegan_monitor.mqtt.subscriptions import Listener
from aegan_monitor.outbox.backoff import FIRST_RETRIAL_S

FIRST_RETRY_S, LONGEST_RETRY_S = 1.0, 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionSettings:
    """What all connections of a publisher have in common.

    Attributes:
        listeners: Functions that take what others publish, by topic filter.
        retry_s: The wait before another attempt grows from the first to the second, with jitter; a settled connection resets it.
        settled_s: Age at which a connection counts as stable.
        answer_timeout_s: Limit for each of: the TCP connection, the CONNACK, and the acknowledgement of retained messages before `online`.
        repeat_s: Until an `online` that was refused is sent again.
        clock: In seconds, for subscriptions that were refused.
    """

    endpoint: Endpoint
    protocol: Protocol
    topics: Topics
    listeners: Mapping[str, Listener] = field(default_factory=dict)
    keepalive_s: int = 30
    retry_s: tuple[float, float] = (FIRST_RETRY_S, LONGEST_RETRY_S)
    settled_s: float = 10.0
    answer_timeout_s: float = 5.0
    repeat_s: float = FIRST_RETRIAL_S
    clock: Callable[[], float] = time.monotonic
