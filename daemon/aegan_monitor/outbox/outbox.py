"""Messages on their way to the broker: what is kept, in which order it goes out, and what goes when there is no room."""

import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import replace

from aegan_monitor.alarm.last_event import LastEvents
from aegan_monitor.messages.topics import Message
from aegan_monitor.outbox.backoff import Gates
from aegan_monitor.outbox.entry import Row
from aegan_monitor.outbox.event_queue import Changes, Depth, Events
from aegan_monitor.outbox.latest import Live
from aegan_monitor.outbox.retained_topics import RetainedTopics

KEEP_S = 60.0  # an acknowledged event is kept so long: brokers write to their disk when they like


class Outbox:
    """Rows in the order in which they were put; any thread may call anything, and nothing here waits for disk or network.

    Events are all kept, until `keep_s` after the broker took them, and go out in the order of their topic. A row that is not yet
    in the journal does not go out (`hold`): a number that a subscriber has seen is never given twice. Results are all kept, too, but for a
    minute and in memory. Of every other kind the broker needs the newest message of each topic only, so a new one takes the place
    of the one before; a state or result never overtakes an event of its machine, unless nobody listens to that or the broker
    refuses it. What the broker keeps on a topic that does not `belong` any more is cleared, over restarts too. Over `max_bytes` or
    `max_age_s` the oldest events go, those that were delivered first; `dropped_total` counts the others.
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
        self.last_events = LastEvents()
        self._durable, self._clock = durable, clock
        self._lock = threading.Lock()
        self._holds = True
        self._next_number = 1
        self._events = Events(durable=durable, max_bytes=max_bytes, max_age_s=max_age_s, keep_s=keep_s)
        self._live = Live()
        self._gates = Gates()
        self._topics = RetainedTopics(durable=durable)
        self._flying: dict[int, Row] = {}

    @property
    def dropped_total(self) -> int:
        """Events that went undelivered, for want of room or because they were too old."""
        return self._events.dropped_total

    @property
    def late_total(self) -> int:
        """Scores and results that were not sent because they were late."""
        return self._live.late_total

    @property
    def replaced_scores_total(self) -> int:
        """Scores that were not sent because the next one came first."""
        return self._live.replaced_scores_total

    @property
    def depth(self) -> int:
        """Messages that the broker has not acknowledged, in flight or not."""
        return self.measure().total

    @property
    def is_written(self) -> bool:
        """The journal has all that was put, or it is not waited for."""
        with self._lock:
            return not self._holds or not (self._events.unwritten or self._topics.unwritten)

    @property
    def is_told(self) -> bool:
        """The broker has answered, on this connection, the newest message of every retained topic that there was at its beginning."""
        with self._lock:
            return self._live.is_told

    def measure(self) -> Depth:
        """How full it is."""
        with self._lock:
            return self._events.measure(self._gates.state, len(self._live))

    def put(self, message: Message) -> None:
        """Add a message; never blocks, never raises."""
        with self._lock:
            row = self._make_row(message)
            if row.is_event:
                self.last_events.put(message.topic, message.payload)
                row.written = not self._durable
                self._events.add(row)
                self._events.tidy(self._clock())
            else:
                self._live.put(row)

    def belong(self, topics: Iterable[str], is_ours: Callable[[str], bool] | None = None) -> None:
        """Say on which topics the broker is to keep something; it is made to forget what an earlier configuration left on our others."""
        with self._lock:
            self._put_live(self._topics.belong(topics, is_ours))

    def repeat_retained(self) -> None:
        """Send the newest message of every retained topic once more."""
        with self._lock:
            self._put_live(self._live.missing())

    def restore(self, rows: list[Row], last: dict[str, bytes], topics: Iterable[str] = ()) -> None:
        """What the journal holds of an earlier run; whether the broker has it, nobody knows. It goes before all that was put since."""
        with self._lock:
            self.last_events.restore(last)
            newest = max((row.number for row in rows), default=0)
            shift = newest if self._next_number > 1 else 0  # numbers were given before this came: it takes those below
            self._events.restore([replace(row, number=row.number - shift) for row in rows])
            self._next_number = max(self._next_number, newest - shift + 1)
            self._events.tidy(self._clock())
            self._put_live(self._topics.restore(topics))

    def next(self) -> Row | None:
        """The row that goes out now, if any: the first of those that may."""
        with self._lock:
            now_s = self._clock()
            self._events.tidy(now_s)
            self._live.tidy(now_s)
            self._put_live(self._live.find_due(now_s))
            candidates = [row for topic in self._events.topics() if (row := self._next_event(topic, now_s))]
            candidates += [row for row in self._live.waiting() if not self._is_held(row, now_s)]
            return min(candidates, key=lambda row: row.number, default=None)

    def pending(self) -> list[Message]:
        """All messages that are not in flight and not acknowledged, oldest first, whether they may go out now or not."""
        with self._lock:
            rows = [*(row for row in self._events if row.state == "waiting"), *self._live.waiting()]
            return [row.message for row in sorted(rows, key=lambda row: row.number)]

    def sent(self, row: Row) -> None:
        """The row is on the wire: at QoS 0 that is all, at QoS 1 it waits for an answer."""
        with self._lock:
            if row.message.qos == 0:
                self._live.forget(row)
            elif row in self._events or row in self._live:
                row.state = "flying"
                self._flying[row.number] = row
                if row.is_event:
                    self._gates.sent(row.message.topic)

    def acknowledged(self, number: int) -> None:
        """The broker has the row."""
        with self._lock:
            if row := self._land(number):
                self._gates.heard(row.message.topic)
                self._events.keep(row, self._clock())

    def unheard(self, number: int) -> None:
        """The broker has the row but no subscriber for it: an event is offered again later, and those behind it wait."""
        with self._lock:
            if row := self._land(number):
                self._gates.unheard(row.message.topic, self._clock())
                self._events.wait(row)

    def refused(self, number: int, *, for_good: bool) -> None:
        """The broker does not take the row: not for some time (and then no event of its topic), or never."""
        with self._lock:
            now_s, row = self._clock(), self._flying.pop(number, None)
            if row is None:
                return
            if not row.is_event:
                self._live.refuse(row, now_s, for_good=for_good)
                return
            self._gates.refused(row.message.topic, now_s, for_good=for_good)
            if for_good:
                row.state = "parked"
            else:
                self._events.wait(row)

    def connection_lost(self) -> None:
        """What was in flight may or may not have arrived, what the broker took of late it may lose: all that waits again."""
        with self._lock:
            for row in self._flying.values():
                self._events.wait(row)
            self._flying.clear()
            self._events.doubt()

    def connected(self, *, same_broker: bool) -> None:
        """A connection begins: every retained topic's newest message is repeated, every topic has a new chance.

        A broker without our session has been started anew and knows nothing of what the one before has acknowledged.
        """
        with self._lock:
            self._gates.reset()
            if not same_broker:
                for row in self._events:
                    row.acknowledged_s = None
            self._put_live(self._live.missing())
            self._live.begin()

    def changes(self) -> Changes:
        """What is to be written to the journal; say `written` afterwards, whether it could be or not."""
        with self._lock:
            self._events.tidy(self._clock())
            added, removed = self._events.changes()
            last = self.last_events.payloads({row.message.topic for row in added})
            return Changes(added, removed, last, self._topics.changes())

    def written(self, rows: list[Row], topics: Iterable[str] = ()) -> None:
        """These may go out, and what waits on these topics."""
        with self._lock:
            self._topics.written(topics)
            for row in rows:
                self._events.written(row)

    def hold(self, *, unwritten: bool) -> None:
        """Whether what the journal does not have yet waits for it: at first it does, but not for a disk that fails or hangs."""
        with self._lock:
            self._holds = unwritten

    def everything(self) -> tuple[list[Row], dict[str, bytes], frozenset[str]]:
        """All that a new journal has to hold: the events, the last event of each topic, and the retained topics."""
        with self._lock:
            return self._events.copies(), self.last_events.payloads(), self._topics.everything()

    def _put_live(self, messages: list[Message]) -> None:
        for message in messages:
            self._live.put(self._make_row(message))

    def _make_row(self, message: Message) -> Row:
        self._next_number += 1
        return Row(self._next_number - 1, message, self._clock())

    def _land(self, number: int) -> Row | None:
        """The event that was in flight; of any other kind the answer is the end: a state is retained, and repeated."""
        row = self._flying.pop(number, None)
        if row is None or row.is_event:
            return row
        if not row.message.payload and self._live.clear(row):
            self._topics.cleared(row.message.topic)
        self._live.take(row)
        return None

    def _next_event(self, topic: str, now_s: float) -> Row | None:
        row = self._events.first(topic)
        return row if row and (row.written or not self._holds) and self._gates.is_open(topic, now_s) else None

    def _is_held(self, row: Row, now_s: float) -> bool:
        """A state or result waits for the earlier events of its machine, as long as those can go out."""
        if self._holds and row.message.topic in self._topics.unwritten:
            return True
        if row.message.qos == 0:
            return False
        topic = f"{row.message.topic.rpartition('/')[0]}/event"
        event = self._events.first(topic)
        return event is not None and event.number < row.number and not self._gates.is_shut(topic, now_s)
