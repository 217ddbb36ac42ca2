"""The outbox: what it keeps, in which order, and what goes when it is full."""

import threading

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule

from aegan_monitor.messages import QOS_AND_RETAINED, Kind, Message
from aegan_monitor.outbox import Outbox

EPHEMERAL: tuple[Kind, ...] = ("score", "health")


def make_message(kind: Kind, text: str, machine: str = "pump") -> Message:
    """A message whose payload is its name."""
    qos, retained = QOS_AND_RETAINED[kind]
    return Message(f"aegan/hall/{machine}/{kind}", text.encode(), qos, retained, kind)


def texts(outbox: Outbox) -> list[str]:
    """The payloads that are pending, in order."""
    return [message.payload.decode() for _, message in outbox.pending()]


def filled(*messages: Message, max_rows: int = 10_000) -> Outbox:
    """An outbox into which these were put."""
    outbox = Outbox(max_rows)
    for message in messages:
        outbox.put(message)
    return outbox


def test_events_are_all_kept_in_order() -> None:
    """No event takes the place of another."""
    outbox = filled(*(make_message("event", f"e{i}") for i in range(3)))
    assert texts(outbox) == ["e0", "e1", "e2"]
    assert [message.payload for _, message in outbox.pending(2)] == [b"e0", b"e1"]
    assert outbox.depth == 3


def test_of_every_other_kind_the_newest_of_a_topic_is_kept() -> None:
    """A newer state or score takes the older one's place at the end of the line, and nothing counts as lost."""
    outbox = Outbox()
    for i in range(2):
        for kind in ("score", "health", "alarm", "sensor", "status"):
            outbox.put(make_message(kind, f"{kind}{i}"))
    outbox.put(make_message("score", "other", machine="fan"))
    assert texts(outbox) == ["score1", "health1", "alarm1", "sensor1", "status1", "other"]
    assert outbox.dropped_total == 0


def test_a_state_never_comes_before_its_event() -> None:
    """The alarm's last state stands after every event that led to it."""
    outbox = filled(
        make_message("event", "raised"), make_message("alarm", "alarm"), make_message("event", "cleared"), make_message("alarm", "normal")
    )
    assert texts(outbox) == ["raised", "cleared", "normal"]


def test_qos_0_is_done_when_sent_and_qos_1_when_acknowledged() -> None:
    """A score leaves with `sent`; an event is no longer pending, but stays until the broker has it."""
    outbox = filled(make_message("score", "s"), make_message("event", "e"))
    (score, _), (event, _) = outbox.pending()
    outbox.sent(score)
    outbox.sent(event)
    assert (texts(outbox), outbox.depth) == ([], 1)
    outbox.acknowledged(event)
    assert outbox.depth == 0


def test_what_was_in_flight_is_pending_again_in_its_old_place() -> None:
    """After a lost connection nothing is missing and the order is that of `put`."""
    outbox = filled(*(make_message("event", f"e{i}") for i in range(4)))
    rows = [row for row, _ in outbox.pending(3)]
    for row in rows:
        outbox.sent(row)
    outbox.acknowledged(rows[1])
    outbox.put(make_message("event", "e4"))
    outbox.connection_lost()
    assert texts(outbox) == ["e0", "e2", "e3", "e4"]


def test_a_newer_state_makes_the_one_in_flight_needless() -> None:
    """After a lost connection only the newest state is sent again; a late acknowledgement of the older one is harmless."""
    outbox = filled(make_message("alarm", "pending"))
    [(older, _)] = outbox.pending()
    outbox.sent(older)
    outbox.put(make_message("alarm", "alarm"))
    assert texts(outbox) == ["alarm"]
    outbox.acknowledged(older)
    outbox.connection_lost()
    assert texts(outbox) == ["alarm"]


def test_a_row_replaced_while_it_was_handed_over_does_not_take_the_newer_one_along() -> None:
    """The worker may put between the publisher's `pending` and its `sent`."""
    outbox = filled(make_message("alarm", "pending"))
    [(older, _)] = outbox.pending()
    outbox.put(make_message("alarm", "alarm"))
    outbox.sent(older)
    outbox.acknowledged(older)
    assert texts(outbox) == ["alarm"]


def test_retained_messages_can_be_repeated() -> None:
    """Each retained topic's newest message becomes pending once, behind what is pending already."""
    outbox = filled(make_message("sensor", "ok"), make_message("health", "h"), make_message("score", "s"), make_message("alarm", "normal"))
    for row, _ in outbox.pending():
        outbox.sent(row)
        outbox.acknowledged(row)
    outbox.put(make_message("event", "e"))
    outbox.put(make_message("alarm", "alarm"))
    outbox.repeat_retained()
    assert texts(outbox) == ["e", "alarm", "ok", "h"]
    outbox.repeat_retained()
    assert texts(outbox) == ["e", "alarm", "ok", "h"]


def test_full_the_scores_go_first_then_the_oldest_event_and_states_last() -> None:
    """What the broker will miss least goes first, and each is counted."""
    outbox = filled(
        make_message("event", "e0"), make_message("alarm", "a"), make_message("score", "s"), make_message("health", "h"), max_rows=4
    )
    seen = []
    for i in range(1, 5):
        outbox.put(make_message("event", f"e{i}"))
        seen.append(texts(outbox))
    assert seen == [["e0", "a", "h", "e1"], ["e0", "a", "e1", "e2"], ["a", "e1", "e2", "e3"], ["a", "e2", "e3", "e4"]]
    assert outbox.dropped_total == 4


