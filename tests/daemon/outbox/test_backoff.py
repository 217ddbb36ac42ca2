"""The gates: one message goes ahead, and what the broker says of it decides about the others."""

from aegan_monitor.outbox.backoff import FIRST_OFFER_S, FIRST_RETRIAL_S, LONGEST_OFFER_S, LONGEST_RETRIAL_S, Gates

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


def test_what_is_refused_is_tried_again_after_minutes() -> None:
    """Up to ten; the waits are others than where nobody listens, and a new connection begins anew."""
    gates = Gates()
    gates.sent(TOPIC)
    gates.unheard(TOPIC, 0.0)
    now_s, waits_s = FIRST_OFFER_S, []
    for _ in range(6):
        gates.sent(TOPIC)
        gates.refused(TOPIC, now_s)
        gates.refused(TOPIC, now_s + 1.0)  # the next of those that were in flight makes no difference
        gates.heard(TOPIC)
        began_s = now_s
        while gates.is_shut(TOPIC, now_s):
            now_s += 1.0
        waits_s.append(now_s - began_s)
    assert waits_s == [FIRST_RETRIAL_S, 120.0, 240.0, 480.0, LONGEST_RETRIAL_S, LONGEST_RETRIAL_S]
    gates.sent(TOPIC)
    assert not gates.is_open(TOPIC, now_s)
    gates.unheard(TOPIC, now_s)
    assert not gates.is_open(TOPIC, now_s + FIRST_OFFER_S)
    assert gates.is_open(TOPIC, now_s + 2 * FIRST_OFFER_S)
    gates.reset()
    assert gates.is_open(TOPIC, 0.0)


def test_a_message_that_is_at_fault_itself_shuts_nothing() -> None:
    """Others on its topic may be well."""
    gates = Gates()
    gates.sent(TOPIC)
    gates.refused(TOPIC, 0.0, for_good=True)
    assert gates.is_open(TOPIC, 0.0)
