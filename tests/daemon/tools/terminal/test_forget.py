"""`aegan-monitor forget`, at a real broker: what is gone leaves, and nothing else."""

import contextlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from paho.mqtt.publish import multiple

from aegan_monitor.cli import main
from aegan_monitor.errors import PublishError
from aegan_monitor.homeassistant.discovery import discover
from aegan_monitor.messages.topics import Topics
from aegan_monitor.mqtt.endpoint import Endpoint
from aegan_monitor.tools.broker_connection import BrokerConnection
from aegan_monitor.tools.terminal.broker import Broker
from aegan_monitor.tools.terminal.forget import forget, is_confirmed
from broker import STEP_DEADLINE_S, Mosquitto
from example_config import make_config

pytestmark = pytest.mark.broker

STATES = ("status", "health", "pump/alarm", "pump/sensor", "fan/alarm", "fan/picture")
OTHERS = {  # what stays: another node, one below the name of the old one, another program's device of a similar name
    "aegan/hall_2/status": b"online",
    "aegan/hall_2/pump/alarm": b"{}",
    "aegan/hall/yard/pump/alarm": b"{}",
    "homeassistant/sensor/hall_lamp/power/config": json.dumps({"unique_id": "lamp", "state_topic": "lamps/hall"}).encode(),
    "homeassistant/sensor/hall_pump/level_other/config": b"no JSON",
}


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mosquitto]:
    """A broker for all tests of this module."""
    broker = Mosquitto(tmp_path_factory.mktemp("mosquitto"), quiet=True)
    broker.start()
    yield broker
    broker.stop()


@pytest.fixture
def stored(broker: Mosquitto) -> set[str]:
    """The topics of a node that is gone, which the broker has stored beside those of others."""
    config = make_config("pump", "fan", evidence={"mqtt_picture": True})
    own = {message.topic: message.payload for message in discover(config, Topics("aegan", "hall"))}
    own |= {f"aegan/hall/{name}": b"offline" if name == "status" else b"\x89PNG" for name in STATES}
    multiple([(topic, payload, 1, True) for topic, payload in (own | OTHERS).items()], port=broker.port)
    return set(own)


def list_kept(broker: Mosquitto) -> set[str]:
    """All topics that the broker has stored."""
    kept: set[str] = set()
    with contextlib.closing(connect(broker, kept)) as connection:
        connection.publish("end")
        connection.serve(lambda: "end" in kept)
    return kept - {"end"}


def connect(broker: Mosquitto, kept: set[str]) -> BrokerConnection:
    """A connection that notes each topic."""
    connection = BrokerConnection(Endpoint("127.0.0.1", broker.port, "reader"), "5", STEP_DEADLINE_S, lambda topic, _: kept.add(topic))
    connection.connect()
    connection.subscribe(["#"])
    return connection


def run(broker: Mosquitto, *words: str) -> int:
    """Run the command."""
    return main(["forget", "--host", "127.0.0.1", "--port", str(broker.port), *words])


def test_a_node_that_is_gone_is_forgotten(broker: Mosquitto, stored: set[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Exactly its topics are listed and cleared, discovery first; what others have stays."""
    assert run(broker, "hall", "--yes") == 0
    lines = capsys.readouterr().out.splitlines()
    assert set(lines[:-1]) == stored
    assert lines[-1] == f"{len(stored)} topic(s) of aegan/hall cleared"
    assert [line.startswith("homeassistant/") for line in lines[:-1]] == sorted([name.startswith("homeassistant/") for name in stored])[
        ::-1
    ]
    assert list_kept(broker) == set(OTHERS)
    assert run(broker, "aegan/hall", "--yes") == 1
    assert "nothing is stored of aegan/hall; name the base topic, too" in capsys.readouterr().err


def test_a_node_that_is_online_stays(broker: Mosquitto, stored: set[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Its daemon would publish all again; the line says what to do."""
    multiple([("aegan/hall/status", b"online", 1, True)], port=broker.port)
    assert run(broker, "hall", "--yes") == 1
    assert "aegan/hall is online, and its daemon would publish all again: stop it first" in capsys.readouterr().err
    assert list_kept(broker) == stored | set(OTHERS)


@pytest.mark.parametrize("answer", ["", "no way"])
def test_nothing_happens_without_a_yes(broker: Mosquitto, stored: set[str], answer: str) -> None:
    """Only y or yes clears."""
    lines: list[str] = []
    place = Broker(Endpoint("127.0.0.1", broker.port, "terminal"), "5", "aegan/+", STEP_DEADLINE_S)
    assert forget(place, "aegan/hall", "homeassistant", lines.append, lambda _: answer) == 1
    assert lines[-1] == "nothing was cleared"
    assert list_kept(broker) == stored | set(OTHERS)


@pytest.mark.parametrize(("typed", "is_yes"), [("y", True), (" Yes ", True), ("n", False), ("yy", False), (None, False)])
def test_an_answer(typed: str | None, is_yes: bool) -> None:
    """y and yes confirm; Ctrl-D, the end of the input, does not."""

    def answer(_: str) -> str:
        if typed is None:
            raise EOFError
        return typed

    assert is_confirmed(answer) == is_yes


def test_a_node_that_comes_back_during_the_question_stays(broker: Mosquitto, stored: set[str]) -> None:
    """What is online after the answer is not cleared."""

    def answer(_: str) -> str:
        multiple([("aegan/hall/status", b"online", 1, True)], port=broker.port)
        return "y"

    place = Broker(Endpoint("127.0.0.1", broker.port, "terminal"), "5", "aegan/+", STEP_DEADLINE_S)
    with pytest.raises(PublishError, match="is online"):
        forget(place, "aegan/hall", "homeassistant", lambda _: None, answer)
    assert list_kept(broker) == stored | set(OTHERS)


def test_nobody_to_ask(broker: Mosquitto, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """In a script the command needs --yes."""
    with (tmp_path / "nothing").open("w+") as nothing:
        monkeypatch.setattr(sys, "stdin", nothing)
        assert run(broker, "hall") == 2
    assert "add --yes" in capsys.readouterr().err


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
def test_a_user_who_may_not_write_is_told(tmp_path: Path, protocol: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A broker that throws the messages away leaves the topics, and the command says so with either version."""
    broker = Mosquitto(tmp_path / "mosquitto", acl="topic read #\nuser node\ntopic readwrite #\n")
    broker.start()
    multiple([("aegan/hall/pump/alarm", b"{}", 1, True)], port=broker.port, auth={"username": "node", "password": ""})
    assert run(broker, "hall", "--yes", "--protocol", protocol) == 1
    assert "the ACL must let this user write" in capsys.readouterr().err
    broker.stop()
