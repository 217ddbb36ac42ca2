"""Events for a writer, and the file that it writes."""

from pathlib import Path

from aegan_monitor.messages.topics import Message
from aegan_monitor.outbox.outbox import Outbox
from aegan_monitor.outbox.store import Store
from aegan_monitor.outbox.writer import Writer
from broker import STEP_DEADLINE_S, wait_until
from outbox_messages import is_written

TOPIC = "aegan/hall/pump/event"
LARGE = "x" * 60_000


def make_event(text: str) -> Message:
    """An event whose payload is its name."""
    return Message(TOPIC, text.encode(), 1, False, "event")


def put(outbox: Outbox, writer: Writer, *texts: str) -> None:
    """Put events, and wait until they may be sent."""
    for text in texts:
        outbox.put(make_event(text), alarms={"pump": text.encode()})
    settle(outbox, writer)


def settle(outbox: Outbox, writer: Writer, timeout_s: float = STEP_DEADLINE_S) -> None:
    """Wait until all that was put is written, or cannot be."""
    writer.notify()
    wait_until(lambda: is_written(outbox), "the writer", timeout_s)


def read(path: Path) -> list[str]:
    """The events in a closed store file."""
    store = Store(path)
    found = store.open()
    store.close()
    return [event.message.payload.decode() for event in found.added]
