"""What is remembered of a broker from one connection to the next: what was told of it, and what it has refused."""

from aegan_monitor.mqtt.log_once import Telling
from aegan_monitor.outbox.backoff import FIRST_RETRIAL_S, LONGEST_RETRIAL_S

TOO_LARGE = "Packet too large"
REMEDIES = {TOO_LARGE: "raise its limit", "Not authorized": "check the broker's ACL"}  # by the reason that the broker gives
RETRIAL = f"every {FIRST_RETRIAL_S / 60:g} to {LONGEST_RETRIAL_S / 60:g} minutes"


class History:
    """Of one broker; it belongs to the MQTT thread, any other may read.

    Attributes:
        refused_total: Messages and subscriptions that it has refused.
        has_accepted: There has been a connection.
        n_short: Connections in a row that ended before they settled.
    """

    def __init__(self, telling: Telling, retrying: str) -> None:
        """Store; `retrying` says, behind what went wrong, how long it is until the next attempt."""
        self.refused_total = self.n_short = 0
        self.has_accepted = False
        self._telling, self._retrying = telling, retrying
        self._refused: set[str] = set()

    @property
    def problem(self) -> str:
        """The last thing that went wrong, in one line; empty if nothing did."""
        return self._telling.problem

    def well(self, text: str) -> None:
        """A connection has begun."""
        self.has_accepted = True
        self._telling.good(text)

    def settle(self) -> None:
        """It has lasted for a while: what happens next is news."""
        self.n_short = 0
        self._telling.settle()

    def warn(self, text: str) -> None:
        """A connection has ended, or could not be made."""
        self._telling.bad(text + self._retrying)

    def refuse_message(self, topic: str, reason: str, *, for_good: bool) -> None:
        """The broker does not take a message."""
        then = "it is not sent again on this connection" if for_good else f"it is offered again {RETRIAL}"
        self._refuse(f"a message on {topic}", f"({reason}): {then}; {REMEDIES.get(reason, 'see the log of the broker')}")

    def refuse_subscription(self, topic: str, reason: str) -> None:
        """The broker does not let us hear a topic."""
        then = f"nothing is heard from there, and it is asked for again {RETRIAL}"
        self._refuse(f"the subscription to {topic}", f"({reason}): {then}; its ACL must let this user read it")

    def grant_subscription(self, topic: str) -> None:
        """The broker lets us hear a topic: news, if it did not before."""
        what = f"the subscription to {topic}"
        if what in self._refused:
            self._refused.remove(what)
            self._telling.note_good(f"grants {what}")

    def _refuse(self, what: str, because: str) -> None:
        """Count, and tell once."""
        self.refused_total += 1
        if what not in self._refused:
            self._refused.add(what)
            self._telling.note(f"refused {what} {because}")
