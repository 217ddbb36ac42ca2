"""Messages in memory alone: the newest state, health and score of each topic, and all results."""

import math
from collections.abc import Iterator

from aegan_monitor.messages.model import Kind
from aegan_monitor.messages.topics import Message
from aegan_monitor.outbox.backoff import Backoff
from aegan_monitor.outbox.entry import Entry

LATE_S: dict[Kind, float] = {"score": 10.0, "result": 60.0}  # they are dropped when they are older


class Latest:
    """The newest message of each topic. The outbox calls every method under its lock."""

    def __init__(self) -> None:
        self.late_total = self.replaced_scores_total = 0
        self._rows: dict[tuple[str, int], Entry] = {}
        self._retained: dict[str, Message] = {}
        self._unanswered: set[str] = set()  # retained topics whose newest message the broker has not answered
        self._refused: dict[str, None] = {}  # topics whose newest message waits, and is no row; the longest refused first
        self._backoff = Backoff()  # by a message's place

    @property
    def is_answered(self) -> bool:
        """On every retained topic that there was at the last `begin` the broker has answered the newest message, whatever it said."""
        return not self._unanswered

    def __len__(self) -> int:
        """Rows that the broker has not acknowledged."""
        return len(self._rows)

    def __contains__(self, row: Entry) -> bool:
        """The row was not replaced, and is not done with."""
        return self._rows.get(_place(row)) is row

    def put(self, row: Entry) -> None:
        """It takes the place of the one before."""
        before = self._rows.get(_place(row))
        self.replaced_scores_total += before is not None and (before.message.kind, before.state) == ("score", "waiting")
        self._rows[_place(row)] = row
        if row.message.retained:
            self._retained[row.message.topic] = row.message
            self._refused.pop(row.message.topic, None)

    def begin(self) -> None:
        """A connection begins: nothing is known of what the broker keeps."""
        self._unanswered = set(self._retained)
        self._backoff.reset()

    def clear(self, row: Entry) -> bool:
        """The broker has taken an empty message, which is not repeated; whether it was its topic's newest."""
        if is_newest := row in self:
            del self._retained[row.message.topic]
        return is_newest

    def forget(self, row: Entry) -> None:
        """It is done with; harmless when a newer one has taken its place."""
        if row in self:
            del self._rows[_place(row)]
            self._unanswered.discard(row.message.topic)

    def take(self, row: Entry) -> None:
        """The broker has it, and may take now what it refused there before."""
        self._backoff.accepted(row.message.place)
        self.forget(row)

    def refuse(self, row: Entry, now_s: float, *, for_good: bool) -> None:
        """The broker does not take it: not for some time, if it is retained, or not on this connection."""
        if row.message.retained and not for_good:
            self._backoff.refused(row.message.place, now_s)
            self._refused.update({row.message.topic: None} if row in self else {})
        self.forget(row)

    def find_due(self, now_s: float) -> list[Message]:
        """What was refused and is to be put again: of each place one goes ahead, and the others follow when it was taken."""
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
        """Those that are not in flight."""
        return (row for row in self._rows.values() if row.state == "waiting")

    def missing(self) -> list[Message]:
        """The newest message of every retained topic that is not here any more."""
        return [message for topic, message in self._retained.items() if (topic, 0) not in self._rows]

    def tidy(self, now_s: float) -> None:
        """Forget what is too late."""
        for row in [row for row in self._rows.values() if now_s - row.put_s > LATE_S.get(row.message.kind, math.inf)]:
            self.forget(row)
            self.late_total += 1


def _place(row: Entry) -> tuple[str, int]:
    """Entries with the same key replace each other; a result replaces none."""
    return (row.message.topic, row.number if row.message.kind == "result" else 0)
