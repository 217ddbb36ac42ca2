"""Messages on their way to the broker: what is kept, in which order it goes out, and what goes when there is no room."""

import heapq
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

from aegan_monitor.gates import Gates
from aegan_monitor.messages import Kind, Message

LATE: frozenset[Kind] = frozenset({"score"})  # live: worth nothing a little later
LATE_S = 10.0
KEEP_S = 60.0  # an acknowledged event is kept so long: brokers write to their disk when they like
ROW_OVERHEAD_BYTES = 100  # what a row costs beside topic and payload, roughly


@dataclass(slots=True)
class Row:
    """A message in the outbox.

    Attributes:
        number: Its place in the order.
        message: What goes out.
        put_s: When it was put, on the outbox's clock.
        written: It is in the journal, or there is no journal to wait for.
        state: `parked` is what the broker will never take.
        acknowledged_s: When a broker that may still have it took it first.
    """

    number: int
    message: Message
    put_s: float
    written: bool = True
    state: Literal["waiting", "flying", "kept", "parked"] = "waiting"
    acknowledged_s: float | None = None

    @property
    def n_bytes(self) -> int:
        """What it counts for."""
        return len(self.message.topic) + len(self.message.payload) + ROW_OVERHEAD_BYTES


@dataclass(frozen=True, slots=True)
class Changes:
    """What the journal does not know yet."""

    added: list[Row]
    removed: list[int]


@dataclass(frozen=True, slots=True)
class Depth:
    """How many messages wait, and for what; `events_bytes` counts the events that were delivered and are still kept, too."""

    total: int
    unheard: int
    parked: int
    events_bytes: int


