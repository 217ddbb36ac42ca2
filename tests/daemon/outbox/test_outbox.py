"""The outbox: which messages it keeps, and in which order it sends them."""

from aegan_monitor.messages.model import Kind
from aegan_monitor.outbox.latest import LATE_S
from aegan_monitor.outbox.outbox import Outbox
from outbox_messages import Clock, MemoryOutbox, deliver, events, filled, make_message, take, texts

LIVE: tuple[Kind, ...] = ("score", "health", "alarm", "sensor", "status")


def test_events_are_all_kept_in_order() -> None:
    """The outbox keeps every event, in order."""
    outbox = filled(*events(3))
    assert (texts(outbox), outbox.measure().total) == (["e0", "e1", "e2"], 3)
    assert deliver(outbox) == ["e0", "e1", "e2"]
    assert outbox.measure().total == 0


def test_of_every_other_kind_the_newest_of_a_topic_is_kept() -> None:
    """A newer state or score replaces the older one at the end of the queue; a replaced score is counted."""
    outbox = MemoryOutbox()
    for i in range(2):
        for kind in LIVE:
            outbox.put(make_message(kind, f"{kind}{i}"))
    outbox.put(make_message("score", "other", machine="fan"))
    assert texts(outbox) == [*(f"{kind}1" for kind in LIVE), "other"]
    assert deliver(outbox) == [*(f"{kind}1" for kind in LIVE), "other"]
    assert (outbox.measure().dropped_total, outbox.measure().late_total, outbox.measure().replaced_scores_total) == (0, 0, 1)
    outbox.put(make_message("score", "delivered before"))
    assert (deliver(outbox), outbox.measure().replaced_scores_total) == (["delivered before"], 1)


def test_scores_wake_no_disk() -> None:
    """Only an event, a record or a topic is to be written."""
    outbox = Outbox()
    outbox.put(make_message("score", "nothing to keep"))
    assert not outbox.is_unwritten
    outbox.put(*events(1), alarms={"pump": b"{}"})
    assert outbox.is_unwritten
    outbox.written(outbox.changes())
    assert not outbox.is_unwritten
    outbox.belong(["aegan/hall/status"])
    assert outbox.is_unwritten


def test_a_state_never_comes_before_its_event() -> None:
    """A state waits for its event even while the store writes that; states of other machines do not."""
    outbox = filled(*events(2), make_message("alarm", "state"), make_message("alarm", "other", "fan"), is_written=False)
    assert take(outbox).message.payload == b"other"
    assert outbox.next() is None
    outbox.written(outbox.changes())
    assert [take(outbox).message.payload for _ in range(3)] == [b"e0", b"e1", b"state"]


def test_qos_0_is_done_when_sent_and_qos_1_when_acknowledged() -> None:
    """A score is removed when sent; an event stays until its acknowledgement."""
    outbox = filled(make_message("score", "s"), make_message("event", "e"))
    take(outbox)
    event = take(outbox)
    assert (texts(outbox), outbox.measure().total) == ([], 1)
    outbox.acknowledged(event.number)
    assert outbox.measure().total == 0


def test_what_was_in_flight_waits_again_in_its_old_place() -> None:
    """After a lost connection messages in flight are sent again in the original order, before the waiting ones."""
    outbox = filled(*events(4))
    rows = [take(outbox)]
    outbox.acknowledged(rows[0].number)
    rows += [take(outbox), take(outbox)]
    outbox.acknowledged(rows[2].number)
    outbox.put(make_message("event", "e4"))
    outbox.connection_lost()
    assert texts(outbox) == ["e0", "e1", "e2", "e3", "e4"]
    assert outbox.measure().total == 3  # e0 and e2 have been acknowledged
    outbox.connected()
    assert deliver(outbox) == ["e0", "e1", "e2", "e3", "e4"]


def test_an_acknowledged_event_is_kept_for_a_while() -> None:
    """An acknowledged event is sent again on a new connection for a time that counts from its first acknowledgement."""
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
    """After a lost connection only the newest state is sent; a late acknowledgement of the older one does nothing."""
    outbox = filled(make_message("alarm", "pending"))
    older = take(outbox)
    outbox.put(make_message("alarm", "alarm"))
    assert texts(outbox) == ["alarm"]
    outbox.acknowledged(older.number)
    outbox.connection_lost()
    assert texts(outbox) == ["alarm"]


def test_a_row_replaced_while_it_was_handed_over_does_not_take_the_newer_one_along() -> None:
    """A message put between `next` and `sent` of the one that it replaces is kept."""
    outbox = filled(make_message("alarm", "pending"))
    older = outbox.next()
    assert older is not None
    outbox.put(make_message("alarm", "alarm"))
    outbox.sent(older)
    outbox.acknowledged(older.number)
    assert texts(outbox) == ["alarm"]


def test_retained_messages_are_repeated_on_every_connection() -> None:
    """On each connection the newest message of each retained topic is queued once, behind the waiting ones."""
    outbox = filled(make_message("sensor", "ok"), make_message("health", "h"), make_message("score", "s"), make_message("alarm", "normal"))
    deliver(outbox)
    outbox.put(make_message("event", "e"))
    outbox.put(make_message("alarm", "alarm"))
    for _ in range(2):
        outbox.connected()
        assert texts(outbox) == ["e", "alarm", "ok", "h"]


def test_the_broker_is_told_once_it_has_answered_the_newest_of_each_retained_topic() -> None:
    """A connection is settled when each retained topic at its start is sent (QoS 0) or answered; a refusal counts."""
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
    """An outbox without retained messages is settled at once; events, scores and cleared topics do not count."""
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
    """A score that is too old is dropped and counted; a state is never too old."""
    clock = Clock()
    outbox = filled(make_message("score", "s"), make_message("health", "h"), clock=clock)  # type: ignore[arg-type]
    clock.now_s += LATE_S["score"] + 0.1
    assert deliver(outbox) == ["h"]
    assert (outbox.measure().late_total, outbox.measure().total) == (1, 0)


def test_results_are_all_kept_for_a_while_whether_anybody_hears_them() -> None:
    """Results are kept for a limited time, behind the event of their command, and are never stored."""
    clock = Clock()
    outbox = Outbox(clock=clock)
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
    assert (take(outbox).message.payload, outbox.measure().late_total, outbox.measure().total) == (b"e", 1, 1)
