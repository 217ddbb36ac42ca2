"""Messages in flight: their number, their age, and the match of each answer."""

from aegan_monitor.messages.topics import Message
from aegan_monitor.mqtt.inflight import InFlight
from aegan_monitor.outbox.entry import Entry


def make_row(number: int) -> Entry:
    """An event row."""
    return Entry(number, Message("aegan/hall/pump/event", b"{}", 1, False, "event"), 0.0)


def test_each_answer_finds_its_row_once() -> None:
    """An acknowledgement finds its row once; a status has no row, and QoS 0 is not in flight."""
    in_flight = InFlight(2)
    in_flight.add(1, row := make_row(7), 1, 0.0)
    in_flight.add(2, make_row(8), 0, 0.0)
    assert (len(in_flight), in_flight.has_room, in_flight.rows()) == (1, True, [row])
    in_flight.add(3, None, 1, 0.0)
    assert (len(in_flight), in_flight.has_room, in_flight.rows()) == (2, False, [row])
    landed = [in_flight.remove(message_id) for message_id in (2, 1, 1, 3)]
    assert [sent and sent.row for sent in landed] == [None, row, None, None]
    assert (landed[3] is None, len(in_flight), in_flight.has_room) == (False, 0, True)


def test_the_oldest_tells_how_long_the_broker_owes_an_answer() -> None:
    """The oldest unanswered message determines how long the broker owes an answer."""
    in_flight = InFlight()
    assert in_flight.waited_s(5.0) == 0.0
    for message_id, sent_s in ((1, 10.0), (2, 20.0), (3, 30.0)):
        in_flight.add(message_id, make_row(message_id), 1, sent_s)
    in_flight.remove(2)
    assert in_flight.waited_s(40.0) == 30.0
    in_flight.remove(1)
    assert in_flight.waited_s(40.0) == 10.0
