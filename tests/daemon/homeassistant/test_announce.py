"""Retained topics follow the configuration."""

from aegan_monitor.homeassistant.discovery import announce
from aegan_monitor.messages.topics import Topics
from aegan_monitor.outbox.outbox import Outbox
from example_config import make_config
from outbox_messages import MemoryOutbox

TOPICS = Topics("aegan", "hall")


class Broker:
    """A broker's retained messages after everything in the outbox is delivered."""

    def __init__(self, outbox: Outbox) -> None:
        self.kept: set[str] = set()
        self._outbox = outbox

    def take(self) -> None:
        """Take everything that may be sent."""
        while (row := self._outbox.next()) is not None:
            self._outbox.sent(row)
            self._outbox.acknowledged(row.number)
            (self.kept.add if row.message.payload else self.kept.discard)(row.message.topic)


def test_what_is_kept_follows_the_configuration() -> None:
    """Changes of machines, buttons, prefix and discovery leave exactly the retained topics of the last configuration."""
    outbox = MemoryOutbox()
    broker = Broker(outbox)
    for machines, more, prefix, n_of_machine in (
        (["pump"], {}, "homeassistant", 19),
        (["pump", "fan"], {}, "homeassistant", 19),
        (["fan"], {}, "homeassistant", 19),
        (["fan"], {"mqtt": {"commands": {"enabled": False}}}, "homeassistant", 13),
        (["fan"], {"evidence": {"mqtt_picture": True}}, "homeassistant", 20),
        (["fan"], {"home_assistant": {"prefix": "ha/discovery"}}, "ha/discovery", 19),
    ):
        announce(make_config(*machines, **more), TOPICS, outbox)
        broker.take()
        assert {topic.rsplit("/", 4)[0] for topic in broker.kept} == {prefix}
        devices = [topic.split("/")[-3] for topic in broker.kept]
        assert {name: devices.count(name) for name in devices} == {"hall": 6, **{f"hall_{name}": n_of_machine for name in machines}}
    announce(make_config("fan", home_assistant={"discovery": False}), TOPICS, outbox)
    broker.take()
    assert broker.kept == set()


def test_pictures_leave_the_broker_when_they_are_switched_off() -> None:
    """The topic of a picture belongs to a machine as long as pictures are published."""
    outbox = MemoryOutbox()
    broker = Broker(outbox)
    announce(make_config("pump", evidence={"mqtt_picture": True}), TOPICS, outbox)
    outbox.put(TOPICS.picture("pump", b"PNG"))
    broker.take()
    assert "aegan/hall/pump/picture" in broker.kept
    announce(make_config("pump"), TOPICS, outbox)
    broker.take()
    assert not {topic for topic in broker.kept if "picture" in topic}


def test_states_of_a_machine_that_stays_are_left_alone() -> None:
    """A reload that changes something else clears no state of a machine that stays."""
    outbox = MemoryOutbox()
    broker = Broker(outbox)
    announce(make_config("fan", "pump"), TOPICS, outbox)
    broker.take()
    broker.kept |= {"aegan/hall/fan/alarm", "aegan/hall/pump/alarm", "aegan/hall/status"}
    announce(make_config("pump"), TOPICS, outbox)
    broker.take()
    assert {topic for topic in broker.kept if topic.startswith("aegan")} == {"aegan/hall/pump/alarm", "aegan/hall/status"}


def test_what_another_node_has_is_left() -> None:
    """The outbox may be a copy, on a cloned card, and the other daemon alive: its topics are left."""
    outbox = MemoryOutbox()
    broker = Broker(outbox)
    announce(make_config("pump"), Topics("aegan", "hall"), outbox)
    broker.take()
    broker.kept |= {"aegan/hall/status", "aegan/hall/pump/alarm"}
    kept = set(broker.kept)
    announce(make_config("pump"), Topics("aegan", "hall_2"), outbox)
    broker.take()
    assert broker.kept >= kept
