"""Home Assistant says `online` when it has started: then it is told everything once more, a little later."""

import random
import time
from collections.abc import Callable

from aegan_monitor.mqtt.incoming import Received

DELAY_S = (0.5, 5.0)  # at random, so that not all devices of a house speak at once


class Birth:
    """Hears in the MQTT thread, is asked in the worker's."""

    def __init__(
        self, clock: Callable[[], float] = time.monotonic, draw_delay_s: Callable[[], float] = lambda: random.uniform(*DELAY_S)
    ) -> None:
        """Store."""
        self._clock, self._draw_delay_s = clock, draw_delay_s
        self._due_s: float | None = None

    def hear(self, received: Received) -> None:
        """One that waited for this connection says nothing new: a connection begins with everything.

        A retained one may be stored or be of now; to tell everything once too often is harmless.
        """
        if received.payload == b"online" and not received.late:
            self._due_s = self._clock() + self._draw_delay_s()

    def is_due(self) -> bool:
        """It is time to tell; true once for each birth."""
        due_s = self._due_s
        if due_s is None or self._clock() < due_s:
            return False
        self._due_s = None
        return True
