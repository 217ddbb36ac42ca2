"""What is told of a broker over its connections."""

import logging

import pytest

from aegan_monitor.mqtt.broker_history import History
from aegan_monitor.mqtt.log_once import Telling


def test_a_subscription_that_is_refused_again_after_it_was_granted_is_news(caplog: pytest.LogCaptureFixture) -> None:
    """One refused on the next connection, as on this one, is not."""
    caplog.set_level(logging.INFO)
    history = History(Telling("broker", logging.getLogger("history")), "; retrying")
    for grants in (True, False, False, True, True, False):
        if grants:
            history.grant_subscription("a/b")
        else:
            history.refuse_subscription("a/b", "Not authorized")
    words = ["refused the subscription to a/b", "grants the subscription to a/b", "refused the subscription to a/b"]
    assert [message.removeprefix("broker ").split(" (")[0] for message in caplog.messages] == words
    assert history.refused_total == 3
