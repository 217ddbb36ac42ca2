"""Logs each problem once, until the connection was stable for a while; a problem may last for days."""

import logging

from aegan_monitor.mqtt.client import LARGER_LIMIT, TOO_LARGE
from aegan_monitor.outbox.backoff import FIRST_RETRIAL_S, LONGEST_RETRIAL_S

REMEDIES = {TOO_LARGE: LARGER_LIMIT, "Not authorized": "check the broker's ACL"}  # by the reason that the broker gives
RETRIAL = f"every {FIRST_RETRIAL_S / 60:g} to {LONGEST_RETRIAL_S / 60:g} minutes"


class LogOnce:
    """The log lines about `subject`.

    Attributes:
        problem: The last warning, without the subject; empty if there was none.
    """

    def __init__(self, subject: str, log: logging.Logger) -> None:
        self.problem = ""
        self._subject, self._log = subject, log
        self._logged: list[str] = []
        self._good = ""

    def warn(self, text: str) -> None:
        """Log a failure."""
        self.problem = text
        self._write_once(logging.WARNING, text)

    def inform(self, text: str) -> None:
        """Log that it works again."""
        self._good = text
        self._write_once(logging.INFO, text)

    def settle(self) -> None:
        """Note that it has worked for a while, so every line may be logged again."""
        logged, self._logged = self._logged, []
        if logged and logged[-1] != self._good:
            self._write(logging.INFO, self._good)

    def _write_once(self, level: int, text: str) -> None:
        if text not in self._logged:
            self._logged.append(text)
            self._write(level, text)

    def _write(self, level: int, text: str) -> None:
        self._log.log(level, "%s %s", self._subject, text)


class BrokerLog(LogOnce):
    """Log lines and counters of a broker over all connections; the MQTT thread writes, any thread may read.

    Attributes:
        refused_total: Messages and subscriptions that the broker has refused.
    """

    def __init__(self, subject: str, log: logging.Logger, retrying: str) -> None:
        """`retrying` is appended to each line about a connection: when the next attempt comes."""
        super().__init__(subject, log)
        self._retrying = retrying
        self.refused_total = 0
        self._refused: set[str] = set()

    def warn(self, text: str) -> None:
        """A connection ended, or could not be made."""
        super().warn(text + self._retrying)

    def refuse_message(self, topic: str, reason: str, *, for_good: bool) -> None:
        """The broker does not accept a message."""
        then = "it is not sent again on this connection" if for_good else f"it is sent again {RETRIAL}"
        self._refuse(f"a message on {topic}", f"({reason}): {then}; {REMEDIES.get(reason, 'see the log of the broker')}")

    def refuse_subscription(self, topic: str, reason: str) -> None:
        """The broker does not grant a subscription."""
        then = f"nothing is received from there, and the subscription is tried again {RETRIAL}"
        self._refuse(f"the subscription to {topic}", f"({reason}): {then}; its ACL must let this user read it")

    def grant_subscription(self, topic: str) -> None:
        """The broker grants a subscription; it is logged if it was refused before."""
        what = f"the subscription to {topic}"
        if what in self._refused:
            self._refused.remove(what)
            self._write(logging.INFO, f"grants {what}")

    def _refuse(self, what: str, because: str) -> None:
        self.refused_total += 1
        if what not in self._refused:
            self._refused.add(what)
            self.problem = f"refused {what} {because}"
            self._write(logging.WARNING, self.problem)
