"""Topics on which the broker keeps a message of ours: those that belong, and those of machines that have left, until they are cleared."""

from collections.abc import Callable, Iterable
from typing import NamedTuple

from aegan_monitor.messages.payloads import PAYLOADS, Kind
from aegan_monitor.messages.topics import QOS_AND_RETAINED, Message, Topics


class TopicChanges(NamedTuple):
    """What the journal does not know yet."""

    added: frozenset[str] = frozenset()
    removed: frozenset[str] = frozenset()
    left: frozenset[str] = frozenset()  # of another node: to be told


NO_CHANGES = TopicChanges()


class RetainedTopics:
    """All that were ever published and are not cleared yet; they belong to the outbox, under whose lock they are used."""

    def __init__(self, *, durable: bool) -> None:
        self.unwritten: set[str] = set()  # nothing goes out on a topic that would be forgotten
        self._durable = durable
        self._belonging: frozenset[str] | None = None  # none: nobody has said it yet
        self._is_ours: Callable[[str], bool] = _every
        self._known: set[str] = set()
        self._left: set[str] = set()
        self._removed: set[str] = set()  # that the journal still has

    def belong(self, topics: Iterable[str], is_ours: Callable[[str], bool] | None = None) -> list[Message]:
        """These alone belong from now on; what clears the others that `is_ours`: the rest may be another daemon's."""
        self._belonging, self._is_ours = frozenset(topics), is_ours or _every
        self._add(self._belonging)
        return self._clear()

    def restore(self, topics: Iterable[str]) -> list[Message]:
        """What the journal holds of an earlier run; what clears those that do not belong."""
        found = set(topics)
        self.unwritten -= found
        self._known |= found
        return self._clear()

    def cleared(self, topic: str) -> None:
        """The broker has nothing on it any more; harmless when it belongs again."""
        if self._belonging is not None and topic in self._known - self._belonging:
            self._forget(topic)

    def changes(self) -> TopicChanges:
        """What is to be written; say `written` afterwards."""
        removed, self._removed = self._removed, set()
        left, self._left = self._left, set()
        return TopicChanges(frozenset(self.unwritten), frozenset(removed), frozenset(left))

    def written(self, topics: Iterable[str]) -> None:
        """The journal has them, or has tried."""
        self.unwritten -= set(topics)

    def everything(self) -> frozenset[str]:
        """All, for a journal that begins anew."""
        return frozenset(self._known)

    def _add(self, topics: frozenset[str]) -> None:
        if self._durable:
            self.unwritten |= topics - self._known
            self._removed -= topics
        self._known |= topics

    def _forget(self, topic: str) -> None:
        self._known.remove(topic)
        self.unwritten.discard(topic)
        if self._durable:
            self._removed.add(topic)

    def _clear(self) -> list[Message]:
        """Discovery goes first: who was told of a topic by it then does not hear it emptied."""
        gone = self._known - self._belonging if self._belonging is not None else set()
        others = {topic for topic in gone if not self._is_ours(topic)}
        self._left |= others
        for topic in others:
            self._forget(topic)
        return sorted(map(make_empty, gone - others), key=lambda message: (message.kind != "discovery", message.topic))


def _every(_topic: str) -> bool:
    return True


def find_filters(topics: Iterable[str]) -> str:
    """Options of mosquitto_sub for these, few even if there are many machines' entities."""
    return " ".join(f"-t '{name}'" for name in sorted(set(map(_widen, topics))))


def _widen(topic: str) -> str:
    """The filter of all that a machine or node has there."""
    if make_empty(topic).kind != "discovery":
        return f"{topic.rpartition('/')[0]}/+"
    prefix, _, device, *_ = topic.rsplit("/", 4)
    return f"{prefix}/+/{device}/+/config"


def make_empty(topic: str) -> Message:
    """What takes a retained message away from the broker; it is acknowledged, whatever the kind."""
    kinds: dict[str, Kind] = {kind: kind for kind in QOS_AND_RETAINED}
    kind = kinds.get(topic.rpartition("/")[2], "discovery")
    return Message(topic, b"", 1, True, kind)


def find_states(topics: Topics, machines: Iterable[str]) -> frozenset[str]:
    """The retained topics of a node with these machines, discovery aside."""
    kinds = [payload for payload in PAYLOADS if QOS_AND_RETAINED[payload.KIND][1]]
    of_node = [topics.name("status"), *(topics.name(payload.KIND) for payload in kinds if not payload.OF_MACHINE)]
    return frozenset(of_node).union(topics.name(payload.KIND, machine) for payload in kinds if payload.OF_MACHINE for machine in machines)
