"""A message in the outbox, with what has become of it."""

from dataclasses import dataclass
from typing import Literal

from aegan_monitor.messages.topics import Message

OVERHEAD_BYTES = 100  # what a row costs beside topic and payload, roughly


@dataclass(slots=True)
class Row:
    """A row.

    Attributes:
        number: Its place in the order.
        message: What goes out.
        put_s: When it was put, on the outbox's clock.
        written: It is in the journal, or there is no journal to wait for.
        state: `kept` is what the broker has taken and may lose, `parked` what it will never take.
        acknowledged_s: When a broker took it first.
    """

    number: int
    message: Message
    put_s: float
    written: bool = True
    state: Literal["waiting", "flying", "kept", "parked"] = "waiting"
    acknowledged_s: float | None = None

    @property
    def is_event(self) -> bool:
        """It is kept until it is delivered; anything else lives in memory, and for a while."""
        return self.message.kind == "event"

    @property
    def n_bytes(self) -> int:
        """What it counts for."""
        return len(self.message.topic) + len(self.message.payload) + OVERHEAD_BYTES
