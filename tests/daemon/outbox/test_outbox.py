"""The outbox: what it keeps, in which order it goes out, and what goes when there is no room."""

import threading

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from aegan_monitor.messages.payloads import Kind
from aegan_monitor.messages.topics import QOS_AND_RETAINED, Message
from aegan_monitor.outbox.backoff import FIRST_RETRIAL_S, LONGEST_RETRIAL_S
from aegan_monitor.outbox.entry import Entry
from aegan_monitor.outbox.event_queue import News
from aegan_monitor.outbox.latest import LATE_S
from aegan_monitor.outbox.outbox import Outbox

LIVE: tuple[Kind, ...] = ("score", "health", "alarm", "sensor", "status")
ROW_BYTES = 130  # more than one event of these tests, less than two


class Clock:
    """A clock that the test sets."""

    now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


def make_message(kind: Kind, text: str, machine: str = "pump") -> Message:
    """A message whose payload is its name."""
    qos, retained = QOS_AND_RETAINED[kind]
    return Message(f"aegan/hall/{machine}/{kind}", text.encode(), qos, retained, kind)


def texts(outbox: Outbox) -> list[str]:
    """The payloads that wait, in order."""
    return [message.payload.decode() for message in outbox.pending()]


def take(outbox: Outbox) -> Entry:
    """Send the next row."""
    row = outbox.next()
    assert row is not None
    outbox.sent(row)
    return row


def deliver(outbox: Outbox) -> list[str]:
    """Send and acknowledge until nothing may go out."""
    found = []
    while (row := outbox.next()) is not None:
        outbox.sent(row)
        outbox.acknowledged(row.number)
        found.append(row.message.payload.decode())
    return found


def filled(*messages: Message, **settings: float) -> Outbox:
    """An outbox into which these were put."""
    outbox = Outbox(**settings)  # type: ignore[arg-type]
    for message in messages:
        outbox.put(message)
    return outbox


def events(n: int, machine: str = "pump") -> list[Message]:
    """e0, e1, ..."""
    return [make_message("event", f"e{i}", machine) for i in range(n)]


def test_events_are_all_kept_in_order() -> None:
    """No event takes the place of another."""
    outbox = filled(*events(3))
    assert (texts(outbox), outbox.depth) == (["e0", "e1", "e2"], 3)
    assert deliver(outbox) == ["e0", "e1", "e2"]
    assert outbox.depth == 0


def test_of_every_other_kind_the_newest_of_a_topic_is_kept() -> None:
    """A newer state or score takes the older one's place at the end of the line, and a score that was never sent is counted."""
    outbox = Outbox()
    for i in range(2):
        for kind in LIVE:
            outbox.put(make_message(kind, f"{kind}{i}"))
    outbox.put(make_message("score", "other", machine="fan"))
    assert texts(outbox) == [*(f"{kind}1" for kind in LIVE), "other"]
    assert deliver(outbox) == [*(f"{kind}1" for kind in LIVE), "other"]
    assert (outbox.dropped_total, outbox.late_total, outbox.replaced_scores_total) == (0, 0, 1)
    outbox.put(make_message("score", "delivered before"))
    assert (deliver(outbox), outbox.replaced_scores_total) == (["delivered before"], 1)


def test_a_state_never_comes_before_its_event() -> None:
    """Not even while the event waits for the store; a state of another machine does."""
    outbox = filled(*events(2), make_message("alarm", "state"), make_message("alarm", "other", "fan"), durable=True)
    assert take(outbox).message.payload == b"other"
    assert outbox.next() is None
    outbox.written(outbox.changes())
    assert [take(outbox).message.payload for _ in range(3)] == [b"e0", b"e1", b"state"]


def test_qos_0_is_done_when_sent_and_qos_1_when_acknowledged() -> None:
    """A score leaves with `sent`; an event waits no more, but stays until the broker has it."""
    outbox = filled(make_message("score", "s"), make_message("event", "e"))
    take(outbox)
    event = take(outbox)
    assert (texts(outbox), outbox.depth) == ([], 1)
    outbox.acknowledged(event.number)
    assert outbox.depth == 0


