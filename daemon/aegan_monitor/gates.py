"""Which topics of events the broker takes now: one message at first, more once a subscriber has got it."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

FIRST_OFFER_S, LONGEST_OFFER_S = 2.0, 60.0  # wait before an event that nobody heard is offered again

GateState: TypeAlias = Literal["new", "trying", "open", "unheard", "refused"]


@dataclass(slots=True)
class Gate:
    """One topic on one connection; `until_s` and `wait_s` are of `unheard` alone."""

    state: GateState = "new"
    until_s: float = 0.0
    wait_s: float = FIRST_OFFER_S


class Gates:
    """A gate for each topic.

    Were many events sent at once to a broker without a subscriber, one that comes meanwhile would get the later ones first.
    So one goes ahead, and the others follow when it was heard.
    """

    def __init__(self) -> None:
        self._gates: dict[str, Gate] = {}

    def state(self, topic: str) -> GateState:
        """What is known of the topic."""
        return self._gates.get(topic, Gate()).state

    def is_open(self, topic: str, now_s: float) -> bool:
        """One more message may go out on it."""
        gate = self._gates.get(topic, Gate())
        return gate.state in ("new", "open") or (gate.state == "unheard" and now_s >= gate.until_s)

    def is_shut(self, topic: str, now_s: float) -> bool:
        """Nothing goes out on it for some time."""
        gate = self._gates.get(topic, Gate())
        return gate.state == "refused" or (gate.state == "unheard" and now_s < gate.until_s)

    def sent(self, topic: str) -> None:
        """A message is on its way."""
        gate = self._gates.setdefault(topic, Gate())
        if gate.state in ("new", "unheard"):
            gate.state = "trying"

    def heard(self, topic: str) -> None:
        """A message was taken, and somebody listens."""
        gate = self._gates.setdefault(topic, Gate())
        if gate.state in ("new", "trying"):
            self._gates[topic] = Gate("open")

    def unheard(self, topic: str, now_s: float) -> None:
        """A message was taken, and nobody listens."""
        gate = self._gates.setdefault(topic, Gate())
        if gate.state in ("trying", "open"):
            self._gates[topic] = Gate("unheard", now_s + gate.wait_s, min(2 * gate.wait_s, LONGEST_OFFER_S))

    def refused(self, topic: str, *, for_good: bool = False) -> None:
        """A message was not taken: none goes out on this connection any more, unless it was that one's own fault (`for_good`)."""
        self._gates[topic] = Gate("new" if for_good else "refused")

    def reset(self) -> None:
        """A new connection."""
        self._gates.clear()
