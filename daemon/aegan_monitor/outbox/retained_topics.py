"""Topics on which the daemon has published retained messages: those of this configuration, and others until they are cleared."""

from collections.abc import Callable, Iterable

from aegan_monitor.messages.model import Kind
from aegan_monitor.messages.payloads import PAYLOADS
from aegan_monitor.messages.topics import QOS_AND_RETAINED, Message, Topics


class RetainedTopics:
    """All topics that were published and are not cleared yet (`known`). The outbox calls every method under its lock."""

    def __init__(self) -> None:
        self.known: frozenset[str] = frozenset()
        self._stored: frozenset[str] = frozenset()  # what the store has, or could not write
        self._belonging: frozenset[str] | None = None  # None: not known yet
        self._is_ours: Callable[[str], bool] = lambda _: True

    def belong(self, topics: Iterable[str], is_ours: Callable[[str], bool] = lambda _: True) -> list[Message]:
        """Set the topics of this configuration. Returns the messages that clear the others that are ours; the rest is left alone."""
        self._belonging, self._is_ours = frozenset(topics), is_ours
        self.known |= self._belonging
        return self._clear()

    def restore(self, topics: Iterable[str]) -> list[Message]:
        """Add the topics of an earlier run; returns the messages that clear those that do not belong."""
        self._stored = frozenset(topics)
        self.known |= self._stored
        return self._clear()

    def cleared(self, topic: str) -> None:
        """The broker has cleared the topic; harmless when it belongs again."""
        if self._belonging is not None and topic not in self._belonging:
            self.known -= {topic}

    def changes(self) -> frozenset[str] | None:
        """All topics if the store has others, else None; call `written` afterwards."""
        return self.known if self.known != self._stored else None

    def written(self, topics: frozenset[str] | None) -> None:
        """The store has written these, or could not."""
        self._stored = self._stored if topics is None else topics

    def is_unwritten(self, topic: str) -> bool:
        """Nothing may be sent on the topic yet: after a kill, the next run could not clear it."""
        return topic in self.known and topic not in self._stored

    def _clear(self) -> list[Message]:
        """Messages that clear what does not belong. Discovery is first: its subscribers then do not see the states emptied."""
        gone = self.known - self._belonging if self._belonging is not None else frozenset()
        ours = set(filter(self._is_ours, gone))
        self.known -= gone - ours
        return sorted(map(make_empty, ours), key=lambda message: (message.kind != "discovery", message.topic))


def make_empty(topic: str) -> Message:
    """The empty message that clears a retained topic; its QoS is 1 for every kind."""
    kinds = dict[str, Kind]({kind: kind for kind in QOS_AND_RETAINED})
    kind = kinds.get(topic.rpartition("/")[2], "discovery")
    return Message(topic, b"", 1, True, kind)


def find_states(topics: Topics, machines: Iterable[str]) -> frozenset[str]:
    """The retained topics of a node with these machines, discovery aside."""
    kinds = [payload for payload in PAYLOADS if QOS_AND_RETAINED[payload.KIND][1]]
    of_node = [topics.name("status"), *(topics.name(payload.KIND) for payload in kinds if not payload.OF_MACHINE)]
    return frozenset(of_node).union(topics.name(payload.KIND, machine) for payload in kinds if payload.OF_MACHINE for machine in machines)