def test_what_was_in_flight_waits_again_in_its_old_place() -> None:
    """After a lost connection nothing is missing and the order is that of `put`; what the broker may have lost goes first."""
    outbox = filled(*events(4))
    rows = [take(outbox)]
    outbox.acknowledged(rows[0].number)
    rows += [take(outbox), take(outbox)]
    outbox.acknowledged(rows[2].number)
    outbox.put(make_message("event", "e4"))
    outbox.connection_lost()
    assert texts(outbox) == ["e0", "e1", "e2", "e3", "e4"]
    assert outbox.depth == 3  # e0 and e2 have been acknowledged
    outbox.connected()
    assert deliver(outbox) == ["e0", "e1", "e2", "e3", "e4"]


def test_an_acknowledged_event_is_kept_for_a_while() -> None:
    """It is sent again on a new connection; the time counts from the first acknowledgement, so a flapping link does not renew it."""
    clock = Clock()
    outbox = filled(*events(1), clock=clock, keep_s=60.0)  # type: ignore[arg-type]
    deliver(outbox)
    clock.now_s += 59.0
    outbox.connection_lost()
    clock.now_s += 1000.0  # a long outage costs nothing
    outbox.connected()
    assert deliver(outbox) == ["e0"]
    outbox.connection_lost()
    assert texts(outbox) == []
    clock = Clock()
    outbox = filled(*events(1), clock=clock, keep_s=60.0)  # type: ignore[arg-type]
    deliver(outbox)
    clock.now_s += 61.0
    assert outbox.next() is None
    outbox.connection_lost()
    assert texts(outbox) == []


def test_a_newer_state_makes_the_one_in_flight_needless() -> None:
    """After a lost connection only the newest state is sent again; a late acknowledgement of the older one is harmless."""
    outbox = filled(make_message("alarm", "pending"))
    older = take(outbox)
    outbox.put(make_message("alarm", "alarm"))
    assert texts(outbox) == ["alarm"]
    outbox.acknowledged(older.number)
    outbox.connection_lost()
    assert texts(outbox) == ["alarm"]


def test_a_row_replaced_while_it_was_handed_over_does_not_take_the_newer_one_along() -> None:
    """The worker may put between the publisher's `next` and its `sent`."""
    outbox = filled(make_message("alarm", "pending"))
    older = outbox.next()
    assert older is not None
    outbox.put(make_message("alarm", "alarm"))
    outbox.sent(older)
    outbox.acknowledged(older.number)
    assert texts(outbox) == ["alarm"]


def test_retained_messages_are_repeated_on_every_connection() -> None:
    """Each retained topic's newest message waits once, behind what waits already."""
    outbox = filled(make_message("sensor", "ok"), make_message("health", "h"), make_message("score", "s"), make_message("alarm", "normal"))
    deliver(outbox)
    outbox.put(make_message("event", "e"))
    outbox.put(make_message("alarm", "alarm"))
    for _ in range(2):
        outbox.connected()
        assert texts(outbox) == ["e", "alarm", "ok", "h"]


def test_the_broker_is_told_once_it_has_answered_the_newest_of_each_retained_topic() -> None:
    """Of those that there were when the connection began; to be sent is enough at QoS 0, and a refusal is an answer, too."""
    outbox = filled(make_message("alarm", "normal"), make_message("sensor", "ok"), make_message("health", "h"))
    deliver(outbox)
    for _ in range(2):
        outbox.connection_lost()
        outbox.connected()
        alarm, sensor, _health = take(outbox), take(outbox), take(outbox)
        outbox.put(make_message("alarm", "alarm"))
        outbox.acknowledged(alarm.number)
        outbox.acknowledged(sensor.number)
        newer = take(outbox)
        assert (newer.message.payload, outbox.is_answered) == (b"alarm", False)
        outbox.refused(newer.number, for_good=False)
        assert outbox.is_answered
    outbox.put(make_message("alarm", "normal"))
    assert outbox.is_answered


