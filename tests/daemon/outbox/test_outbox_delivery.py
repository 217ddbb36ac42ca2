"""The outbox under any order of puts, outages and refusals."""

import threading

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from aegan_monitor.messages.model import Kind
from aegan_monitor.outbox.entry import Entry
from outbox_messages import Clock, MemoryOutbox, make_message


class DeliveryMachine(RuleBasedStateMachine):
    """An outbox below its bound, and a broker that may disconnect, lose its memory or refuse at any time."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self.outbox = MemoryOutbox(clock=self.clock, keep_s=1e9)
        self.put_events: dict[str, list[str]] = {"pump": [], "fan": []}
        self.heard: dict[str, list[str]] = {"pump": [], "fan": []}  # in order of first arrival, since the broker last forgot
        self.newest: dict[str, str] = {}
        self.retained: dict[str, str] = {}
        self.is_cut = False
        self.n = 0

    @rule(kind=st.sampled_from(["event", "event", "score", "alarm", "sensor", "health"]), machine=st.sampled_from(["pump", "fan"]))
    def put(self, kind: Kind, machine: str) -> None:
        """Put a message."""
        self.n += 1
        message = make_message(kind, f"{self.n}", machine)
        self.outbox.put(message)
        if kind == "event":
            self.put_events[machine].append(f"{self.n}")
        else:
            self.newest[message.topic] = f"{self.n}"

    @rule(limit=st.integers(1, 5), answer=st.sampled_from(["heard", "refused"]))
    def send(self, limit: int, answer: str) -> None:
        """Send messages; the broker takes them in order, or none of them."""
        rows = list[Entry]()
        while len(rows) < limit and (row := self.outbox.next()) is not None:
            self.outbox.sent(row)
            rows.append(row)
        for row in [] if self.is_cut else rows:
            message, text = row.message, row.message.payload.decode()
            if answer == "refused":
                self.outbox.refused(row.number, for_good=False)
            elif message.kind != "event":
                self.retained[message.topic] = text
                self.outbox.acknowledged(row.number)
            else:
                machine = message.topic.split("/")[2]
                self.heard[machine] += [text] if text not in self.heard[machine] else []
                self.outbox.acknowledged(row.number)

    @rule()
    def cut(self) -> None:
        """Cut the connection: nothing arrives until there is a new one."""
        self.is_cut = True

    @rule(forgets=st.booleans())
    def connect_anew(self, forgets: bool) -> None:
        """Reconnect, to the same broker or to one that has lost its memory."""
        self.outbox.connection_lost()
        if forgets:
            self.heard = {"pump": [], "fan": []}
            self.retained.clear()
        self.outbox.connected()
        self.is_cut = False

    @rule(wait_s=st.floats(0, 1000))
    def wait(self, wait_s: float) -> None:
        """Let time pass."""
        self.clock.now_s += wait_s

    @invariant()
    def events_are_heard_in_order(self) -> None:
        """The events that arrived for each machine are a prefix of those that were put."""
        for machine, heard in self.heard.items():
            assert heard == self.put_events[machine][: len(heard)]

    @invariant()
    def all_arrives_in_the_end(self) -> None:
        """Nothing was dropped."""
        assert self.outbox.measure().dropped_total == 0

    def teardown(self) -> None:
        """After one more connection everything has arrived."""
        self.connect_anew(forgets=True)
        while self.outbox.next() is not None:
            self.send(5, "heard")
        assert self.heard == self.put_events
        assert {topic: text for topic, text in self.retained.items() if not topic.endswith("score")} == {
            topic: text for topic, text in self.newest.items() if not topic.endswith("score")
        }


TestDelivery = DeliveryMachine.TestCase


def test_threads_lose_nothing() -> None:
    """With a worker and a publisher in two threads every event is sent once, in order."""
    outbox = MemoryOutbox()
    n_events = 2000
    delivered: list[bytes] = []

    def run() -> None:
        while len(delivered) < n_events:
            if (row := outbox.next()) is not None:
                outbox.sent(row)
                if row.message.kind == "event":
                    delivered.append(row.message.payload)
                outbox.acknowledged(row.number)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    for i in range(n_events):
        outbox.put(make_message("event", f"e{i}"))
        outbox.put(make_message("score", f"s{i}"))
    thread.join(30.0)
    assert delivered == [f"e{i}".encode() for i in range(n_events)]
