"""Events in order, by topic. Each is kept for some time after the broker has acknowledged it."""

import heapq
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from aegan_monitor.outbox.entry import Entry


@dataclass(frozen=True, slots=True)
class Changes:
    """What the store lacks, or what it holds: events, numbers of events, alarm records by machine, retained topics (None: no change)."""

    added: list[Entry] = field(default_factory=list)
    removed: list[int] = field(default_factory=list)
    alarms: dict[str, bytes] = field(default_factory=dict)
    topics: frozenset[str] | None = None

    def __bool__(self) -> bool:
        """Whether there is anything to write."""
        return bool(self.added or self.removed or self.alarms or self.topics is not None)


class Counts(NamedTuple):
    """Messages that the broker has not acknowledged, those of them that it refuses, and what was lost (as in `payloads.Health`)."""

    total: int
    parked: int
    dropped_total: int
    late_total: int
    replaced_scores_total: int


class EventQueue:
    """All events of the outbox, and the changes that the store lacks. The outbox calls every method under its lock."""

    def __init__(self, *, max_bytes: int, max_age_s: float, keep_s: float) -> None:
        self.dropped_total = 0
        self.n_bytes = 0
        self.unwritten: dict[int, Entry] = {}
        self.removed: list[int] = []  # that the store still has
        self._max_bytes, self._max_age_s, self._keep_s = max_bytes, max_age_s, keep_s
        self._rows: dict[int, Entry] = {}  # oldest first
        self.queues: dict[str, list[int]] = {}  # by topic a heap of the numbers that wait; `first` skips the others
        self._kept: deque[Entry] = deque()

    def __contains__(self, row: Entry) -> bool:
        """Whether the event was neither dropped nor removed."""
        return row.number in self._rows

    def __iter__(self) -> Iterator[Entry]:
        """All events, oldest first."""
        return iter(self._rows.values())

    def add(self, row: Entry) -> None:
        """Add a new event, or one that was restored from the store."""
        self._rows[row.number] = row
        self.n_bytes += row.n_bytes
        self.wait(row)

    def restore(self, rows: list[Entry]) -> None:
        """Add events of an earlier run, whose numbers are below all others."""
        for row in rows:
            self.add(row)
        self._rows = dict(sorted(self._rows.items()))

    def first(self, topic: str) -> Entry | None:
        """The first event that waits on a topic."""
        queue = self.queues.get(topic, [])
        while queue:
            row = self._rows.get(queue[0])
            if row and row.state == "waiting":
                return row
            heapq.heappop(queue)
        return None

    def wait(self, row: Entry) -> None:
        """Queue the event again, in its place, unless it was removed."""
        row.state = "waiting"
        if row in self:
            heapq.heappush(self.queues.setdefault(row.message.topic, []), row.number)

    def keep(self, row: Entry, now_s: float) -> None:
        """Note that the broker has acknowledged the event, which is kept for a while."""
        if row in self:
            row.acknowledged_s = now_s if row.acknowledged_s is None else row.acknowledged_s
            row.state = "kept"
            self._kept.append(row)

    def doubt(self) -> None:
        """Queue all kept events again: a broker that was restarted may have lost them."""
        for row in self._kept:
            self.wait(row)
        self._kept.clear()

    def written(self, row: Entry) -> None:
        """The store has written the event, or has tried."""
        if self.unwritten.pop(row.number, None) is None:  # it was removed while it was written
            self.removed.append(row.number)

    def changes(self) -> tuple[list[Entry], list[int]]:
        """Events to write, and numbers to remove; call `written` afterwards."""
        removed, self.removed = self.removed, []
        return list(self.unwritten.values()), removed

    def tidy(self, now_s: float) -> None:
        """Remove events that were kept long enough or waited too long, and the oldest ones over the size limit."""
        while self._kept and (self._kept[0].acknowledged_s or 0.0) <= now_s - self._keep_s:
            self._remove(self._kept.popleft())
        while self._rows and (oldest := next(iter(self))).put_s < now_s - self._max_age_s:
            self._drop(oldest)
        while self.n_bytes > self._max_bytes:
            self._drop(self._kept.popleft() if self._kept else next(iter(self)))

    def _drop(self, row: Entry) -> None:
        self.dropped_total += row in self and row.acknowledged_s is None
        self._remove(row)

    def _remove(self, row: Entry) -> None:
        if self._rows.pop(row.number, None) is None:
            return
        self.n_bytes -= row.n_bytes
        if self.unwritten.pop(row.number, None) is None:
            self.removed.append(row.number)
