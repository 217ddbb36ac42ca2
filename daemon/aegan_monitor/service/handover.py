"""The publisher in use, and the hand-over to another one after a reload."""

import threading

from aegan_monitor.mqtt.publisher import MqttPublisher


class Delivery:
    """One publisher at a time; all of them deliver the same outbox."""

    def __init__(self, publisher: MqttPublisher) -> None:
        """Store."""
        self._publisher = publisher
        self._refused_before_total = 0
        self._handing_over: threading.Thread | None = None

    @property
    def connected(self) -> bool:
        """The broker has accepted the connection, and it has not been seen to end."""
        return self._publisher.connected

    @property
    def problem(self) -> str:
        """The last problem with the broker, in one line; empty if there was none."""
        return self._publisher.problem

    @property
    def refused_total(self) -> int:
        """Messages and subscriptions that brokers have refused."""
        return self._refused_before_total + self._publisher.refused_total

    def start(self) -> None:
        """Connect in the background."""
        self._publisher.start()

    def flush(self) -> None:
        """Wake the publisher: the outbox has news. Never blocks."""
        self._publisher.flush()

    def hand_over(self, publisher: MqttPublisher) -> None:
        """The old one delivers what it can and publishes `offline`, then the new one starts; returns at once."""
        old, self._publisher = self._publisher, publisher
        self._refused_before_total += old.refused_total
        before, self._handing_over = (
            self._handing_over,
            threading.Thread(target=lambda: self._change(before, old, publisher), name="hand-over", daemon=True),
        )
        self._handing_over.start()

    def stop(self) -> None:
        """Deliver what is pending, then `offline`."""
        if self._handing_over is not None and self._handing_over.is_alive():
            self._handing_over.join()
        self._publisher.stop()

    @staticmethod
    def _change(before: threading.Thread | None, old: MqttPublisher, new: MqttPublisher) -> None:
        if before is not None:
            before.join()
        old.stop()
        new.start()
