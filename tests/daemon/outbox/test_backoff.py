"""Back-off: how a refusal delays later messages of the same key."""

from aegan_monitor.outbox.backoff import FIRST_RETRIAL_S, LONGEST_RETRIAL_S, Backoff

TOPIC = "aegan/hall/pump/event"


def test_a_key_that_was_never_refused_is_free() -> None:
    """A key without a refusal may have any number of messages in flight."""
    backoff = Backoff()
    backoff.sent(TOPIC)
    assert (backoff.is_free(TOPIC, 0.0), backoff.is_waiting(TOPIC, 0.0), backoff.is_refused(TOPIC)) == (True, False, False)
    backoff.accepted(TOPIC)
    assert backoff.is_free(TOPIC, 0.0)


def test_each_refused_attempt_doubles_the_wait() -> None:
    """Each refused attempt doubles the wait from one to ten minutes."""
    backoff = Backoff()
    now_s, waits_s = 0.0, []
    for _ in range(6):
        backoff.sent(TOPIC)
        backoff.refused(TOPIC, now_s)
        backoff.refused(TOPIC, now_s + 1.0)
        backoff.accepted(TOPIC)
        began_s = now_s
        while backoff.is_waiting(TOPIC, now_s):
            assert not backoff.is_free(TOPIC, now_s)
            now_s += 1.0
        waits_s.append(now_s - began_s)
    assert waits_s == [FIRST_RETRIAL_S, 120.0, 240.0, 480.0, LONGEST_RETRIAL_S, LONGEST_RETRIAL_S]
    assert backoff.is_free(TOPIC, now_s)


def test_one_attempt_goes_ahead_and_the_others_follow() -> None:
    """After a refusal one message of that key is tried before the others."""
    backoff = Backoff()
    backoff.refused(TOPIC, 0.0)
    assert backoff.is_refused(TOPIC)
    backoff.sent(TOPIC)
    assert not backoff.is_free(TOPIC, FIRST_RETRIAL_S)
    assert backoff.is_free("other", FIRST_RETRIAL_S)
    backoff.accepted(TOPIC)
    assert (backoff.is_free(TOPIC, FIRST_RETRIAL_S), backoff.is_refused(TOPIC)) == (True, False)


def test_a_message_with_a_fault_of_its_own_blocks_nothing() -> None:
    """A refusal that concerns one message alone delays no other message of its topic."""
    backoff = Backoff()
    backoff.sent(TOPIC)
    backoff.refused(TOPIC, 0.0, for_good=True)
    assert backoff.is_free(TOPIC, 0.0)


def test_an_attempt_with_a_fault_of_its_own_frees_the_others() -> None:
    """The next message of the key need not wait for an attempt that will never be accepted."""
    backoff = Backoff()
    backoff.refused(TOPIC, 0.0)
    backoff.sent(TOPIC)
    backoff.refused(TOPIC, FIRST_RETRIAL_S, for_good=True)
    assert backoff.is_free(TOPIC, FIRST_RETRIAL_S)
