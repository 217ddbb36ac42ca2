"""Messages of one connection without an acknowledgement."""

from typing import NamedTuple

from aegan_monitor.outbox.entry import Entry

MAX_IN_FLIGHT = 16  # brokers allow at least 20; other messages wait in the outbox


class Sent(NamedTuple):
    """A message of QoS 1; without a row it is a status."""

    row: Entry | None
    sent_s: float


class InFlight:
    """By paho's message id, oldest first; used by the MQTT thread alone.

    Attributes:
        window: How many messages may be in flight.
    """

    def __init__(self, window: int = MAX_IN_FLIGHT) -> None:
        self.window = window
        self._sent: dict[int, Sent] = {}

    def __len__(self) -> int:
        """How many are in flight."""
        return len(self._sent)

    @property
    def has_room(self) -> bool:
        """Whether one more message may be sent."""
        return len(self._sent) < self.window

    def add(self, message_id: int, row: Entry | None, qos: int, now_s: float) -> None:
        """Add a message that was sent; one of QoS 0 is left out, because it has no acknowledgement."""
        if qos > 0:
            self._sent[message_id] = Sent(row, now_s)

    def remove(self, message_id: int) -> Sent | None:
        """Remove a message that was acknowledged or refused; None for one of QoS 0."""
        return self._sent.pop(message_id, None)

    def waited_s(self, now_s: float) -> float:
        """How long the oldest has been in flight."""
        oldest = next(iter(self._sent.values()), None)
        return 0.0 if oldest is None else now_s - oldest.sent_s

    def rows(self) -> list[Entry]:
        """Rows of the outbox, oldest first."""
        return [sent.row for sent in self._sent.values() if sent.row is not None]