def test_full_of_events_a_score_finds_no_place() -> None:
    """A score never pushes an event out; a state does."""
    outbox = filled(make_message("event", "e0"), make_message("event", "e1"), max_rows=2)
    outbox.put(make_message("score", "s"))
    assert (texts(outbox), outbox.dropped_total) == (["e0", "e1"], 1)
    outbox.put(make_message("sensor", "missing"))
    assert (texts(outbox), outbox.dropped_total) == (["e1", "missing"], 2)


def test_full_of_states_the_oldest_goes() -> None:
    """With more topics than rows even states are bounded."""
    outbox = filled(*(make_message("alarm", name, machine=name) for name in ("a", "b", "c")), max_rows=2)
    assert (texts(outbox), outbox.dropped_total) == (["b", "c"], 1)


@given(st.lists(st.sampled_from(["event", "score", "alarm", "health"]), max_size=60), st.integers(1, 20))
def test_the_bound_holds_and_every_loss_is_counted(kinds: list[Kind], max_rows: int) -> None:
    """Never more rows than the bound; the events that remain are the newest, and dropped_total says how many do not."""
    outbox = Outbox(max_rows)
    for i, kind in enumerate(kinds):
        outbox.put(make_message(kind, f"{kind}{i}"))
        assert outbox.depth <= max_rows
    all_events = [f"{kind}{i}" for i, kind in enumerate(kinds) if kind == "event"]
    kept = [text for text in texts(outbox) if text.startswith("event")]
    assert kept == all_events[len(all_events) - len(kept) :]
    assert outbox.dropped_total >= len(all_events) - len(kept)


class DeliveryMachine(RuleBasedStateMachine):
    """An outbox below its bound, and a broker that may fall away at any time."""

    rows = Bundle("rows")

    def __init__(self) -> None:
        super().__init__()
        self.outbox = Outbox()
        self.put_events: list[str] = []
        self.acknowledged_events: set[str] = set()
        self.newest: dict[str, str] = {}
        self.delivered: dict[str, str] = {}
        self.in_flight: dict[int, Message] = {}
        self.n = 0

    @rule(kind=st.sampled_from(["event", "score", "alarm", "sensor", "health"]), machine=st.sampled_from(["pump", "fan"]))
    def put(self, kind: Kind, machine: str) -> None:
        """The worker puts something."""
        self.n += 1
        message = make_message(kind, f"{self.n}", machine)
        self.outbox.put(message)
        if kind == "event":
            self.put_events.append(f"{self.n}")
        else:
            self.newest[message.topic] = f"{self.n}"

    @rule(limit=st.integers(1, 5))
    def send(self, limit: int) -> None:
        """The publisher hands rows over."""
        for row, message in self.outbox.pending(limit):
            self.outbox.sent(row)
            if message.qos:
                self.in_flight[row] = message
            else:
                self.delivered[message.topic] = message.payload.decode()

    @rule(data=st.data())
    def acknowledge(self, data: st.DataObject) -> None:
        """The broker takes one of those in flight."""
        if self.in_flight:
            row = data.draw(st.sampled_from(sorted(self.in_flight)))
            message = self.in_flight.pop(row)
            self.outbox.acknowledged(row)
            if message.kind == "event":
                self.acknowledged_events.add(message.payload.decode())
            else:
                self.delivered[message.topic] = message.payload.decode()

    @rule()
    def lose_connection(self) -> None:
        """The connection falls away."""
        self.outbox.connection_lost()
        self.in_flight.clear()

    @rule()
    def connect(self) -> None:
        """A new connection repeats what is retained."""
        self.outbox.connection_lost()
        self.in_flight.clear()
        self.outbox.repeat_retained()
        pending = {message.topic: message.payload.decode() for _, message in self.outbox.pending()}
        for topic, text in self.newest.items():
            assert topic.endswith("score") or pending[topic] == text

    @invariant()
    def no_event_is_lost_or_out_of_order(self) -> None:
        """Every event is acknowledged, in flight or pending, and the pending ones are in order."""
        pending = [message.payload.decode() for _, message in self.outbox.pending() if message.kind == "event"]
        flying = {message.payload.decode() for message in self.in_flight.values() if message.kind == "event"}
        assert pending == [text for text in self.put_events if text not in flying | self.acknowledged_events]
        assert self.outbox.dropped_total == 0

    @invariant()
    def the_newest_of_every_topic_is_on_its_way(self) -> None:
        """For other kinds: one row a topic, the newest, unless that has been sent or delivered."""
        pending = [(message.topic, message.payload.decode()) for _, message in self.outbox.pending() if message.kind != "event"]
        assert len(pending) == len(dict(pending))
        flying = {message.topic: message.payload.decode() for _, message in sorted(self.in_flight.items())}
        for topic, text in self.newest.items():
            assert text in (dict(pending).get(topic), flying.get(topic), self.delivered.get(topic))


TestDelivery = DeliveryMachine.TestCase


def test_threads_lose_nothing() -> None:
    """A worker puts while the publisher's thread sends and acknowledges: every event gets out once, in order."""
    outbox = Outbox()
    n_events = 2000
    delivered: list[bytes] = []

    def deliver() -> None:
        while len(delivered) < n_events:
            for row, message in outbox.pending(16):
                outbox.sent(row)
                if message.kind == "event":
                    delivered.append(message.payload)
                outbox.acknowledged(row)

    thread = threading.Thread(target=deliver, daemon=True)
    thread.start()
    for i in range(n_events):
        outbox.put(make_message("event", f"e{i}"))
        outbox.put(make_message("score", f"s{i}"))
    thread.join(30.0)
    assert delivered == [f"e{i}".encode() for i in range(n_events)]
