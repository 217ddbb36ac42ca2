"""The gates: one message goes ahead, and what the broker says of it decides about the others."""

from aegan_monitor.gates import FIRST_OFFER_S, LONGEST_OFFER_S, Gates

TOPIC = "aegan/hall/pump/event"


def test_one_goes_ahead_and_the_others_follow() -> None:
    """For each topic, and anew on each connection."""
    gates = Gates()
    assert gates.is_open(TOPIC, 0.0)
    gates.sent(TOPIC)
    assert (gates.is_open(TOPIC, 0.0), gates.is_shut(TOPIC, 0.0), gates.is_open("other", 0.0)) == (False, False, True)
    gates.heard(TOPIC)
    gates.sent(TOPIC)
    assert (gates.is_open(TOPIC, 0.0), gates.state(TOPIC)) == (True, "open")
    gates.reset()
    gates.sent(TOPIC)
    assert not gates.is_open(TOPIC, 0.0)


def test_where_nobody_listens_the_wait_grows() -> None:
    """Up to a minute; once somebody does it begins small again."""
    gates = Gates()
    now_s, waits_s = 0.0, []
    for _ in range(8):
        gates.sent(TOPIC)
        gates.unheard(TOPIC, now_s)
        gates.unheard(TOPIC, now_s)  # the next of those that were in flight makes no difference
        assert gates.is_shut(TOPIC, now_s)
        began_s = now_s
        while not gates.is_open(TOPIC, now_s):
            now_s += 1.0
        waits_s.append(now_s - began_s)
    assert waits_s == [FIRST_OFFER_S, 4.0, 8.0, 16.0, 32.0, LONGEST_OFFER_S, LONGEST_OFFER_S, LONGEST_OFFER_S]
    gates.sent(TOPIC)
    gates.heard(TOPIC)
    gates.unheard(TOPIC, now_s)
    assert gates.is_open(TOPIC, now_s + FIRST_OFFER_S)


def test_a_refused_topic_is_shut_until_the_next_connection() -> None:
    """Unless it was the message's own fault."""
    gates = Gates()
    gates.sent(TOPIC)
    gates.refused(TOPIC)
    gates.heard(TOPIC)  # of one that was in flight before
    assert gates.is_shut(TOPIC, 1e9)
    gates.reset()
    gates.sent(TOPIC)
    gates.refused(TOPIC, for_good=True)
    assert gates.is_open(TOPIC, 0.0)