def test_who_has_nothing_retained_has_told_all() -> None:
    """Events and scores do not count, and of a topic that is cleared nothing is told twice."""
    outbox = filled(*events(1), make_message("score", "s"))
    outbox.connected()
    assert outbox.is_answered
    outbox.put(make_message("alarm", "normal", "fan"))
    outbox.belong([])
    outbox.restore([], {}, ["aegan/hall/fan/alarm"])
    outbox.connected()
    assert not outbox.is_answered
    deliver(outbox)
    assert outbox.is_answered


def test_a_late_score_is_not_sent() -> None:
    """Nobody needs to know now what was heard then; it is counted, and a state is never late."""
    clock = Clock()
    outbox = filled(make_message("score", "s"), make_message("health", "h"), clock=clock)  # type: ignore[arg-type]
    clock.now_s += LATE_S["score"] + 0.1
    assert deliver(outbox) == ["h"]
    assert (outbox.late_total, outbox.depth) == (1, 0)


def test_results_are_all_kept_for_a_while_whether_anybody_hears_them() -> None:
    """Each answers a command, behind the event that the command led to; none is written to the store."""
    clock = Clock()
    outbox = Outbox(durable=True, clock=clock)
    for message in (make_message("event", "e"), make_message("result", "one"), make_message("result", "two")):
        outbox.put(message)
    assert deliver(outbox) == []
    changes = outbox.changes()
    assert [row.message.payload for row in changes.added] == [b"e"]
    outbox.written(changes)
    event, one, two = take(outbox), take(outbox), take(outbox)
    assert [row.message.payload for row in (event, one, two)] == [b"e", b"one", b"two"]
    outbox.acknowledged(one.number)
    outbox.connection_lost()
    assert texts(outbox) == ["e", "two"]
    assert [row.message.payload for row in outbox.everything().added] == [b"e"]
    clock.now_s += LATE_S["result"] + 0.1
    outbox.connected()
    assert (take(outbox).message.payload, outbox.late_total, outbox.depth) == (b"e", 1, 1)


def test_a_refused_topic_is_parked_for_minutes() -> None:
    """One event is tried, none behind it; then all, if the broker takes that. Other machines go on, and the states of this one."""
    clock = Clock()
    outbox = filled(*events(2), make_message("alarm", "state"), make_message("event", "other", "fan"), clock=clock)  # type: ignore[arg-type]
    wait_s = FIRST_RETRIAL_S
    for n_refusals in range(3):
        outbox.refused(take(outbox).number, for_good=False)
        assert deliver(outbox) == (["state", "other"] if n_refusals == 0 else [])
        assert (outbox.measure().parked, outbox.depth) == (2, 2)
        clock.now_s += wait_s - 0.1
        assert outbox.next() is None
        clock.now_s += 0.2
        wait_s *= 2
    assert deliver(outbox) == ["e0", "e1"]
    assert outbox.measure().parked == 0


def test_a_refused_state_is_offered_again_unless_there_is_a_newer_one() -> None:
    """That goes out at once: what it says is new. Meanwhile nothing counts as waiting."""
    clock = Clock()
    outbox = filled(make_message("alarm", "a0"), make_message("sensor", "s0"), clock=clock)  # type: ignore[arg-type]
    for _ in range(2):
        outbox.refused(take(outbox).number, for_good=False)
    assert (outbox.next(), outbox.depth) == (None, 0)
    outbox.put(make_message("sensor", "s1"))
    assert deliver(outbox) == ["s1"]
    clock.now_s += FIRST_RETRIAL_S - 0.1
    assert deliver(outbox) == []
    clock.now_s += 0.2
    outbox.refused(take(outbox).number, for_good=False)
    clock.now_s += 2 * FIRST_RETRIAL_S - 0.1
    assert deliver(outbox) == []
    clock.now_s += 0.2
    assert deliver(outbox) == ["a0"]
    clock.now_s += 1000.0
    assert deliver(outbox) == []


