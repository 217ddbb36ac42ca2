"""Messages of which the newest of each topic is all that the broker needs: states, health, scores."""

from collections.abc import Iterator

from aegan_monitor.messages import Kind, Message
from aegan_monitor.row import Row

LATE: frozenset[Kind] = frozenset({"score"})  # worth nothing a little later
LATE_S = 10.0


class Live:
    """At most one row a topic; it belongs to the outbox, under whose lock it is used."""

    def __init__(self) -> None:
        self.late_total = 0
        self._rows: dict[str, Row] = {}
        self._retained: dict[str, Message] = {}

    def __len__(self) -> int:
        """Rows that the broker has not acknowledged."""
        return len(self._rows)

    def __contains__(self, row: Row) -> bool:
        """The row is still its topic's newest, and not done with."""
        return self._rows.get(row.message.topic) is row

    def put(self, row: Row) -> None:
        """It takes the place of the one before."""
        self._rows[row.message.topic] = row
        if row.message.retained:
            self._retained[row.message.topic] = row.message

    def forget(self, row: Row) -> None:
        """It is done with; harmless when a newer one has taken its place."""
        if row in self:
            del self._rows[row.message.topic]

    def waiting(self) -> Iterator[Row]:
        """Those that are not in flight."""
        return (row for row in self._rows.values() if row.state == "waiting")

    def missing(self) -> list[Message]:
        """The newest message of every retained topic that is not here any more."""
        return [message for topic, message in self._retained.items() if topic not in self._rows]

    def tidy(self, now_s: float) -> None:
        """Forget what is too late."""
        for row in [row for row in self._rows.values() if row.message.kind in LATE and now_s - row.put_s > LATE_S]:
            self.forget(row)
            self.late_total += 1
