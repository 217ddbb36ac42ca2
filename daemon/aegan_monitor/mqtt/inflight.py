"""What one connection has sent and the broker has not acknowledged yet."""

from typing import NamedTuple

from aegan_monitor.outbox.entry import Row

MAX_IN_FLIGHT = 16  # brokers allow 20 and more; what waits beyond that waits in the outbox, not in paho
MAX_BEHIND = 60_000  # of the 65,535 ids, which begin again then: messages of QoS 0 take theirs from the same


class Flight(NamedTuple):
    """A message of QoS 1; without a row it is a status."""

    row: Row | None
    sent_s: float
    n_before: int  # messages of the connection, of whatever QoS


class Flights:
    """By paho's message id, oldest first; they belong to the MQTT thread.

    Attributes:
        window: So many may there be.
    """

    def __init__(self, window: int = MAX_IN_FLIGHT) -> None:
        """Nothing has been sent."""
        self.window = window
        self._flights: dict[int, Flight] = {}
        self._n_sent = 0

    def __len__(self) -> int:
        """How many there are."""
        return len(self._flights)

    @property
    def has_room(self) -> bool:
        """One more message may go out, and its id is nobody else's."""
        oldest = next(iter(self._flights.values()), None)
        return len(self._flights) < self.window and (oldest is None or self._n_sent - oldest.n_before < MAX_BEHIND)

    def sent(self, message_id: int, row: Row | None, qos: int, now_s: float) -> None:
        """A message is on the wire; at QoS 0 nobody answers."""
        if qos > 0:
            self._flights[message_id] = Flight(row, now_s, self._n_sent)
        self._n_sent += 1

    def land(self, message_id: int) -> Flight | None:
        """The broker, or for QoS 0 paho, has answered; what it is about, if there is anything to hear."""
        return self._flights.pop(message_id, None)

    def waited_s(self, now_s: float) -> float:
        """How long the oldest has been without an answer."""
        oldest = next(iter(self._flights.values()), None)
        return 0.0 if oldest is None else now_s - oldest.sent_s

    def rows(self) -> list[Row]:
        """Those of the outbox, oldest first."""
        return [flight.row for flight in self._flights.values() if flight.row is not None]
