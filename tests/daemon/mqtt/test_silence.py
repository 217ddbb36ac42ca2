"""When a connection on which nothing comes is given up, and when it is not."""

import itertools

import pytest

from aegan_monitor.mqtt.silence import Silence

KEEPALIVE_S = 30


def give_up_s(silence: Silence, keepalive_s: float, turn_s: float, from_s: float = 0.0) -> float:
    """When it is given up by who looks at every turn."""
    return next(now_s for now_s in itertools.count(from_s, turn_s) if silence.is_too_long(keepalive_s, now_s))


@pytest.mark.parametrize(("keepalive_s", "turn_s"), [(1, 0.05), (2, 0.1), (30, 0.5), (600, 0.5)])
def test_a_silent_broker_is_left_within_one_and_a_half_keep_alives(keepalive_s: float, turn_s: float) -> None:
    """Not before it has had a part of one to answer what it is asked after one."""
    assert 1.3 * keepalive_s < give_up_s(Silence(0.0), keepalive_s, turn_s) < 1.45 * keepalive_s


def test_after_a_time_without_a_turn_there_is_time_to_ask() -> None:
    """A process that was frozen has not asked: what answers then is not left, what does not is."""
    silence = Silence(0.0)
    assert not silence.is_too_long(KEEPALIVE_S, 100.0)
    assert not silence.is_too_long(KEEPALIVE_S, 101.0)
    silence.heard(102.0)
    assert not silence.is_too_long(KEEPALIVE_S, 102.0 + KEEPALIVE_S)
    assert not silence.is_too_long(KEEPALIVE_S, 200.0)
    assert 203.0 < give_up_s(silence, KEEPALIVE_S, 0.5, 200.0) < 204.0


def test_who_wants_no_keep_alive_may_be_silent() -> None:
    """For ever."""
    assert not any(Silence(0.0).is_too_long(0, now_s) for now_s in (0.0, 1.0, 1e9))
