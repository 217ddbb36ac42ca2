"""A message from the broker, and who hears it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Received:
    """A message from the broker.

    Attributes:
        retained: The broker had it in store when we subscribed.
        late: It was published before this connection subscribed, and waited in our session (MQTT 5).
    """

    topic: str
    payload: bytes
    retained: bool
    late: bool


Hear: TypeAlias = Callable[[Received], None]
"""Called in the MQTT thread; it must not block, and what it raises is logged and costs nothing else."""
