"""Which topics the broker takes now: of events one message at first, more once a subscriber has got it."""

from dataclasses import dataclass, field
from typing import Literal, TypeAlias

FIRST_OFFER_S, LONGEST_OFFER_S = 2.0, 60.0  # wait before an event that nobody heard is offered again
FIRST_RETRIAL_S, LONGEST_RETRIAL_S = 60.0, 600.0  # before what was refused is: a quota passes, an ACL is mended

GateState: TypeAlias = Literal["new", "trying", "open", "unheard", "refused"]
WAITS_S: dict[GateState, tuple[float, float]] = {
    "unheard": (FIRST_OFFER_S, LONGEST_OFFER_S),
    "refused": (FIRST_RETRIAL_S, LONGEST_RETRIAL_S),
}


@dataclass(slots=True)
class Gate:
    """One topic on one connection; `until_s` is of `unheard` and `refused` alone, `waits_s` has the next wait of each."""

    state: GateState = "new"
    until_s: float = 0.0
    waits_s: dict[GateState, float] = field(default_factory=lambda: {state: first_s for state, (first_s, _) in WAITS_S.items()})


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
        return gate.state in ("new", "open") or (gate.state in WAITS_S and now_s >= gate.until_s)

    def is_shut(self, topic: str, now_s: float) -> bool:
        """Nothing goes out on it for some time."""
        gate = self._gates.get(topic, Gate())
        return gate.state in WAITS_S and now_s < gate.until_s

    def sent(self, topic: str) -> None:
        """A message is on its way."""
        gate = self._gates.setdefault(topic, Gate())
        if gate.state != "open":
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
            _shut(gate, "unheard", now_s)

    def refused(self, topic: str, now_s: float, *, for_good: bool = False) -> None:
        """A message was not taken: none goes out for some time, unless it was that one's own fault (`for_good`)."""
        gate = self._gates.setdefault(topic, Gate())
        if for_good:
            self._gates[topic] = Gate()
        elif gate.state != "refused" or now_s >= gate.until_s:
            _shut(gate, "refused", now_s)

    def reset(self) -> None:
        """A new connection."""
        self._gates.clear()


def _shut(gate: Gate, state: GateState, now_s: float) -> None:
    wait_s = gate.waits_s[state]
    gate.state, gate.until_s, gate.waits_s[state] = state, now_s + wait_s, min(2 * wait_s, WAITS_S[state][1])
