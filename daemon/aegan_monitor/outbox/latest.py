"""Messages that are kept in memory only: the newest state, health and score of each topic, and all results."""

import math
from collections.abc import Iterator

from aegan_monitor.messages.model import Kind
from aegan_monitor.messages.topics import Message
from aegan_monitor.outbox.backoff import Backoff
from aegan_monitor.outbox.entry import Entry

LATE_S: dict[Kind, float] = {"score": 10.0, "result": 60.0}  # older messages are dropped
ONCE: frozenset[Kind] = frozenset({"picture"})  # large, so it is kept until it is sent, and not sent again


class Latest:
    """The newest message of each topic. The outbox calls every method under its lock.

    Attributes:
        unanswered: Retained topics that existed at the last `begin`, and whose newest message the broker has not answered since.
    """

    def __init__(self) -> None:
        self.late_total = self.replaced_scores_total = 0
        self._rows: dict[tuple[str, int], Entry] = {}
        self._retained: dict[str, Message] = {}
        self.unanswered: set[str] = set()
        self._refused: dict[str, None] = {}  # topics whose newest message was refused, oldest refusal first
        self._backoff = Backoff()  # by a message's place

    def __len__(self) -> int:
        """Number of rows that the broker has not acknowledged."""
        return len(self._rows)

    def __contains__(self, row: Entry) -> bool:
        """Whether the row is still the newest of its topic, and not finished."""
        return self._rows.get(_place(row)) is row

    def put(self, row: Entry) -> None:
        """Add a row, which replaces the one before."""
        before = self._rows.get(_place(row))
        self.replaced_scores_total += before is not None and (before.message.kind, before.state) == ("score", "waiting")
        self._rows[_place(row)] = row
        if row.message.retained:
            self._retained[row.message.topic] = row.message
            self._refused.pop(row.message.topic, None)
        if row.message.kind in ONCE and row.message.payload:
            del self._retained[row.message.topic]

    def begin(self) -> None:
        """Start a connection: what the broker keeps is not known."""
        self.unanswered = set(self._retained)
        self._backoff = Backoff()

    def forget(self, row: Entry) -> None:
        """Remove a finished row; nothing happens if a newer one has replaced it."""
        if row in self:
            del self._rows[_place(row)]
            self.unanswered.discard(row.message.topic)

    def take(self, row: Entry) -> bool:
        """Note that the broker has acknowledged the row, so refused messages of the same place may be sent.

        Returns whether it was empty and the newest of its topic, which is not repeated then.
        """
        self._backoff.accepted(row.message.place)
        is_cleared = not row.message.payload and row in self
        if is_cleared:
            del self._retained[row.message.topic]
        self.forget(row)
        return is_cleared

    def refuse(self, row: Entry, now_s: float, *, for_good: bool) -> None:
        """Note a refusal. A retained message is sent again after a wait, unless `for_good`; any other is dropped."""
        if row.message.retained and not for_good:
            self._backoff.refused(row.message.place, now_s)
            self._refused.update({row.message.topic: None} if row in self else {})
        self.forget(row)

    def find_due(self, now_s: float) -> list[Message]:
        """Refused messages to send again: one of each place first, the others after it was acknowledged."""
        found = []
        for topic in self._refused:
            message = self._retained[topic]
            if self._backoff.is_free(message.place, now_s):
                self._backoff.sent(message.place)
                found.append(message)
        for message in found:
            del self._refused[message.topic]
        return found

    def waiting(self) -> Iterator[Entry]:
        """Rows that are not in flight."""
        return (row for row in self._rows.values() if row.state == "waiting")

    def missing(self) -> list[Message]:
        """The newest message of each retained topic that has no row."""
        return [message for topic, message in self._retained.items() if (topic, 0) not in self._rows]

    def tidy(self, now_s: float) -> None:
        """Drop scores and results that are too old."""
        for row in [row for row in self._rows.values() if now_s - row.put_s > LATE_S.get(row.message.kind, math.inf)]:
            self.forget(row)
            self.late_total += 1


def _place(row: Entry) -> tuple[str, int]:
    """Entries with the same key replace each other; a result replaces none."""
    return (row.message.topic, row.number if row.message.kind == "result" else 0)
