"""Log-once state over all connections to a broker."""

import logging

import pytest

from aegan_monitor.mqtt.log_once import BrokerLog


def test_a_subscription_that_is_refused_again_after_it_was_granted_is_news(caplog: pytest.LogCaptureFixture) -> None:
    """A refusal is logged again after a grant, but not after another refusal."""
    caplog.set_level(logging.INFO)
    log = BrokerLog("broker", logging.getLogger("broker"), "; retrying")
    for grants in (True, False, False, True, True, False):
        if grants:
            log.grant_subscription("a/b")
        else:
            log.refuse_subscription("a/b", "Not authorized")
    words = ["refused the subscription to a/b", "grants the subscription to a/b", "refused the subscription to a/b"]
    assert [message.removeprefix("broker ").split(" (")[0] for message in caplog.messages] == words
    assert log.refused_total == 3