def test_a_refused_state_is_not_offered_again_where_another_has_gone_out() -> None:
    """A newer one that took its place in flight, or the same on a new connection."""
    clock = Clock()
    outbox = filled(make_message("alarm", "a0"), clock=clock)  # type: ignore[arg-type]
    older = take(outbox)
    outbox.put(make_message("alarm", "a1"))
    outbox.refused(older.number, for_good=False)
    assert deliver(outbox) == ["a1"]
    clock.now_s += 1000.0
    assert deliver(outbox) == []
    outbox.put(make_message("alarm", "a2"))
    outbox.refused(take(outbox).number, for_good=False)
    outbox.connection_lost()
    outbox.connected()
    assert deliver(outbox) == ["a2"]
    clock.now_s += 1000.0
    assert deliver(outbox) == []
    outbox.put(make_message("alarm", "a3"))
    outbox.refused(take(outbox).number, for_good=False)
    clock.now_s += FIRST_RETRIAL_S  # the waits begin anew with a connection
    assert deliver(outbox) == ["a3"]


def test_of_many_messages_for_one_place_one_is_offered_again_first() -> None:
    """A broker without Home Assistant may refuse all of its for ever: it hears one of them, or all once it has taken that."""
    clock = Clock()
    messages = [Message(f"homeassistant/sensor/hall_pump/{name}/config", name.encode(), 1, True, "discovery") for name in "abc"]
    outbox = filled(*messages, clock=clock)  # type: ignore[arg-type]
    for _ in messages:
        outbox.refused(take(outbox).number, for_good=False)
    clock.now_s += FIRST_RETRIAL_S
    first = take(outbox)
    assert (first.message.payload, outbox.next()) == (b"a", None)
    outbox.refused(first.number, for_good=False)
    assert outbox.next() is None
    clock.now_s += 2 * FIRST_RETRIAL_S
    first = take(outbox)
    assert outbox.next() is None
    outbox.acknowledged(first.number)
    assert sorted([first.message.payload.decode(), *deliver(outbox)]) == ["a", "b", "c"]


def test_what_is_refused_for_ever_keeps_nothing_else_back_for_ever() -> None:
    """Each time it is another that goes ahead, until one is taken."""
    clock = Clock()
    messages = [Message(f"homeassistant/sensor/hall_pump/{name}/config", name.encode(), 1, True, "discovery") for name in "abc"]
    outbox = filled(*messages, clock=clock)  # type: ignore[arg-type]
    for _ in messages:
        outbox.refused(take(outbox).number, for_good=False)
    taken = []
    for _ in range(10):
        clock.now_s += LONGEST_RETRIAL_S
        while row := outbox.next():
            outbox.sent(row)
            if row.message.payload == b"a":
                outbox.refused(row.number, for_good=False)
            else:
                outbox.acknowledged(row.number)
                taken.append(row.message.payload)
    assert sorted(taken) == [b"b", b"c"]


def test_a_refused_topic_has_a_new_chance_on_the_next_connection() -> None:
    """One event is tried, none behind it; other machines go on."""
    outbox = filled(*events(3), make_message("event", "other", "fan"))
    outbox.refused(take(outbox).number, for_good=False)
    assert deliver(outbox) == ["other"]
    assert (outbox.measure().parked, texts(outbox)) == (3, ["e0", "e1", "e2"])
    outbox.connection_lost()
    outbox.connected()
    outbox.refused(take(outbox).number, for_good=False)
    outbox.connected()
    assert deliver(outbox) == ["e0", "e1", "e2", "other"]


def test_a_message_that_is_wrong_in_itself_is_parked_for_good() -> None:
    """Those behind it go out."""
    outbox = filled(*events(2))
    outbox.refused(take(outbox).number, for_good=True)
    assert deliver(outbox) == ["e1"]
    outbox.connection_lost()
    outbox.connected()
    assert deliver(outbox) == ["e1"]
    assert (outbox.measure().parked, outbox.depth) == (1, 1)