class Outbox:
    """Rows in the order in which they were put; any thread may call anything, and nothing here waits for disk or network.

    Events are all kept, until `keep_s` after the broker took them, and go out in the order of their topic. A row that is not yet
    in the journal does not go out: a number that a subscriber has seen is never given twice. Of every other kind the broker needs
    the newest message of each topic only, so a new one takes the place of the one before; a state never overtakes an event of
    its machine, unless nobody listens to that or the broker refuses it. Over `max_bytes` or `max_age_s` the oldest events go,
    those that were delivered first; `dropped_total` counts the others.
    """

    def __init__(
        self,
        *,
        durable: bool = False,
        max_bytes: int = 10_000_000,
        max_age_s: float = 7 * 86_400.0,
        keep_s: float = KEEP_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Store; `durable` means that somebody writes `changes` to a journal and says `written`."""
        self.dropped_total = 0
        self.late_total = 0
        self._durable, self._max_bytes, self._max_age_s, self._keep_s, self._clock = durable, max_bytes, max_age_s, keep_s, clock
        self._lock = threading.Lock()
        self._gates = Gates()
        self._next_number = 1
        self._events: dict[int, Row] = {}  # all there are, oldest first
        self._queues: dict[str, list[int]] = {}  # numbers of those that wait, a heap a topic; one that waits no more is skipped
        self._kept: deque[Row] = deque()
        self._events_bytes = 0
        self._live: dict[str, Row] = {}  # the newest of each other topic that the broker has not
        self._flying: dict[int, Row] = {}
        self._retained: dict[str, Message] = {}
        self._last: dict[str, bytes] = {}  # payload of the last event of each topic, delivered or not
        self._unwritten: dict[int, Row] = {}
        self._removed: list[int] = []

    @property
    def depth(self) -> int:
        """Messages that the broker has not acknowledged, in flight or not."""
        return self.measure().total

    def measure(self) -> Depth:
        """How full it is."""
        with self._lock:
            open_rows = [row for row in self._events.values() if row.acknowledged_s is None]
            blocked = {"unheard": 0, "refused": 0}
            for row in open_rows:
                gate = "refused" if row.state == "parked" else self._gates.state(row.message.topic)
                if gate in blocked:
                    blocked[gate] += 1
            return Depth(len(open_rows) + len(self._live), blocked["unheard"], blocked["refused"], self._events_bytes)

    @property
    def is_written(self) -> bool:
        """The journal has all that was put, or could not be written."""
        with self._lock:
            return not self._unwritten

    def last_event(self, topic: str) -> bytes | None:
        """The payload of the last event that was ever put on a topic, as far as the journal remembers."""
        with self._lock:
            return self._last.get(topic)

    def put(self, message: Message) -> None:
        """Add a message; never blocks, never raises."""
        with self._lock:
            if message.retained:
                self._retained[message.topic] = message
            if message.kind == "event":
                self._last[message.topic] = message.payload
                self._add_event(Row(self._take_number(), message, self._clock(), written=not self._durable))
                self._tidy()
            else:
                self._put_live(message)

    def restore(self, rows: list[Row], last: dict[str, bytes]) -> None:
        """What the journal holds of an earlier run; whether the broker has it, nobody knows. It goes before all that was put since."""
        with self._lock:
            self._last = {**last, **self._last}
            newest = max((row.number for row in rows), default=0)
            shift = newest if self._next_number > 1 else 0  # numbers were given before this came: it takes those below
            for row in rows:
                self._add_event(replace(row, number=row.number - shift))
            self._events = dict(sorted(self._events.items()))
            self._next_number = max(self._next_number, newest - shift + 1)
            self._tidy()

    def next(self) -> Row | None:
        """The row that goes out now, if any: the first of those that may."""
        with self._lock:
            self._tidy()
            candidates = [row for topic in self._queues if (row := self._next_event(topic))]
            candidates += [row for row in self._live.values() if row.state == "waiting" and not self._is_held(row)]
            return min(candidates, key=lambda row: row.number, default=None)

    def pending(self) -> list[Message]:
        """All messages that are not in flight and not acknowledged, oldest first, whether they may go out now or not."""
        with self._lock:
            rows = [row for row in (*self._events.values(), *self._live.values()) if row.state == "waiting"]
            return [row.message for row in sorted(rows, key=lambda row: row.number)]

    def sent(self, row: Row) -> None:
        """The row is on the wire: at QoS 0 that is all, at QoS 1 it waits for an answer."""
        with self._lock:
            if row.message.qos == 0:
                self._forget_live(row)
            elif row.number in self._events or self._live.get(row.message.topic) is row:
                row.state = "flying"
                self._flying[row.number] = row
                if row.message.kind == "event":
                    self._gates.sent(row.message.topic)

    def acknowledged(self, number: int) -> None:
        """The broker has the row."""
        with self._lock:
            if (row := self._land(number)) is None:
                return
            self._gates.heard(row.message.topic)
            if row.number in self._events:
                row.acknowledged_s = self._clock() if row.acknowledged_s is None else row.acknowledged_s
                row.state = "kept"
                self._kept.append(row)
                self._tidy()

    def unheard(self, number: int) -> None:
        """The broker has the row but no subscriber for it: an event is offered again later, and those behind it wait."""
        with self._lock:
            if row := self._land(number):
                self._gates.unheard(row.message.topic, self._clock())
                self._wait_again(row)

    def refused(self, number: int, *, for_good: bool) -> None:
        """The broker does not take the row: not on this connection (and then no event of its topic), or never."""
        with self._lock:
            if row := self._land(number):
                self._gates.refused(row.message.topic, for_good=for_good)
                if for_good:
                    row.state = "parked"
                else:
                    self._wait_again(row)

    def connection_lost(self) -> None:
        """What was in flight may or may not have arrived, what the broker took of late it may lose: all that waits again."""
        with self._lock:
            for row in [*self._flying.values(), *(row for row in self._kept if row.number in self._events)]:
                self._wait_again(row)
            self._flying.clear()
            self._kept.clear()

    def connected(self, *, same_broker: bool) -> None:
        """A connection begins: every retained topic's newest message is repeated, every topic has a new chance.

        A broker without our session has been started anew and knows nothing of what the one before has acknowledged.
        """
        with self._lock:
            self._gates.reset()
            if not same_broker:
                for row in self._events.values():
                    row.acknowledged_s = None
            for message in self._retained.values():
                if message.topic not in self._live:
                    self._put_live(message)

    def changes(self) -> Changes:
        """What is to be written to the journal; say `written` afterwards, whether it could be or not."""
        with self._lock:
            removed, self._removed = self._removed, []
            return Changes([replace(row) for row in self._unwritten.values()], removed)

    def written(self, rows: list[Row]) -> None:
        """These may go out."""
        with self._lock:
            for row in rows:
                if waiting := self._unwritten.pop(row.number, None):
                    waiting.written = True
                else:  # it has gone while it was written
                    self._removed.append(row.number)

    def everything(self) -> tuple[list[Row], dict[str, bytes]]:
        """All that a new journal has to hold: the events, and the last event of each topic."""
        with self._lock:
            self._removed.clear()
            return [replace(row) for row in self._events.values()], dict(self._last)

    def _take_number(self) -> int:
        self._next_number += 1
        return self._next_number - 1

    def _put_live(self, message: Message) -> None:
        self._live[message.topic] = Row(self._take_number(), message, self._clock())

    def _forget_live(self, row: Row) -> None:
        if self._live.get(row.message.topic) is row:  # else a newer one has taken its place
            del self._live[row.message.topic]

    def _add_event(self, row: Row) -> None:
        self._events[row.number] = row
        self._events_bytes += row.n_bytes
        if not row.written:
            self._unwritten[row.number] = row
        self._wait_again(row)

    def _wait_again(self, row: Row) -> None:
        row.state = "waiting"
        if row.number in self._events:
            heapq.heappush(self._queues.setdefault(row.message.topic, []), row.number)

    def _land(self, number: int) -> Row | None:
        """The event that was in flight; of any other kind the answer is the end: a state is retained, and repeated."""
        row = self._flying.pop(number, None)
        if row is None or row.message.kind == "event":
            return row
        self._forget_live(row)
        return None

    def _first(self, topic: str) -> Row | None:
        queue = self._queues[topic]
        while queue:
            row = self._events.get(queue[0])
            if row and row.state == "waiting":
                return row
            heapq.heappop(queue)
        return None

    def _next_event(self, topic: str) -> Row | None:
        row = self._first(topic)
        return row if row and row.written and self._gates.is_open(topic, self._clock()) else None

    def _is_held(self, row: Row) -> bool:
        """A state waits for the earlier events of its machine, as long as those can go out."""
        if row.message.qos == 0:
            return False
        topic = f"{row.message.topic.rpartition('/')[0]}/event"
        event = self._first(topic) if topic in self._queues else None
        return event is not None and event.number < row.number and not self._gates.is_shut(topic, self._clock())

    def _tidy(self) -> None:
        """Forget what is past: late scores, events that were kept long enough, and the oldest of too many."""
        now_s = self._clock()
        for row in [row for row in self._live.values() if row.message.kind in LATE and now_s - row.put_s > LATE_S]:
            self._forget_live(row)
            self.late_total += 1
        while self._kept and (self._kept[0].acknowledged_s or 0.0) <= now_s - self._keep_s:
            self._remove(self._kept.popleft())
        while self._events and (oldest := next(iter(self._events.values()))).put_s < now_s - self._max_age_s:
            self._drop(oldest)
        while self._events_bytes > self._max_bytes:
            self._drop(self._kept.popleft() if self._kept else next(iter(self._events.values())))

    def _drop(self, row: Row) -> None:
        self.dropped_total += row.number in self._events and row.acknowledged_s is None
        self._remove(row)

    def _remove(self, row: Row) -> None:
        if self._events.pop(row.number, None) is None:
            return
        self._events_bytes -= row.n_bytes
        if self._unwritten.pop(row.number, None) is None and self._durable:
            self._removed.append(row.number)
