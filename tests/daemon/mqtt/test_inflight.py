"""What is in flight: how many, for how long, and which answer belongs to which."""

from aegan_monitor.messages.topics import Message
from aegan_monitor.mqtt.inflight import MAX_BEHIND, Flights
from aegan_monitor.outbox.entry import Row

N_IDS = 65_535  # of MQTT: they begin again at 1


def make_row(number: int) -> Row:
    """An event."""
    return Row(number, Message("aegan/hall/pump/event", b"{}", 1, False, "event"), 0.0)


def test_each_answer_finds_its_row_once() -> None:
    """A status has none; what was sent at QoS 0 is no flight."""
    flights = Flights(2)
    flights.sent(1, row := make_row(7), 1, 0.0)
    flights.sent(2, make_row(8), 0, 0.0)
    assert (len(flights), flights.has_room, flights.rows()) == (1, True, [row])
    flights.sent(3, None, 1, 0.0)
    assert (len(flights), flights.has_room, flights.rows()) == (2, False, [row])
    landed = [flights.land(message_id) for message_id in (2, 1, 1, 3)]
    assert [flight and flight.row for flight in landed] == [None, row, None, None]
    assert (landed[3] is None, len(flights), flights.has_room) == (False, 0, True)


def test_the_oldest_tells_how_long_the_broker_owes_an_answer() -> None:
    """Whatever was acknowledged since."""
    flights = Flights()
    assert flights.waited_s(5.0) == 0.0
    for message_id, sent_s in ((1, 10.0), (2, 20.0), (3, 30.0)):
        flights.sent(message_id, make_row(message_id), 1, sent_s)
    flights.land(2)
    assert flights.waited_s(40.0) == 30.0
    flights.land(1)
    assert flights.waited_s(40.0) == 10.0


def test_an_id_that_comes_round_is_never_that_of_a_flight() -> None:
    """Messages of QoS 0 have ids too, and answers: nothing goes out any more before they could be mistaken."""
    flights = Flights()
    flights.sent(1, row := make_row(7), 1, 0.0)
    message_id = 1
    while flights.has_room:
        message_id = message_id % N_IDS + 1
        flights.sent(message_id, make_row(8), 0, 0.0)
        assert flights.land(message_id) is None
    assert message_id == MAX_BEHIND < N_IDS
    landed = flights.land(1)
    assert (landed and landed.row, flights.has_room) == (row, True)
