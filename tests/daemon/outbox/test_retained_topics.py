"""Retained topics that have left the configuration are cleared once, and no other topic is."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aegan_monitor.messages.topics import Message, Topics
from aegan_monitor.outbox.outbox import Outbox
from aegan_monitor.outbox.retained_topics import RetainedTopics, find_states, make_empty
from aegan_monitor.outbox.store import Store
from aegan_monitor.outbox.writer import Writer
from outbox_messages import MemoryOutbox, is_written
from writing import settle

FAN, PUMP = "aegan/hall/fan/alarm", "aegan/hall/pump/alarm"
DISCOVERY = "homeassistant/sensor/hall_fan/score/config"
NAMES = st.sets(st.sampled_from("abcd"))


def make_state(topic: str) -> Message:
    """A retained state."""
    return Message(topic, b"{}", 1, True, "alarm")


def deliver(outbox: Outbox) -> list[tuple[str, bytes]]:
    """Send and acknowledge everything that may be sent."""
    found = []
    while (row := outbox.next()) is not None:
        outbox.sent(row)
        outbox.acknowledged(row.number)
        found.append((row.message.topic, row.message.payload))
    return found


def test_what_belongs_no_more_is_cleared_until_the_broker_has_taken_it() -> None:
    """Clearing is repeated on each connection until the broker has acknowledged it."""
    outbox = MemoryOutbox()
    outbox.belong([FAN, PUMP])
    outbox.put(make_state(FAN))
    assert deliver(outbox) == [(FAN, b"{}")]
    outbox.belong([PUMP])
    row = outbox.next()
    assert row is not None
    assert row.message == Message(FAN, b"", 1, True, "alarm")
    outbox.sent(row)
    outbox.refused(row.number, for_good=False)
    outbox.connection_lost()
    outbox.connected()
    assert deliver(outbox) == [(FAN, b"")]
    outbox.connected()
    assert deliver(outbox) == []
    outbox.belong([PUMP])
    assert deliver(outbox) == []


@pytest.mark.parametrize("has_news", [True, False])
def test_what_belongs_again_is_not_forgotten(has_news: bool) -> None:
    """A machine that returns before the clearing is acknowledged keeps its topic, with a state of its own meanwhile or without."""
    outbox = Outbox()
    outbox.belong([FAN])
    outbox.written(outbox.changes())
    outbox.belong([])
    row = outbox.next()
    assert row is not None
    outbox.sent(row)
    outbox.belong([FAN])
    if has_news:
        outbox.put(make_state(FAN))
    outbox.acknowledged(row.number)
    assert outbox.everything().topics == frozenset({FAN})
    outbox.put(make_state(FAN))
    assert deliver(outbox) == [(FAN, b"{}")]
    outbox.connected()
    assert deliver(outbox) == [(FAN, b"{}")]


def test_discovery_is_cleared_first() -> None:
    """Discovery is cleared before the state topics that it names."""
    topics = RetainedTopics()
    topics.restore([FAN, DISCOVERY, PUMP])
    assert [message.topic for message in topics.belong([PUMP])] == [DISCOVERY, FAN]
    assert make_empty(DISCOVERY) == Message(DISCOVERY, b"", 1, True, "discovery")


def test_a_topic_goes_out_once_it_is_written() -> None:
    """A retained message is sent after its topic is stored, so that a kill cannot leave it at the broker."""
    outbox = Outbox()
    outbox.belong([FAN])
    outbox.put(make_state(FAN))
    outbox.put(Message("aegan/hall/fan/score", b"{}", 0, False, "score"))
    row = outbox.next()
    assert row is not None
    assert (row.message.kind, is_written(outbox)) == ("score", False)
    outbox.sent(row)
    assert outbox.next() is None
    changes = outbox.changes()
    assert (changes.topics, bool(changes)) == (frozenset({FAN}), True)
    outbox.written(changes)
    assert is_written(outbox)
    assert deliver(outbox) == [(FAN, b"{}")]
    assert not outbox.changes()


def run_once(path: Path, *belonging: str, before_opening: bool = False, deliver_it: bool = True) -> list[tuple[str, bytes]]:
    """One run of the daemon: the messages that it would send."""
    outbox = Outbox()
    writer = Writer(outbox, Store(path))
    if before_opening:
        outbox.belong(belonging)
    writer.start()
    outbox.belong(belonging)
    settle(outbox, writer)
    found = deliver(outbox) if deliver_it else []
    settle(outbox, writer)
    writer.stop()
    return found


@pytest.mark.parametrize("before_opening", [False, True])
def test_it_holds_over_restarts(tmp_path: Path, before_opening: bool) -> None:
    """Clearing continues over restarts, whether the disk is available at the start or later."""
    path = tmp_path / "o.sqlite"
    assert run_once(path, FAN, PUMP) == []
    assert run_once(path, FAN, PUMP) == []
    assert run_once(path, PUMP, before_opening=before_opening, deliver_it=False) == []
    assert run_once(path, PUMP, before_opening=before_opening) == [(FAN, b"")]
    assert run_once(path, PUMP) == []
    assert run_once(path) == [(PUMP, b"")]


@given(st.lists(st.tuples(NAMES, st.booleans()), min_size=1, max_size=8))
def test_the_broker_has_what_belongs_and_nothing_else(lives: list[tuple[set[str], bool]]) -> None:
    """After any changes and outages the broker keeps exactly the configured topics."""
    broker: set[str] = set()
    store: set[str] = set()
    for belonging, is_connected in [*lives, (lives[-1][0], True)]:
        topics = RetainedTopics()
        topics.restore(store)
        empties = topics.belong(belonging)
        broker |= belonging
        if is_connected:
            for message in empties:
                broker.discard(message.topic)
                topics.cleared(message.topic)
        if (changes := topics.changes()) is not None:
            store = set(changes)
            topics.written(changes)
        assert store == topics.known >= broker
    assert broker == store == lives[-1][0]


def test_the_states_of_a_node() -> None:
    """The states of a node are those of the daemon and of each machine."""
    assert find_states(Topics("aegan", "hall"), ["pump", "fan"]) == {
        "aegan/hall/status",
        "aegan/hall/health",
        PUMP,
        "aegan/hall/pump/sensor",
        FAN,
        "aegan/hall/fan/sensor",
    }


def test_a_picture_is_sent_once() -> None:
    """It waits for a connection, is not sent again on the next one, and is cleared like others; a new one outlasts a refused clearing."""
    topics, first, second = Topics("aegan", "hall"), b"first", b"second"
    place = topics.name("picture", "fan")
    outbox = MemoryOutbox()
    outbox.belong([place])
    outbox.put(topics.picture("fan", b"older"))
    outbox.put(topics.picture("fan", first))
    outbox.connected()
    assert deliver(outbox) == [(place, first)]
    outbox.connected()
    outbox.repeat_retained()
    assert deliver(outbox) == []
    outbox.belong([])
    row = outbox.next()
    assert row is not None
    assert row.message == Message(place, b"", 1, True, "picture")
    outbox.sent(row)
    outbox.refused(row.number, for_good=False)
    outbox.belong([place])
    outbox.put(topics.picture("fan", second))
    assert deliver(outbox) == [(place, second)]
    outbox.connected()
    assert deliver(outbox) == []
    outbox.belong([])
    assert deliver(outbox) == [(place, b"")]
