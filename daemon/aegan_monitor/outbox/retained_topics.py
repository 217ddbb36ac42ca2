"""Topics with a retained message of ours: those of this configuration, and others until the broker has cleared them."""

from collections.abc import Callable, Iterable
from typing import NamedTuple

from aegan_monitor.messages.model import Kind
from aegan_monitor.messages.payloads import PAYLOADS
from aegan_monitor.messages.topics import QOS_AND_RETAINED, Message, Topics


class TopicChanges(NamedTuple):
    """What the store lacks."""

    added: frozenset[str] = frozenset()
    removed: frozenset[str] = frozenset()
    left: frozenset[str] = frozenset()  # of another node: to be logged


NO_CHANGES = TopicChanges()


class RetainedTopics:
    """All topics that were published and are not cleared yet. The outbox calls every method under its lock."""

    def __init__(self, *, durable: bool) -> None:
        self.unwritten: set[str] = set()  # nothing is sent on a topic that a kill would make us forget
        self._durable = durable
        self._belonging: frozenset[str] | None = None  # None: not known yet
        self._is_ours: Callable[[str], bool] = _every
        self._known: set[str] = set()
        self._left: set[str] = set()
        self._removed: set[str] = set()  # that the store still has

    def belong(self, topics: Iterable[str], is_ours: Callable[[str], bool] | None = None) -> list[Message]:
        """Set the topics of this configuration; returns what clears the others that `is_ours`: the rest may be another daemon's."""
        self._belonging, self._is_ours = frozenset(topics), is_ours or _every
        self._add(self._belonging)
        return self._clear()

    def restore(self, topics: Iterable[str]) -> list[Message]:
        """Add the topics of an earlier run; returns the messages that clear those that do not belong."""
        found = set(topics)
        self.unwritten -= found
        self._known |= found
        return self._clear()

    def cleared(self, topic: str) -> None:
        """The broker has cleared the topic; harmless when it belongs again."""
        if self._belonging is not None and topic in self._known - self._belonging:
            self._forget(topic)

    def changes(self) -> TopicChanges:
        """What is to be written; call `written` afterwards."""
        removed, self._removed = self._removed, set()
        left, self._left = self._left, set()
        return TopicChanges(frozenset(self.unwritten), frozenset(removed), frozenset(left))

    def written(self, topics: Iterable[str]) -> None:
        """The store has written them, or has tried."""
        self.unwritten -= set(topics)

    def everything(self) -> frozenset[str]:
        """All topics, for a new store."""
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
        """Messages that clear what does not belong. Discovery is first: its subscribers then do not see the states emptied."""
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
    kinds = dict[str, Kind]({kind: kind for kind in QOS_AND_RETAINED})
    kind = kinds.get(topic.rpartition("/")[2], "discovery")
    return Message(topic, b"", 1, True, kind)


def find_states(topics: Topics, machines: Iterable[str]) -> frozenset[str]:
    """The retained topics of a node with these machines, discovery aside."""
    kinds = [payload for payload in PAYLOADS if QOS_AND_RETAINED[payload.KIND][1]]
    of_node = [topics.name("status"), *(topics.name(payload.KIND) for payload in kinds if not payload.OF_MACHINE)]
    return frozenset(of_node).union(topics.name(payload.KIND, machine) for payload in kinds if payload.OF_MACHINE for machine in machines)
