"""A message in the outbox, with its delivery state."""

from dataclasses import dataclass
from typing import Literal

from aegan_monitor.messages.topics import Message

OVERHEAD_BYTES = 100  # approximate size of an entry without topic and payload


@dataclass(slots=True)
class Entry:
    """A message in the outbox.

    Attributes:
        put_s: On the outbox's clock.
        state: `kept`: acknowledged, but a broker that restarts may lose it; `parked`: refused permanently.
        acknowledged_s: When a broker acknowledged it first.
    """

    number: int
    message: Message
    put_s: float
    state: Literal["waiting", "flying", "kept", "parked"] = "waiting"
    acknowledged_s: float | None = None

    @property
    def is_event(self) -> bool:
        """Whether it is an event. Events are kept until they are delivered; other messages are in memory, for a limited time."""
        return self.message.kind == "event"

    @property
    def n_bytes(self) -> int:
        """Size that counts against the limit."""
        return len(self.message.topic) + len(self.message.payload) + OVERHEAD_BYTES
