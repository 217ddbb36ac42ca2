"""Home Assistant's birth message is answered once, after a short delay."""

import pytest

from aegan_monitor.homeassistant.birth import DELAY_S, Birth, list_birth_topics
from aegan_monitor.mqtt.subscriptions import Received

ONLINE = Received("homeassistant/status", b"online", retained=False)


def test_a_birth_is_due_once_after_its_delay() -> None:
    """A birth is answered once after its delay; another one restarts the delay."""
    now_s = 100.0
    birth = Birth(lambda: now_s, lambda: 2.0)
    assert not birth.is_due()
    birth.hear(ONLINE)
    now_s = 101.9
    assert not birth.is_due()
    birth.hear(ONLINE)
    now_s = 103.8
    assert not birth.is_due()
    now_s = 103.9
    assert (birth.is_due(), birth.is_due()) == (True, False)


@pytest.mark.parametrize(
    "received",
    [
        Received("homeassistant/status", b"offline", retained=False),
        Received("homeassistant/status", b"\xff", retained=False),
    ],
)
def test_what_is_no_birth_is_left_alone(received: Received) -> None:
    """Other messages on the topic, such as `offline`, are ignored."""
    birth = Birth(lambda: 0.0, lambda: 0.0)
    birth.hear(received)
    assert not birth.is_due()


def test_delays_differ() -> None:
    """Delays are random within their bounds."""
    now_s = 0.0
    births = [Birth(lambda: now_s) for _ in range(50)]
    for birth in births:
        birth.hear(ONLINE)
    assert not any(birth.is_due() for birth in births)
    now_s = sum(DELAY_S) / 2
    n_due = sum(birth.is_due() for birth in births)
    assert 0 < n_due < len(births)
    now_s = DELAY_S[1]
    assert sum(birth.is_due() for birth in births) == len(births) - n_due


def test_the_default_topic_counts_whatever_the_prefix() -> None:
    """The default birth topic is heard whatever the discovery prefix."""
    assert list_birth_topics("homeassistant") == {"homeassistant/status"}
    assert list_birth_topics("ha") == {"ha/status", "homeassistant/status"}
