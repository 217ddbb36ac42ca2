"""What the daemon does itself: start, stop, reload. For the history; it is not published."""

from typing import Literal

from aegan_monitor.messages.model import Payload, UtcTime


class Note(Payload):
    """One such thing, and its result in words."""

    KIND = "note"
    OF_MACHINE = False
    time: UtcTime
    kind: Literal["start", "stop", "reload"]
    text: str