def test_full_the_delivered_events_go_first_then_the_oldest() -> None:
    """What the broker has had goes without being counted; states and scores take no room."""
    outbox = filled(*events(1), max_bytes=3 * ROW_BYTES)
    deliver(outbox)
    seen = []
    for i in range(1, 6):
        outbox.put(make_message("event", f"e{i}"))
        outbox.put(make_message("alarm", f"a{i}"))
        seen.append(texts(outbox))
    assert seen[2:] == [["e1", "e2", "e3", "a3"], ["e2", "e3", "e4", "a4"], ["e3", "e4", "e5", "a5"]]
    assert outbox.dropped_total == 2
    assert outbox.measure().events_bytes <= 3 * ROW_BYTES


def test_what_has_waited_too_long_goes() -> None:
    """And is counted; what was delivered is not."""
    clock = Clock()
    outbox = filled(*events(2), max_age_s=100.0, clock=clock)  # type: ignore[arg-type]
    clock.now_s += 99.0
    outbox.put(make_message("event", "new"))
    assert texts(outbox) == ["e0", "e1", "new"]
    clock.now_s += 2.0
    assert (deliver(outbox), outbox.dropped_total) == (["new"], 2)


def test_an_event_goes_out_once_it_is_written() -> None:
    """What the store has to do is told once, what is to be removed too."""
    outbox = filled(*events(2), durable=True, keep_s=0.0)
    assert (outbox.next(), outbox.is_written) == (None, False)
    first = outbox.changes()
    added = first.added
    assert [row.message.payload for row in added] == [b"e0", b"e1"]
    outbox.written(first)
    assert (deliver(outbox), outbox.is_written) == (["e0", "e1"], True)
    changes = outbox.changes()
    assert (changes.added, changes.removed) == ([], [row.number for row in added])
    assert (outbox.changes().added, outbox.changes().removed) == ([], [])


def test_an_event_that_went_while_it_was_written_is_removed() -> None:
    """The store must not keep what the outbox has dropped."""
    outbox = filled(*events(1), durable=True, max_bytes=ROW_BYTES)
    first = outbox.changes()
    outbox.put(make_message("event", "e1"))
    outbox.written(first)
    assert outbox.changes().removed == [first.added[0].number]


def test_what_the_store_holds_goes_first() -> None:
    """Also where it could be read only after something new had been put; numbers stay in order."""
    stored = [Entry(number, message, 0.0) for number, message in zip((7, 9), events(2), strict=True)]
    before, after = Outbox(max_age_s=1e9), Outbox(max_age_s=1e9)
    before.restore(stored, {"pump": b"old", "fan": b"old"})
    before.put(make_message("event", "new"), alarms={"pump": b"new"})
    after.put(make_message("event", "new"), alarms={"pump": b"new"})
    after.restore(stored, {"pump": b"old", "fan": b"old"})
    for outbox in (before, after):
        assert texts(outbox) == ["e0", "e1", "new"]
        everything = outbox.everything()
        assert [row.number for row in everything.added] == sorted(row.number for row in everything.added)
        assert everything.alarms == outbox.alarms == {"pump": b"new", "fan": b"old"}
        assert deliver(outbox) == ["e0", "e1", "new"]


def test_an_event_and_the_record_of_its_alarm_are_written_together() -> None:
    """One transaction has both; a newer record that comes meanwhile is written next."""
    outbox = Outbox(durable=True)
    outbox.put(make_message("event", "e0"), alarms={"pump": b"r0"})
    first = outbox.changes()
    assert ([row.message.payload for row in first.added], first.alarms) == ([b"e0"], {"pump": b"r0"})
    outbox.put(alarms={"pump": b"r1"})
    outbox.written(first)
    assert not outbox.is_written
    second = outbox.changes()
    assert (second.added, second.alarms) == ([], {"pump": b"r1"})
    outbox.written(second)
    assert outbox.is_written
    assert not outbox.changes()


def test_put_says_who_has_something_to_do() -> None:
    """An event is sent once it is written; a state at once; a record is only written."""
    outbox = Outbox(durable=True)
    assert outbox.put(make_message("event", "e")) == News(to_write=True, to_send=False)
    assert outbox.put(make_message("event", "e"), make_message("alarm", "a")) == News(to_write=True, to_send=True)
    assert outbox.put(make_message("score", "s")) == News(to_write=False, to_send=True)
    assert outbox.put(alarms={"pump": b"r"}) == News(to_write=True, to_send=False)
    assert outbox.put() == News(to_write=False, to_send=False)
    assert Outbox().put(make_message("event", "e"), alarms={"pump": b"r"}) == News(to_write=False, to_send=True)


