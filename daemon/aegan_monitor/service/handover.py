"""The way to the broker over the life of the daemon: one publisher at a time, and the hand-over from one to the next."""

import threading

from aegan_monitor.mqtt.publisher import MqttPublisher


class Delivery:
    """The publisher in use; all of them deliver the same outbox."""

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
        """The last thing that went wrong with the broker, in one line; empty if nothing did."""
        return self._publisher.problem

    @property
    def refused_total(self) -> int:
        """Messages and subscriptions that brokers have refused."""
        return self._refused_before_total + self._publisher.refused_total

    def start(self) -> None:
        """Connect in the background."""
        self._publisher.start()

    def flush(self) -> None:
        """Say that the outbox has something; never blocks."""
        self._publisher.flush()

    def hand_over(self, publisher: MqttPublisher) -> None:
        """The old one delivers what it can and says `offline`, then the new one begins; does not wait for either."""
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
