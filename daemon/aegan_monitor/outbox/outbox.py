"""Messages for the broker, and records of alarms: which are kept, the order of sending, and which are dropped if there is no room."""

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from types import MappingProxyType

from aegan_monitor.messages.topics import Message
from aegan_monitor.outbox.backoff import Backoff
from aegan_monitor.outbox.entry import Entry
from aegan_monitor.outbox.event_queue import Changes, Counts, EventQueue
from aegan_monitor.outbox.latest import Latest
from aegan_monitor.outbox.retained_topics import RetainedTopics

KEEP_S = 60.0  # an acknowledged event is kept so long: a broker may write to its disk later


class Outbox:
    """Rows in the order in which they were put. All methods are thread-safe; none waits for the disk or the network.

    Events are all kept, until `keep_s` after the broker acknowledged them, and are sent in the order of their topic. An event is sent
    once the store has tried to write it, together with the alarm's record: a subscriber never sees one number twice. Results are all
    kept, too, for a minute and in memory. Of every other kind the newest message of each topic replaces the older one. A state or
    result never overtakes an event of its machine, unless the broker refuses that event. Retained messages on topics
    that do not `belong` any more are cleared, over restarts too. Over `max_bytes` or `max_age_s` the oldest events are dropped,
    delivered ones first; `dropped_total` counts the others.

    Attributes:
        notify: Called when something was put, by the thread that did; it must not block.
    """

    def __init__(
        self,
        *,
        max_bytes: int = 10_000_000,
        max_age_s: float = 7 * 86_400.0,
        keep_s: float = KEEP_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Store; a writer takes `changes` to a store and calls `written`."""
        self._clock = clock
        self.notify: Callable[[], object] = lambda: None
        self._lock = threading.Lock()
        self._alarms: dict[str, bytes] = {}  # records by machine
        self._unwritten_alarms: dict[str, bytes] = {}
        self._next_number = 1
        self._events = EventQueue(max_bytes=max_bytes, max_age_s=max_age_s, keep_s=keep_s)
        self._latest = Latest()
        self._backoff = Backoff()
        self._topics = RetainedTopics()
        self._flying: dict[int, Entry] = {}

    @property
    def alarms(self) -> dict[str, bytes]:
        """The record of each machine's alarm, as JSON; of this run, or of an earlier one."""
        with self._lock:
            return dict(self._alarms)

    @property
    def is_unwritten(self) -> bool:
        """The store lacks an event, a record or a topic; what was delivered may stay in it for a while."""
        with self._lock:
            return bool(self._events.unwritten or self._unwritten_alarms) or self._topics.changes() is not None

    @property
    def is_answered(self) -> bool:
        """The broker has answered, on this connection, the newest message of every retained topic that there was at its beginning."""
        with self._lock:
            return not self._latest.unanswered

    def measure(self) -> Counts:
        """How many messages wait, in flight or not, and how many were lost."""
        with self._lock:
            events, latest = self._events, self._latest
            rows = [row for row in events if row.acknowledged_s is None]
            n_refused = sum(row.state == "parked" or self._backoff.is_refused(row.message.topic) for row in rows)
            return Counts(len(rows) + len(latest), n_refused, events.dropped_total, latest.late_total, latest.replaced_scores_total)

    def put(self, *messages: Message, alarms: Mapping[str, bytes] = MappingProxyType({})) -> None:
        """Add messages, and new records of alarms, which are written in the same transaction. Never blocks, never raises."""
        with self._lock:
            self._alarms.update(alarms)
            self._unwritten_alarms.update(alarms)
            for message in messages:
                row = self._make_row(message)
                if row.is_event:
                    self._events.add(row)
                    self._events.unwritten[row.number] = row
                    self._events.tidy(self._clock())
                else:
                    self._latest.put(row)
        self.notify()

    def belong(self, topics: Iterable[str], is_ours: Callable[[str], bool] = lambda _: True) -> None:
        """Set the retained topics of this configuration; retained messages of an earlier one on our other topics are cleared."""
        with self._lock:
            self._put_latest(self._topics.belong(topics, is_ours))
        self.notify()

    def repeat_retained(self) -> None:
        """Send the newest message of every retained topic once more."""
        with self._lock:
            self._put_latest(self._latest.missing())
        self.notify()

    def restore(self, rows: list[Entry], alarms: Mapping[str, bytes] = MappingProxyType({}), topics: Iterable[str] = ()) -> None:
        """Add the content of the store. Its events are sent before those of this run; a record of this run replaces a stored one."""
        with self._lock:
            self._alarms = {**alarms, **self._alarms}
            newest = max((row.number for row in rows), default=0)
            shift = newest if self._next_number > 1 else 0  # this run has given numbers already: the stored events get numbers below them
            self._events.restore([replace(row, number=row.number - shift) for row in rows])
            self._next_number = max(self._next_number, newest - shift + 1)
            self._events.tidy(self._clock())
            self._put_latest(self._topics.restore(topics))

    def next(self) -> Entry | None:
        """The next row to send: the oldest that may be sent now; None if there is none."""
        with self._lock:
            now_s = self._clock()
            self._events.tidy(now_s)
            self._latest.tidy(now_s)
            self._put_latest(self._latest.find_due(now_s))
            candidates = [row for topic in self._events.queues if (row := self._next_event(topic, now_s))]
            candidates += [row for row in self._latest.waiting() if not self._is_held(row, now_s)]
            return min(candidates, key=lambda row: row.number, default=None)

    def sent(self, row: Entry) -> None:
        """Note that the row was sent. At QoS 0 it is finished, at QoS 1 it waits for the answer."""
        with self._lock:
            if row.message.qos == 0:
                self._latest.forget(row)
            elif row in self._events or row in self._latest:
                row.state = "flying"
                self._flying[row.number] = row
                if row.is_event:
                    self._backoff.sent(row.message.topic)

    def acknowledged(self, number: int) -> None:
        """Note that the broker has acknowledged the row."""
        with self._lock:
            row = self._flying.pop(number, None)
            if row is None:
                return
            if row.is_event:
                self._backoff.accepted(row.message.topic)
                self._events.keep(row, self._clock())
            elif self._latest.take(row):
                self._topics.cleared(row.message.topic)

    def refused(self, number: int, *, for_good: bool) -> None:
        """Note that the broker has refused the row: for some time (then no event of its topic is sent), or `for_good`."""
        with self._lock:
            now_s, row = self._clock(), self._flying.pop(number, None)
            if row is None:
                return
            if not row.is_event:
                self._latest.refuse(row, now_s, for_good=for_good)
                return
            self._backoff.refused(row.message.topic, now_s, for_good=for_good)
            if for_good:
                row.state = "parked"
            else:
                self._events.wait(row)

    def connection_lost(self) -> None:
        """Queue events in flight again, and those acknowledged recently: the broker may not have them."""
        with self._lock:
            for row in self._flying.values():
                self._events.wait(row)
            self._flying.clear()
            self._events.doubt()

    def connected(self) -> None:
        """Start a connection: the newest message of each retained topic is sent again, and no topic counts as refused."""
        with self._lock:
            self._backoff = Backoff()
            self._put_latest(self._latest.missing())
            self._latest.begin()

    def changes(self) -> Changes:
        """What is to be written to the store; call `written` afterwards, whether it could be written or not."""
        with self._lock:
            self._events.tidy(self._clock())
            return Changes(*self._events.changes(), dict(self._unwritten_alarms), self._topics.changes())

    def written(self, changes: Changes) -> None:
        """Note that the store has written the changes, or has failed to: their messages may be sent."""
        with self._lock:
            self._topics.written(changes.topics)
            for machine, record in changes.alarms.items():
                if self._unwritten_alarms.get(machine) == record:
                    del self._unwritten_alarms[machine]
            for row in changes.added:
                self._events.written(row)

    def everything(self) -> Changes:
        """The content for a new store."""
        with self._lock:
            self._events.removed.clear()
            return Changes(list(self._events), [], dict(self._alarms), self._topics.known)

    def _put_latest(self, messages: list[Message]) -> None:
        for message in messages:
            self._latest.put(self._make_row(message))

    def _make_row(self, message: Message) -> Entry:
        self._next_number += 1
        return Entry(self._next_number - 1, message, self._clock())

    def _next_event(self, topic: str, now_s: float) -> Entry | None:
        row = self._events.first(topic)
        return row if row and row.number not in self._events.unwritten and self._backoff.is_free(topic, now_s) else None

    def _is_held(self, row: Entry, now_s: float) -> bool:
        """A state or result waits for the earlier events of its machine, as long as those can be sent."""
        if self._topics.is_unwritten(row.message.topic):
            return True
        if row.message.qos == 0:
            return False
        topic = f"{row.message.topic.rpartition('/')[0]}/event"
        event = self._events.first(topic)
        return event is not None and event.number < row.number and not self._backoff.is_waiting(topic, now_s)