@given(st.lists(st.sampled_from(["event", "score", "alarm", "health"]), max_size=60), st.integers(1, 20))
def test_the_bound_holds_and_every_loss_is_counted(kinds: list[Kind], n_rows: int) -> None:
    """Never more bytes than the bound; the events that remain are the newest, and dropped_total says how many do not."""
    outbox = Outbox(max_bytes=n_rows * ROW_BYTES)
    for i, kind in enumerate(kinds):
        outbox.put(make_message(kind, f"{kind}{i}"))
        assert outbox.measure().events_bytes <= n_rows * ROW_BYTES
    all_events = [f"{kind}{i}" for i, kind in enumerate(kinds) if kind == "event"]
    kept = [text for text in texts(outbox) if text.startswith("event")]
    assert kept == all_events[len(all_events) - len(kept) :]
    assert outbox.dropped_total == len(all_events) - len(kept)


class DeliveryMachine(RuleBasedStateMachine):
    """An outbox below its bound, and a broker that may fall away, forget or refuse at any time."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self.outbox = Outbox(clock=self.clock, keep_s=1e9)
        self.put_events: dict[str, list[str]] = {"pump": [], "fan": []}
        self.heard: dict[str, list[str]] = {"pump": [], "fan": []}  # in order of first arrival, since the broker last forgot
        self.newest: dict[str, str] = {}
        self.retained: dict[str, str] = {}
        self.is_cut = False
        self.n = 0

    @rule(kind=st.sampled_from(["event", "event", "score", "alarm", "sensor", "health"]), machine=st.sampled_from(["pump", "fan"]))
    def put(self, kind: Kind, machine: str) -> None:
        """The worker puts something."""
        self.n += 1
        message = make_message(kind, f"{self.n}", machine)
        self.outbox.put(message)
        if kind == "event":
            self.put_events[machine].append(f"{self.n}")
        else:
            self.newest[message.topic] = f"{self.n}"

    @rule(limit=st.integers(1, 5), answer=st.sampled_from(["heard", "refused"]))
    def send(self, limit: int, answer: str) -> None:
        """The publisher hands rows over, and the broker takes them in order, or none of them."""
        rows: list[Entry] = []
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
        """From now on what is sent does not arrive, until there is a new connection."""
        self.is_cut = True

    @rule(forgets=st.booleans())
    def connect_anew(self, forgets: bool) -> None:
        """The connection falls away, or the broker does and knows nothing any more."""
        self.outbox.connection_lost()
        if forgets:
            self.heard = {"pump": [], "fan": []}
            self.retained.clear()
        self.outbox.connected()
        self.is_cut = False

    @rule(wait_s=st.floats(0, 1000))
    def wait(self, wait_s: float) -> None:
        """Time goes by."""
        self.clock.now_s += wait_s

    @invariant()
    def events_are_heard_in_order(self) -> None:
        """What has been heard is, for each machine, the beginning of what was put: no hole, no other order."""
        for machine, heard in self.heard.items():
            assert heard == self.put_events[machine][: len(heard)]

    @invariant()
    def all_arrives_in_the_end(self) -> None:
        """Nothing has been given up."""
        assert self.outbox.dropped_total == 0

    def teardown(self) -> None:
        """Given one more connection, all that there ever was arrives."""
        self.connect_anew(forgets=True)
        while self.outbox.next() is not None:
            self.send(5, "heard")
        assert self.heard == self.put_events
        assert {topic: text for topic, text in self.retained.items() if not topic.endswith("score")} == {
            topic: text for topic, text in self.newest.items() if not topic.endswith("score")
        }


TestDelivery = DeliveryMachine.TestCase


def test_threads_lose_nothing() -> None:
    """A worker puts while the publisher's thread sends and acknowledges: every event gets out once, in order."""
    outbox = Outbox()
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
