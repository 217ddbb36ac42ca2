"""Shared parts of the publisher's tests."""

import threading
from collections.abc import Callable

import pytest

from aegan_monitor.mqtt.client import Protocol
from aegan_monitor.mqtt.publisher import MqttPublisher
from broker import wait_until

RETRYING = "; retrying every 0.05 to 0.2 s"
PROTOCOLS: tuple[Protocol, ...] = ("5", "3.1.1")
both = pytest.mark.parametrize("protocol", PROTOCOLS)
Make = Callable[..., MqttPublisher]


def wait_for_end(n_left: int = 0) -> None:
    """Wait until at most this many publisher threads run."""
    wait_until(lambda: [thread.name for thread in threading.enumerate()].count("mqtt") == n_left, "the end of a publisher's thread")


class Clock:
    """A clock that the test sets."""

    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s
