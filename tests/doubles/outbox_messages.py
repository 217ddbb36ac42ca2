"""Messages for an outbox, and the steps of a publisher."""

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType

from aegan_monitor.messages.model import Kind
from aegan_monitor.messages.topics import QOS_AND_RETAINED, Message
from aegan_monitor.outbox.entry import Entry
from aegan_monitor.outbox.outbox import Outbox

ENTRY_BYTES = 130  # more than one event of these tests, less than two


class Clock:
    """A clock that the test sets."""

    now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


class MemoryOutbox(Outbox):
    """An outbox whose store has everything at once."""

    def put(self, *messages: Message, alarms: Mapping[str, bytes] = MappingProxyType({})) -> None:
        super().put(*messages, alarms=alarms)
        self.written(self.changes())

    def belong(self, topics: Iterable[str], is_ours: Callable[[str], bool] = lambda _: True) -> None:
        super().belong(topics, is_ours)
        self.written(self.changes())


def make_message(kind: Kind, text: str, machine: str = "pump") -> Message:
    """A message whose payload is this text."""
    qos, retained = QOS_AND_RETAINED[kind]
    return Message(f"aegan/hall/{machine}/{kind}", text.encode(), qos, retained, kind)


def is_written(outbox: Outbox) -> bool:
    """Whether the store has everything that was put, or has failed to write it."""
    return not (outbox._events.unwritten or outbox._unwritten_alarms or outbox._topics.changes() is not None)


def pending(outbox: Outbox) -> list[Message]:
    """All messages that are not in flight and not acknowledged, oldest first, whether they may go out now or not."""
    rows = [*(row for row in outbox._events if row.state == "waiting"), *outbox._latest.waiting()]
    return [row.message for row in sorted(rows, key=lambda row: row.number)]


def texts(outbox: Outbox) -> list[str]:
    """The waiting payloads, in order."""
    return [message.payload.decode() for message in pending(outbox)]


def take(outbox: Outbox) -> Entry:
    """Send the next entry."""
    row = outbox.next()
    assert row is not None
    outbox.sent(row)
    return row


def deliver(outbox: Outbox) -> list[str]:
    """Send and acknowledge until nothing may be sent; returns the payloads."""
    found = []
    while (row := outbox.next()) is not None:
        outbox.sent(row)
        outbox.acknowledged(row.number)
        found.append(row.message.payload.decode())
    return found


def filled(*messages: Message, is_written: bool = True, **settings: float) -> Outbox:
    """An outbox with these messages."""
    outbox = (MemoryOutbox if is_written else Outbox)(**settings)  # type: ignore[arg-type]
    for message in messages:
        outbox.put(message)
    return outbox


def events(n: int, machine: str = "pump") -> list[Message]:
    """Events named e0, e1, ..."""
    return [make_message("event", f"e{i}", machine) for i in range(n)]
