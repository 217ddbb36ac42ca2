"""A message from the broker, and the function that takes it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Received:
    """A message from the broker; `retained` says that the broker stores it (under MQTT 3.1.1 only of one that was stored before)."""

    topic: str
    payload: bytes
    retained: bool


Listener: TypeAlias = Callable[[Received], None]
"""Called in the MQTT thread; it must not block. An exception is logged and has no other effect."""
