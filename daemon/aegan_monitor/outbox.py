"""Messages on their way to the broker, kept in memory until it has them."""

import threading
from itertools import islice

from aegan_monitor.messages import Kind, Message

NEWEST_ONLY: frozenset[Kind] = frozenset({"score", "health"})
STATES: frozenset[Kind] = frozenset({"status", "alarm", "sensor"})


class Outbox:
    """Rows in the order in which they were put; any thread may call anything.

    Events are all kept. Of every other kind the broker needs the newest message of each topic only, so a new one takes
    the place of the one before. When `max_rows` is reached, scores and health go first, then the oldest event;
    a state (there is one a topic) goes last. `dropped_total` counts these; what a newer message replaced is not lost.
    """

    def __init__(self, max_rows: int = 10_000) -> None:
        self.dropped_total = 0
        self._max_rows = max_rows
        self._lock = threading.Lock()
        self._rows: dict[int, Message] = {}  # in order: a row's number only grows
        self._in_flight: set[int] = set()
        self._row_of_topic: dict[str, int] = {}
        self._retained: dict[str, Message] = {}
        self._next_row = 1

    @property
    def depth(self) -> int:
        """Rows that the broker has not acknowledged, in flight or not."""
        with self._lock:
            return len(self._rows)

    def put(self, message: Message) -> None:
        """Add a message; never blocks, never raises."""
        with self._lock:
            if message.retained:
                self._retained[message.topic] = message
            self._add(message)

    def pending(self, limit: int | None = None) -> list[tuple[int, Message]]:
        """The first rows that are not in flight, oldest first."""
        with self._lock:
            return list(islice(((row, message) for row, message in self._rows.items() if row not in self._in_flight), limit))

    def sent(self, row: int) -> None:
        """The row is on the wire: at QoS 0 that is all, at QoS 1 it waits for `acknowledged`."""
        with self._lock:
            if row in self._rows and self._rows[row].qos > 0:
                self._in_flight.add(row)
            else:
                self._remove(row)

    def acknowledged(self, row: int) -> None:
        """The broker has the row, or has refused it for good."""
        with self._lock:
            self._remove(row)

    def connection_lost(self) -> None:
        """What was in flight may or may not have arrived: it is pending again, in its old place."""
        with self._lock:
            self._in_flight.clear()

    def repeat_retained(self) -> None:
        """Make the newest message of every retained topic pending: a broker that died may have an older one, or none."""
        with self._lock:
            for message in list(self._retained.values()):
                if self._row_of_topic.get(message.topic) not in self._rows:
                    self._add(message)

    def _add(self, message: Message) -> None:
        if message.kind != "event":
            self._remove(self._row_of_topic.get(message.topic, 0))
            self._row_of_topic[message.topic] = self._next_row
        self._rows[self._next_row] = message
        self._next_row += 1
        if len(self._rows) > self._max_rows:
            self._remove(self._least_needed())
            self.dropped_total += 1

    def _least_needed(self) -> int:
        newest_only = (row for row, message in self._rows.items() if message.kind in NEWEST_ONLY)
        events = (row for row, message in self._rows.items() if message.kind not in STATES)
        return next(newest_only, None) or next(events, None) or next(iter(self._rows))

    def _remove(self, row: int) -> None:
        self._rows.pop(row, None)
        self._in_flight.discard(row)
