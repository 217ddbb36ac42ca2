"""The present state, and what is published from now on, for each viewer."""

import threading
from collections.abc import Callable, Collection

from pydantic_core import to_json

from aegan_monitor.clock import now
from aegan_monitor.messages.model import Kind, Payload, format_time
from aegan_monitor.web.live.mailbox import Mailbox
from aegan_monitor.web.live.streams import Pieces, make_event

MOST_WAITING = 200  # messages that wait for one viewer: 20 s of 8 machines
BEAT_S = 5.0  # without a message, until one that says that the connection stands
STATES: tuple[Kind, ...] = ("health", "sensor", "alarm", "score")  # whose newest is the present state, in the order of sending
KINDS: tuple[Kind, ...] = (*STATES, "event")


class Hub:
    """Takes each message once, in the worker thread, and never waits: each viewer has a bounded mailbox of its own."""

    def __init__(self, list_machines: Callable[[], Collection[str]]) -> None:
        """`list_machines` gives the names of those that are monitored now: others have no present state."""
        self._list_machines = list_machines
        self._lock = threading.Lock()
        self._latest: dict[tuple[str | None, Kind], Payload] = {}
        self._mailboxes: set[Mailbox[bytes]] = set()

    def take(self, machine: str | None, payload: Payload) -> None:
        """A message (worker thread)."""
        if payload.KIND not in KINDS:
            return
        with self._lock:
            if payload.KIND in STATES:
                self._latest[machine, payload.KIND] = payload
            if self._mailboxes:
                event = show(machine, payload)
                for mailbox in self._mailboxes:
                    mailbox.put(event)

    def find(self, machine: str | None, kind: Kind) -> Payload | None:
        """The newest message of one kind."""
        return self._latest.get((machine, kind))

    async def watch(self) -> Pieces:
        """Server-sent events for one viewer: `reset`, the present state, then each message; `alive` where nothing comes.

        A viewer that takes them too slowly gets `reset` and the present state again, in place of what was lost.
        """
        mailbox: Mailbox[bytes] = Mailbox(MOST_WAITING)
        mailbox.lost = True
        with self._lock:
            self._mailboxes.add(mailbox)
        try:
            while True:
                with self._lock:  # no message comes between the two
                    events, lost = mailbox.take()
                    if lost:
                        events = [make_event("reset", b"{}"), *self._show_state()]
                if events:
                    yield b"".join(events)
                elif not await mailbox.wait(BEAT_S):
                    yield make_event("alive", to_json({"time": format_time(now())}))
        finally:
            with self._lock:
                self._mailboxes.discard(mailbox)

    def _show_state(self) -> list[bytes]:
        present = {None, *self._list_machines()}
        order = sorted((key for key in self._latest if key[0] in present), key=lambda key: (STATES.index(key[1]), key[0] or ""))
        return [show(machine, self._latest[machine, kind]) for machine, kind in order]


def show(machine: str | None, payload: Payload) -> bytes:
    """A message as a server-sent event."""
    return make_event(payload.KIND, b'{"machine":%b,"payload":%b}' % (to_json(machine), payload.model_dump_json().encode()))
