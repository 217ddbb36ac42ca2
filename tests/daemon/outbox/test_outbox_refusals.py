"""The outbox and a broker that refuses messages."""

from aegan_monitor.messages.topics import Message
from aegan_monitor.outbox.backoff import FIRST_RETRIAL_S, LONGEST_RETRIAL_S
from outbox_messages import Clock, deliver, events, filled, make_message, take, texts


def test_a_refused_topic_is_parked_for_minutes() -> None:
    """After a refusal one event is tried later and the rest follow its success; other topics are not delayed."""
    clock = Clock()
    outbox = filled(*events(2), make_message("alarm", "state"), make_message("event", "other", "fan"), clock=clock)  # type: ignore[arg-type]
    wait_s = FIRST_RETRIAL_S
    for n_refusals in range(3):
        outbox.refused(take(outbox).number, for_good=False)
        assert deliver(outbox) == (["state", "other"] if n_refusals == 0 else [])
        assert (outbox.measure().parked, outbox.measure().total) == (2, 2)
        clock.now_s += wait_s - 0.1
        assert outbox.next() is None
        clock.now_s += 0.2
        wait_s *= 2
    assert deliver(outbox) == ["e0", "e1"]
    assert outbox.measure().parked == 0


def test_a_refused_state_is_offered_again_unless_there_is_a_newer_one() -> None:
    """A refused state is sent again later, a newer one at once; meanwhile nothing counts as waiting."""
    clock = Clock()
    outbox = filled(make_message("alarm", "a0"), make_message("sensor", "s0"), clock=clock)  # type: ignore[arg-type]
    for _ in range(2):
        outbox.refused(take(outbox).number, for_good=False)
    assert (outbox.next(), outbox.measure().total) == (None, 0)
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
    """A refused state is not sent again when a newer one, or a new connection, has replaced it in flight."""
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
    """Of many refused discovery messages one is tried again; the others follow when it is accepted."""
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
    """Each retry takes another message of the group, until the broker accepts one."""
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
    """On a new connection one event of a refused topic is tried first; other machines are not delayed."""
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
    """A message with a permanent fault is never sent again, and later ones are sent."""
    outbox = filled(*events(2))
    outbox.refused(take(outbox).number, for_good=True)
    assert deliver(outbox) == ["e1"]
    outbox.connection_lost()
    outbox.connected()
    assert deliver(outbox) == ["e1"]
    assert (outbox.measure().parked, outbox.measure().total) == (1, 1)
