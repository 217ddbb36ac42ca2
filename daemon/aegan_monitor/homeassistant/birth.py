"""Home Assistant's birth message: once it has started, every retained message is sent again, after a short delay."""

import random
import time
from collections.abc import Callable

from aegan_monitor.mqtt.subscriptions import Received

DELAY_S = (0.5, 5.0)  # at random, so that not all devices of a house publish at once
BIRTH_TOPIC = "homeassistant/status"  # Home Assistant's default, whatever its discovery prefix


def list_birth_topics(prefix: str) -> set[str]:
    """Where Home Assistant may publish its birth message: its default topic, and one that follows the discovery prefix."""
    return {f"{prefix}/status", BIRTH_TOPIC}


class Birth:
    """Receives in the MQTT thread; the worker asks whether a repetition is due."""

    def __init__(
        self, clock: Callable[[], float] = time.monotonic, draw_delay_s: Callable[[], float] = lambda: random.uniform(*DELAY_S)
    ) -> None:
        self._clock, self._draw_delay_s = clock, draw_delay_s
        self._due_s: float | None = None

    def hear(self, received: Received) -> None:
        """Take a message. A retained `online` may be old; an unneeded repetition is harmless."""
        if received.payload == b"online":
            self._due_s = self._clock() + self._draw_delay_s()

    def is_due(self) -> bool:
        """Whether the repetition is due; true once for each birth message."""
        due_s = self._due_s
        if due_s is None or self._clock() < due_s:
            return False
        self._due_s = None
        return True
