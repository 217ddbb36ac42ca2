"""The publisher against a real broker: what arrives, what is sent again, and what is logged when nothing can."""

import base64
import contextlib
import hashlib
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import pytest

from aegan_monitor.homeassistant.discovery import discover
from aegan_monitor.messages.payloads import Alarm, Event, Health, MachineHealth, Payload, Score, Sensor
from aegan_monitor.messages.topics import Message, Topics
from aegan_monitor.mqtt.client import LARGER_LIMIT, Protocol
from aegan_monitor.mqtt.connection import NOTICE_KEEPALIVES, ConnectionSettings
from aegan_monitor.mqtt.endpoint import Endpoint
from aegan_monitor.mqtt.inflight import MAX_IN_FLIGHT
from aegan_monitor.mqtt.publisher import MqttPublisher
from aegan_monitor.outbox.backoff import LONGEST_RETRIAL_S
from aegan_monitor.outbox.entry import Row
from aegan_monitor.outbox.outbox import Outbox
from broker import STEP_DEADLINE_S, Mosquitto, Subscriber, find_free_port, wait_until
from link import Link
from stopwatch import Stopwatch

TIME = datetime(2026, 1, 31, 8, 15, tzinfo=UTC)
TOPICS = Topics("aegan", "hall")
STATUS, EVENT_TOPIC = "aegan/hall/status", "aegan/hall/pump/event"
RIGHT, WRONG = "right-secret", "wrong-secret"
RETRYING = "; retrying every 0.05 to 0.2 s"
ACCEPTED = b"\x20\x03\x00\x00\x00"  # CONNACK of MQTT 5
WHERE = "check mqtt.host, mqtt.port, mqtt.protocol and mqtt.tls"
MALFORMED_PROPERTIES = "malformed packet: Not enough data to decode Variable Byte Integer"
NO_ANSWER = f"the connection ended (no answer): is it an MQTT 5 broker? {WHERE}"
TAKEN_OVER = "lost (Session taken over): another client uses 'aegan-hall'; change mqtt.client_id of one of them"
PROTOCOLS: tuple[Protocol, ...] = ("5", "3.1.1")
both = pytest.mark.parametrize("protocol", PROTOCOLS)

Make = Callable[..., MqttPublisher]


def put(outbox: Outbox, payload: Payload, machine: str | None = "pump") -> None:
    """Put it as the worker does."""
    outbox.put(TOPICS.message(payload, machine))


def make_event(sequence: int) -> Event:
    """An event that is told from others by its number."""
    numbers: dict[str, Any] = {"sample": 16_000 * sequence, "score": 1.5, "threshold": 1.0, "duration_s": None}
    return Event(id=f"id-{sequence}", sequence=sequence, kind="raised", active=True, time=TIME, cause="too loud", score_id="z", **numbers)


def make_alarm(active: bool) -> Alarm:
    """An alarm's state."""
    return Alarm(state="alarm" if active else "normal", active=active, since=TIME, score=1.5, threshold=1.0, event_id=None)


def make_score(score: float) -> Score:
    """A decision."""
    rest: dict[str, Any] = {"normalised": 0.0, "threshold": 1.0, "exceeded": False, "level_dbfs": -30.0, "state": "normal"}
    return Score(time=TIME, sample=16_000, stream_s=1.0, score_id="z", score=score, **rest)


def make_health() -> Health:
    """The daemon's health."""
    machine = MachineHealth(state="normal", sensor="ok", coverage_percent=100.0, dropped_samples_total=0, gaps_total=0)
    counts = {"outbox_depth": 0, "outbox_dropped_total": 0, "refused_total": 0, "rss_bytes": 1}
    rest: dict[str, Any] = {"version": "0", "uptime_s": 1.0, "provider": "cpu", "providers_requested": ("cpu",), **counts}
    return Health(time=TIME, machines={"pump": machine}, **rest)


def make_sensor(state: str) -> Sensor:
    """A sensor's state."""
    return Sensor(state=state, detail="", since=TIME)


def read_packet(stream: BinaryIO) -> tuple[int, bytes]:
    """The next MQTT packet: its first byte, and what follows its length."""
    first, length, shift = stream.read(1)[0], 0, 0
    while True:
        digit = stream.read(1)[0]
        length |= (digit & 0x7F) << shift
        shift += 7
        if digit < 0x80:
            return first, stream.read(length)


class Accepted(NamedTuple):
    """A connection that was accepted, a moment after `told_s`."""

    peer: socket.socket
    stream: BinaryIO
    told_s: float


@contextlib.contextmanager
def accepting(server: socket.socket, accepted: bytes = ACCEPTED) -> Iterator[Accepted]:
    """The first connection that hears of it in time, and says something then: a busy machine may keep a publisher waiting for too long."""
    is_heard = False
    while not is_heard:
        peer, _ = server.accept()
        with peer, peer.makefile("rb") as stream:
            peer.settimeout(STEP_DEADLINE_S)
            told_s = time.monotonic()
            with contextlib.suppress(IndexError, OSError):
                read_packet(stream)
                told_s = time.monotonic()
                peer.sendall(accepted)
                is_heard = bool(stream.peek(1))
            if is_heard:
                yield Accepted(peer, stream, told_s)


class Clock:
    """A clock that the test sets."""

    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def publish_id(packet: tuple[int, bytes]) -> int:
    """The message id of a PUBLISH with QoS 1."""
    first, body = packet
    assert first & 0xF6 == 0x32, packet
    n_topic = int.from_bytes(body[:2], "big")
    return int.from_bytes(body[2 + n_topic : 4 + n_topic], "big")


def sequences(subscriber: Subscriber) -> list[int]:
    """The numbers of the events that have arrived."""
    return [message.json()["sequence"] for message in subscriber.received(EVENT_TOPIC)]


@pytest.fixture
def make(caplog: pytest.LogCaptureFixture) -> Iterator[Make]:
    """Makes publishers that retry fast, and stops them in the end."""
    caplog.set_level(logging.INFO, "aegan_monitor.mqtt.publisher")
    made: list[MqttPublisher] = []

    def make_publisher(port: int, outbox: Outbox, **changes: Any) -> MqttPublisher:
        who = {name: changes.pop(name) for name in ("username", "password", "websocket_path") if name in changes}
        endpoint = Endpoint("127.0.0.1", port, "aegan-hall", **who)
        settings = ConnectionSettings(**{"endpoint": endpoint, "protocol": "5", "topics": TOPICS, **changes})
        made.append(MqttPublisher(settings, outbox, retry_s=(0.05, 0.2)))
        return made[-1]

    yield make_publisher
    for publisher in made:
        publisher.stop()
    wait_for_end()


def wait_for_end(n_left: int = 0) -> None:
    """Until no more publishers than that have their thread."""
    wait_until(lambda: [thread.name for thread in threading.enumerate()].count("mqtt") == n_left, "the end of a publisher's thread")


@pytest.fixture
def link(broker: Mosquitto) -> Iterator[Link]:
    """A link to the broker, joined."""
    wire = Link(broker.port)
    wire.join()
    yield wire
    wire.cut()


@pytest.fixture
def serve() -> Iterator[Callable[[bytes | None], int]]:
    """Serves, on the port that it returns, peers that hear something, answer these bytes and hang up; None: say nothing."""
    servers: list[socket.socket] = []
    kept: list[socket.socket] = []

    def answer(server: socket.socket, reply: bytes | None) -> None:
        while True:
            try:
                peer, _ = server.accept()
            except OSError:
                return
            if reply is None:
                kept.append(peer)  # and says nothing
                continue
            with peer, contextlib.suppress(OSError):  # it may have gone by now
                peer.recv(4096)
                peer.sendall(reply)

    def start(reply: bytes | None) -> int:
        server = socket.create_server(("127.0.0.1", 0))
        servers.append(server)
        threading.Thread(target=answer, args=(server, reply), daemon=True).start()
        return int(server.getsockname()[1])

    yield start
    for server in servers:
        server.shutdown(socket.SHUT_RDWR)
    for end in (*servers, *kept):
        end.close()


@pytest.mark.broker
@both
def test_online_comes_first_and_offline_last(broker: Mosquitto, make: Make, protocol: Protocol) -> None:
    """A subscriber sees the daemon come and go, and a later one sees that it has gone."""
    outbox = Outbox()
    with Subscriber(broker.port) as subscriber:
        publisher = make(broker.port, outbox, protocol=protocol)
        put(outbox, make_event(1))
        publisher.start()
        subscriber.wait_for(lambda message: message.topic == EVENT_TOPIC)
        publisher.stop(timeout_s=STEP_DEADLINE_S)
        subscriber.wait_for(lambda message: message.payload == "offline")
        assert [message.topic for message in subscriber.received()] == [STATUS, EVENT_TOPIC, STATUS]
        assert subscriber.payloads(STATUS) == ["online", "offline"]
    assert not publisher.connected
    with Subscriber(broker.port) as later:
        assert later.wait_for(lambda message: message.topic == STATUS).retained


@pytest.mark.broker
@both
def test_states_are_right_before_online_comes(broker: Mosquitto, link: Link, make: Make, protocol: Protocol) -> None:
    """A subscriber that believes them from then on never believes an old one, at a start after a crash or after an outage."""
    crashed = make(broker.port, outbox := Outbox(), protocol=protocol)
    put(outbox, make_alarm(active=True))
    crashed.start()
    wait_until(lambda: outbox.depth == 0, "the state of before")
    crashed.stop()
    outbox = Outbox()
    for i in range(100):
        put(outbox, make_event(i))
    put(outbox, make_sensor("ok"))
    put(outbox, make_alarm(active=False))
    publisher = make(link.port, outbox, protocol=protocol)
    with Subscriber(broker.port) as subscriber:
        publisher.start()
        subscriber.wait_for(lambda message: message.payload == "online")
        link.cut()
        subscriber.wait_for(lambda message: message.payload == "offline" and not message.retained)
        put(outbox, make_event(100))
        put(outbox, make_alarm(active=True))
        link.join()
        wait_until(lambda: subscriber.payloads(STATUS)[-1] == "online", "the connection after the outage")
        told = [message for message in subscriber.received() if not message.retained]
    alarm_topic, sensor_topic = "aegan/hall/pump/alarm", "aegan/hall/pump/sensor"
    believed, held = [], {alarm_topic: make_alarm(active=True).model_dump_json(), sensor_topic: ""}
    for message in told:
        held[message.topic] = message.payload
        if message.payload == "online":
            believed.append((held[alarm_topic], held[sensor_topic]))
    assert believed == [(make_alarm(active=active).model_dump_json(), make_sensor("ok").model_dump_json()) for active in (False, True)]


@pytest.mark.parametrize("n_events", [0, 2], ids=["a state", "events, and the state behind them"])
def test_online_waits_for_no_answer_for_ever(make: Make, n_events: int) -> None:
    """A broker that takes the connection, and then leaves something unanswered, hears `online` all the same."""
    outbox = Outbox()
    for i in range(n_events):
        put(outbox, make_event(i))
    put(outbox, make_alarm(active=True))
    with socket.create_server(("127.0.0.1", 0)) as server:
        publisher = make(server.getsockname()[1], outbox, answer_timeout_s=0.5)
        publisher.start()
        with accepting(server) as (_, stream, told_s):
            packets = [read_packet(stream) for _ in range(n_events + 2)]
            took_s = time.monotonic() - told_s
            publisher.stop(timeout_s=0.0)
    assert b"alarm" in packets[-2][1]
    assert packets[-1][1].endswith(b"online")
    assert took_s > 0.5


@pytest.mark.broker
@both
def test_a_state_that_is_refused_holds_online_back_for_no_time(tmp_path: Path, make: Make, protocol: Protocol) -> None:
    """Its refusal is an answer, too."""
    broker = Mosquitto(tmp_path / "mosquitto", {"monitor": RIGHT}, f"user monitor\ntopic write {STATUS}\n")
    broker.start()
    outbox = Outbox()
    put(outbox, make_alarm(active=True))
    publisher = make(broker.port, outbox, protocol=protocol, username="monitor", password=RIGHT, answer_timeout_s=60.0)
    publisher.start()
    wait_until(lambda: f"'{STATUS}', ... (6 bytes)" in broker.log, "online")
    publisher.stop()
    broker.stop()


@pytest.mark.broker
@both
def test_every_kind_arrives_as_its_schema_says(broker: Mosquitto, make: Make, protocol: Protocol) -> None:
    """The bytes, QoS and retain flag that subscribers see are those of the outbox (and obey docs/schemas, as the subscriber watches)."""
    outbox = Outbox()
    publisher = make(broker.port, outbox, protocol=protocol)
    publisher.start()
    payloads: list[Payload] = [make_health(), make_sensor("ok"), make_score(1.5), make_event(1), make_alarm(active=True)]
    with Subscriber(broker.port) as subscriber:
        for payload in payloads:
            message = TOPICS.message(payload, None if isinstance(payload, Health) else "pump")
            outbox.put(message)
            publisher.flush()
            topic = message.topic
            arrived = subscriber.wait_for(lambda received, topic=topic: received.topic == topic)  # type: ignore[misc]
            assert (arrived.payload.encode(), arrived.qos, arrived.retained) == (message.payload, message.qos, False)
    wait_until(lambda: outbox.depth == 0, "every acknowledgement")
    with Subscriber(broker.port) as later:
        later.catch_up()
        kinds = {message.topic.rsplit("/", 1)[1] for message in later.received() if message.retained}
        assert kinds == {"status", "health", "sensor", "alarm"}


@pytest.mark.broker
@both
def test_the_broker_says_offline_when_the_process_is_killed(broker: Mosquitto, protocol: Protocol) -> None:
    """The last will covers what the process cannot say any more."""
    program = (
        "import sys, time\n"
        "from aegan_monitor.mqtt.connection import NOTICE_KEEPALIVES, ConnectionSettings\n"
        "from aegan_monitor.mqtt.endpoint import Endpoint\n"
        "from aegan_monitor.messages.topics import Topics\n"
        "from aegan_monitor.mqtt.publisher import MqttPublisher\n"
        "from aegan_monitor.outbox.outbox import Outbox\n"
        "endpoint = Endpoint('127.0.0.1', int(sys.argv[1]), 'child')\n"
        "settings = ConnectionSettings(endpoint=endpoint, protocol=sys.argv[2], topics=Topics('aegan', 'hall'))\n"
        "MqttPublisher(settings, Outbox()).start()\n"
        "time.sleep(60)\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with Subscriber(broker.port) as subscriber:
        with subprocess.Popen([sys.executable, "-c", program, str(broker.port), protocol], env=environment) as child:
            try:
                subscriber.wait_for(lambda message: message.payload == "online", timeout_s=60.0)
            finally:
                child.send_signal(signal.SIGKILL)
        subscriber.wait_for(lambda message: message.payload == "offline")
        assert subscriber.payloads(STATUS) == ["online", "offline"]


@pytest.mark.broker
@both
def test_a_broker_that_forgot_all_is_told_all_retained_state_again(broker: Mosquitto, make: Make, protocol: Protocol) -> None:
    """After a kill -9 of the broker each retained topic holds its newest message, with nobody putting anything."""
    outbox = Outbox()
    publisher = make(broker.port, outbox, protocol=protocol)
    publisher.start()
    put(outbox, make_health(), None)
    put(outbox, make_sensor("ok"))
    put(outbox, make_alarm(active=False))
    put(outbox, make_alarm(active=True))
    publisher.flush()
    wait_until(lambda: outbox.depth == 0, "every acknowledgement")
    broker.kill()
    online = f"'{STATUS}', ... (6 bytes)"
    n_before = broker.log.count(online)
    broker.start()
    wait_until(lambda: broker.log.count(online) > n_before, "the last word of the next connection's beginning")
    with Subscriber(broker.port) as subscriber:
        subscriber.catch_up()
        assert {message.topic: message.payload for message in subscriber.received() if message.retained} == {
            STATUS: "online",
            "aegan/hall/health": make_health().model_dump_json(),
            "aegan/hall/pump/sensor": make_sensor("ok").model_dump_json(),
            "aegan/hall/pump/alarm": make_alarm(active=True).model_dump_json(),
        }


@pytest.mark.broker
@both
def test_what_is_put_during_an_outage_arrives_in_order(broker: Mosquitto, link: Link, make: Make, protocol: Protocol) -> None:
    """All events, each once, then the newest state and the newest score only."""
    outbox = Outbox()
    publisher = make(link.port, outbox, protocol=protocol)
    publisher.start()
    wait_until(lambda: publisher.connected, "the connection")
    with Subscriber(broker.port) as subscriber:
        link.cut()
        wait_until(lambda: not publisher.connected, "the loss of the connection")
        subscriber.wait_for(lambda message: message.payload == "offline")
        for i in range(100):
            put(outbox, make_event(i))
            put(outbox, make_alarm(active=i % 2 == 0))
            put(outbox, make_score(float(i)))
            publisher.flush()
        assert outbox.depth == 102
        link.join()
        subscriber.wait_for(lambda message: message.topic.endswith("score"))
        wait_until(lambda: outbox.depth == 0, "every acknowledgement")
        subscriber.catch_up()
        assert sequences(subscriber) == list(range(100))
        assert subscriber.payloads("aegan/hall/pump/score") == [make_score(99.0).model_dump_json()]
        assert subscriber.payloads("aegan/hall/pump/alarm")[-1:] == [make_alarm(active=False).model_dump_json()]


@pytest.mark.broker
@both
def test_a_connection_that_breaks_under_load_loses_nothing(broker: Mosquitto, link: Link, make: Make, protocol: Protocol) -> None:
    """Nothing is missing or out of order; twice comes only what the broker may have lost of what it took."""
    outbox = Outbox()
    publisher = make(link.port, outbox, protocol=protocol)
    link.cut()
    link.join(break_after_bytes=60_000)
    with Subscriber(broker.port) as subscriber:
        for i in range(600):
            put(outbox, make_event(i))
        publisher.start()
        wait_until(lambda: outbox.depth < 600, "the first acknowledgements")
        wait_until(lambda: not publisher.connected, "the loss of the connection")
        n_before = outbox.depth
        link.cut()
        link.join()
        wait_until(lambda: outbox.depth == 0, "every acknowledgement")
        subscriber.catch_up()
        arrived = sequences(subscriber)
    assert 100 < n_before < 500, "the wire broke amid the load"
    assert list(dict.fromkeys(arrived)) == list(range(600))
    assert len(arrived) <= 600 + (600 - n_before) + MAX_IN_FLIGHT


@pytest.mark.parametrize(("accepted", "n_allowed"), [(ACCEPTED, MAX_IN_FLIGHT), (b"\x20\x06\x00\x00\x03\x21\x00\x02", 2)])
def test_the_brokers_limit_is_kept(make: Make, accepted: bytes, n_allowed: int) -> None:
    """No more messages wait for their acknowledgement than the broker's CONNACK allows (MQTT 5 receive maximum), or than our own limit."""
    outbox = Outbox()
    for i in range(100):
        put(outbox, make_alarm(active=True), f"pump{i}")
    with socket.create_server(("127.0.0.1", 0)) as server:
        publisher = make(server.getsockname()[1], outbox)
        publisher.start()
        peer, _ = server.accept()
        with peer, peer.makefile("rb") as stream:
            assert read_packet(stream)[0] == 0x10  # CONNECT
            peer.sendall(accepted)
            message_ids = [publish_id(read_packet(stream)) for _ in range(n_allowed)]
            peer.settimeout(0.2)
            with pytest.raises(TimeoutError):
                stream.read(1)
        publisher.stop(timeout_s=0.0)
    assert len(set(message_ids)) == n_allowed


@pytest.mark.broker
@both
def test_a_broker_that_is_down_at_start_is_no_error(
    broker: Mosquitto, make: Make, protocol: Protocol, caplog: pytest.LogCaptureFixture
) -> None:
    """It is told once, tried again, and gets everything when it comes up."""
    broker.stop()
    outbox = Outbox()
    publisher = make(broker.port, outbox, protocol=protocol)
    put(outbox, make_alarm(active=True))
    publisher.start()
    publisher.flush()
    down = f"MQTT broker 127.0.0.1:{broker.port} cannot be reached (Connection refused){RETRYING}"
    wait_until(lambda: caplog.messages, "a line")
    assert caplog.messages == [down]
    assert not publisher.connected
    broker.start()
    wait_until(lambda: outbox.depth == 0, "the delivery")
    assert caplog.messages == [down, f"MQTT broker 127.0.0.1:{broker.port} accepted client 'aegan-hall' (MQTT {protocol})"]
    with Subscriber(broker.port) as subscriber:
        assert subscriber.wait_for(lambda message: message.topic.endswith("alarm")).retained


@pytest.mark.broker
@both
def test_a_wrong_password_is_told_once_and_never_shown(
    tmp_path: Path, make: Make, protocol: Protocol, caplog: pytest.LogCaptureFixture
) -> None:
    """One plain line whatever the number of attempts, and the password is in no log and no repr."""
    broker = Mosquitto(tmp_path / "mosquitto", users={"pump": RIGHT})
    broker.start()
    publisher = make(broker.port, Outbox(), protocol=protocol, username="pump", password=WRONG)
    publisher.start()
    wait_until(lambda: broker.log.count("not authorised") >= 3, "three attempts")
    publisher.stop()
    broker.stop()
    refused = f"MQTT broker 127.0.0.1:{broker.port} refused client 'aegan-hall' (Not authorized): "
    assert caplog.messages == [f"{refused}check mqtt.username and mqtt.password_file{RETRYING}"]
    assert WRONG not in caplog.text + repr(publisher)


@pytest.mark.broker
@both
def test_the_right_password_is_accepted(tmp_path: Path, make: Make, protocol: Protocol) -> None:
    """User name and password reach the broker."""
    broker = Mosquitto(tmp_path / "mosquitto", users={"pump": RIGHT})
    broker.start()
    publisher = make(broker.port, Outbox(), protocol=protocol, username="pump", password=RIGHT)
    publisher.start()
    wait_until(lambda: publisher.connected, "the connection")
    publisher.stop()
    broker.stop()


@pytest.mark.broker
@both
def test_a_topic_that_the_broker_refuses_is_parked_and_counted(
    tmp_path: Path, make: Make, protocol: Protocol, caplog: pytest.LogCaptureFixture
) -> None:
    """It is logged once under MQTT 5; 3.1.1 acknowledges what it throws away. The rest gets through."""
    acl = f"topic write {STATUS}\ntopic write aegan/hall/pump/alarm\ntopic read #\n"
    broker = Mosquitto(tmp_path / "mosquitto", acl=acl)
    broker.start()
    outbox = Outbox()
    with Subscriber(broker.port) as subscriber:
        for i in range(3):
            put(outbox, make_event(i))
        put(outbox, make_alarm(active=True))
        publisher = make(broker.port, outbox, protocol=protocol)
        publisher.start()
        subscriber.wait_for(lambda message: message.topic.endswith("alarm"))
        wait_until(lambda: outbox.measure().parked == (3 if protocol == "5" else 0), "the refusal")
        wait_until(lambda: outbox.depth == (3 if protocol == "5" else 0), "an answer to each")
        put(outbox, make_alarm(active=False))
        publisher.flush()
        subscriber.wait_for(lambda message: message.payload == make_alarm(active=False).model_dump_json())
        publisher.stop()
        assert subscriber.received(EVENT_TOPIC) == []
    broker.stop()
    told = f"refused a message on {EVENT_TOPIC} (Not authorized): it is sent again every 1 to 10 minutes; check the broker's ACL"
    assert publisher.refused_total == (3 if protocol == "5" else 0)
    assert publisher.problem == (told if protocol == "5" else "")
    assert caplog.messages[1:] == ([f"MQTT broker 127.0.0.1:{broker.port} {told}"] if protocol == "5" else [])


@pytest.mark.broker
def test_discovery_that_the_broker_refuses_is_told_once(tmp_path: Path, make: Make, caplog: pytest.LogCaptureFixture) -> None:
    """A broker without Home Assistant need not let it pass: one line says so, not one an entity."""
    broker = Mosquitto(tmp_path / "mosquitto", acl=f"topic write {STATUS}\n")
    broker.start()
    outbox = Outbox()
    for message in discover(TOPICS, ["pump"], "homeassistant"):
        outbox.put(message)
    publisher = make(broker.port, outbox)
    publisher.start()
    wait_until(lambda: outbox.depth == 0, "an answer to each")
    told = "(Not authorized): it is sent again every 1 to 10 minutes; check the broker's ACL"
    assert caplog.messages[1:] == [f"MQTT broker 127.0.0.1:{broker.port} refused a message on homeassistant/+/+/+/config {told}"]
    publisher.stop()
    broker.stop()


@pytest.mark.broker
@both
def test_two_clients_with_one_id_are_told_so(broker: Mosquitto, make: Make, protocol: Protocol, caplog: pytest.LogCaptureFixture) -> None:
    """They kick each other out for ever; the line names the id, and comes once."""
    for _ in range(2):
        make(broker.port, Outbox(), protocol=protocol).start()
    line = (
        f"MQTT broker 127.0.0.1:{broker.port} ends each connection soon (connection closed): "
        f"see its log; it says if another client uses 'aegan-hall'{RETRYING}"
    )
    wait_until(lambda: caplog.messages.count(line) == 2, "the line from both")
    n_connections = broker.log.count("New client connected")
    wait_until(lambda: broker.log.count("New client connected") > n_connections + 4, "more of the same")
    assert caplog.messages.count(line) == 2


@pytest.mark.broker
def test_once_a_connection_has_settled_lines_are_told_again(broker: Mosquitto, make: Make, caplog: pytest.LogCaptureFixture) -> None:
    """The log tells the story of each outage, not of each attempt."""
    publisher = make(broker.port, Outbox(), settled_s=0.1)

    def has_settled(until_s: float) -> bool:
        """It looks at every flush; a connection has settled a little after its 0.1 s."""
        publisher.flush()
        return watch.read_s() > until_s

    where = f"MQTT broker 127.0.0.1:{broker.port}"
    accepted = f"{where} accepted client 'aegan-hall' (MQTT 5)"
    outage = [f"{where} lost (connection closed){RETRYING}", f"{where} cannot be reached (Connection refused){RETRYING}", accepted]
    publisher.start()
    with Stopwatch() as watch:
        wait_until(lambda: caplog.messages == [accepted], "the connection")
        for n in range(1, 3):
            wait_until(partial(has_settled, watch.read_s() + 0.7), "a settled connection")
            broker.kill()
            wait_until(lambda n=n: len(caplog.messages) == 3 * n, "the outage's lines")  # type: ignore[misc]
            broker.start()
            wait_until(lambda n=n: len(caplog.messages) == 3 * n + 1, "the connection's line")  # type: ignore[misc]
    assert caplog.messages == [accepted, *outage, *outage]


@pytest.mark.broker
@both
def test_a_broker_that_hangs_is_noticed(broker: Mosquitto, make: Make, protocol: Protocol, caplog: pytest.LogCaptureFixture) -> None:
    """A connection on which nothing answers any more ends by the keep-alive, and what was in flight is delivered later."""
    outbox = Outbox()
    publisher = make(broker.port, outbox, protocol=protocol, keepalive_s=1)
    publisher.start()
    wait_until(lambda: publisher.connected, "the connection")
    broker.pause()
    put(outbox, make_alarm(active=True))
    publisher.flush()
    wait_until(lambda: not publisher.connected, "the keep-alive's end")
    assert f"MQTT broker 127.0.0.1:{broker.port} lost (Keep alive timeout){RETRYING}" in caplog.messages
    assert outbox.depth == 1
    broker.resume()
    wait_until(lambda: outbox.depth == 0, "the delivery")


@pytest.mark.broker
@both
def test_stop_delivers_what_is_pending(broker: Mosquitto, make: Make, protocol: Protocol) -> None:
    """Even when it comes right after `start`: all events, then offline."""
    outbox = Outbox()
    for i in range(100):
        put(outbox, make_event(i))
    with Subscriber(broker.port) as subscriber:
        publisher = make(broker.port, outbox, protocol=protocol)
        publisher.start()
        publisher.stop(timeout_s=STEP_DEADLINE_S)
        subscriber.wait_for(lambda message: message.payload == "offline")
        assert sequences(subscriber) == list(range(100))
    assert outbox.depth == 0


@pytest.mark.broker
@both
def test_stop_waits_for_a_broker_that_is_slow(broker: Mosquitto, make: Make, protocol: Protocol) -> None:
    """A connection that is still being made when `stop` comes is made, and used, if it takes no longer than allowed."""
    outbox = Outbox()
    put(outbox, make_alarm(active=True))
    broker.pause()
    publisher = make(broker.port, outbox, protocol=protocol)
    publisher.start()
    awake = threading.Timer(0.3, broker.resume)
    awake.start()
    publisher.stop(timeout_s=STEP_DEADLINE_S)
    awake.join()
    assert outbox.depth == 0


@pytest.mark.broker
@both
def test_stop_does_not_wait_for_a_broker_that_hangs(broker: Mosquitto, make: Make, protocol: Protocol) -> None:
    """It gives up in time, keeps what is not acknowledged, and the last will says offline once the broker lives again."""
    outbox = Outbox()
    publisher = make(broker.port, outbox, protocol=protocol)
    publisher.start()
    wait_until(lambda: publisher.connected, "the connection")
    with Subscriber(broker.port) as subscriber:
        broker.pause()
        put(outbox, make_event(1))
        with Stopwatch() as watch:
            publisher.stop(timeout_s=0.3)
            assert watch.read_s() < 2.0
        assert outbox.depth == 1
        broker.resume()
        subscriber.wait_for(lambda message: message.payload == "offline")


@pytest.mark.parametrize(
    ("reply", "line"),
    [
        (b"\x20\x02\x00\x01", "refused client 'aegan-hall' (Unsupported protocol version): set mqtt.protocol to 3.1.1"),
        (b"", f"cannot be reached ({NO_ANSWER})"),
        (b"HTTP/1.1 400 Bad\r\n\r\n", f"cannot be reached ({NO_ANSWER})"),
        (b"\x20\x03\x00\x00\x05", f"cannot be reached ({NO_ANSWER})".replace("no answer", MALFORMED_PROPERTIES)),
        (None, "gave no answer within 0.3 s: " + WHERE),
        (ACCEPTED + b"\xe0\x02\x8e\x00", TAKEN_OVER),
        (ACCEPTED + b"\xe0\x02\x8b\x00", "lost (Server shutting down)"),
    ],
    ids=["MQTT 3.1.1 only", "hangs up", "a web server", "broken", "silent", "another of that id", "ending"],
)
def test_what_the_peer_does_is_told(
    serve: Callable[[bytes | None], int], make: Make, caplog: pytest.LogCaptureFixture, reply: bytes | None, line: str
) -> None:
    """A peer that is no MQTT 5 broker, or an odd one: a line that says what to do."""
    port = serve(reply)
    publisher = make(port, Outbox(), answer_timeout_s=0.3 if reply is None else 60.0)
    publisher.start()
    wait_until(lambda: "WARNING" in caplog.text, "a line")
    warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert warnings[0] == f"MQTT broker 127.0.0.1:{port} {line}{RETRYING}"


@pytest.mark.broker
def test_an_error_of_our_own_does_not_end_the_delivery(broker: Mosquitto, make: Make, caplog: pytest.LogCaptureFixture) -> None:
    """The thread tells of what should not happen, and tries again."""

    class FaultyOutbox(Outbox):
        """Fails once."""

        failed = False

        def next(self) -> Row | None:
            """As ever, but for the first time."""
            if not self.failed:
                self.failed = True
                raise RuntimeError("disk on fire")
            return super().next()

    outbox = FaultyOutbox()
    put(outbox, make_alarm(active=True))
    make(broker.port, outbox).start()
    wait_until(lambda: outbox.depth == 0, "the delivery")
    assert f"MQTT broker 127.0.0.1:{broker.port}: please report this; retrying" in caplog.messages
    assert "disk on fire" in caplog.text


def test_it_is_harmless_to_flush_or_stop_what_does_not_run(make: Make) -> None:
    """The composition root may undo what it has not done."""
    publisher = make(1, Outbox())
    publisher.flush()
    publisher.stop()
    publisher.start()
    publisher.stop()
    publisher.flush()
    publisher.stop()


def test_flush_never_blocks(serve: Callable[[bytes | None], int], make: Make) -> None:
    """However often it is called, and with a thread that is busy."""

    class SlowOutbox(Outbox):
        """As slow as a worn-out disk."""

        asked, released = threading.Event(), threading.Event()
        gave_up = False

        def next(self) -> Row | None:
            """As ever, but late."""
            self.asked.set()
            self.gave_up |= not self.released.wait(20.0)
            return super().next()

    outbox = SlowOutbox()
    publisher = make(serve(ACCEPTED), outbox)
    publisher.start()
    assert outbox.asked.wait(10.0)
    for _ in range(20_000):
        publisher.flush()
    outbox.released.set()
    publisher.stop()
    assert not outbox.gave_up


@pytest.mark.broker
def test_what_a_broker_has_taken_and_lost_is_sent_again(broker: Mosquitto, make: Make) -> None:
    """It is killed right after its acknowledgements, and a subscriber that was away gets every event all the same."""
    outbox = Outbox()
    publisher = make(broker.port, outbox)
    with Subscriber(broker.port):
        publisher.start()
        for i in range(5):
            put(outbox, make_event(i))
        publisher.flush()
        wait_until(lambda: outbox.depth == 0, "every acknowledgement")
        broker.kill()
        wait_until(lambda: not publisher.connected, "the loss of the connection")
    broker.start()
    with Subscriber(broker.port) as subscriber:
        wait_until(lambda: set(sequences(subscriber)) == set(range(5)), "all of them again")
        assert list(dict.fromkeys(sequences(subscriber))) == list(range(5))


SMALL_PACKETS = b"\x20\x08\x00\x00\x05\x27\x00\x00\x00\xc8"  # CONNACK with a maximum packet size of 200 bytes


def test_what_is_too_large_for_the_broker_is_not_sent(make: Make, caplog: pytest.LogCaptureFixture) -> None:
    """It is told and parked for good; what follows goes out."""
    outbox = Outbox()
    put(outbox, make_event(1))  # over 200 bytes
    outbox.put(Message(EVENT_TOPIC, b"short", 1, False, "event"))
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        publisher = make(port, outbox)
        publisher.start()
        peer, _ = server.accept()
        with peer, peer.makefile("rb") as stream:
            assert read_packet(stream)[0] == 0x10  # CONNECT
            peer.sendall(SMALL_PACKETS)
            status, event = read_packet(stream), read_packet(stream)
            assert (STATUS.encode() in status[1], event[1][-5:]) == (True, b"short")
            publisher.stop(timeout_s=0.0)
    told = f"refused a message on {EVENT_TOPIC} (Packet too large): it is not sent again on this connection; {LARGER_LIMIT}"
    assert f"MQTT broker 127.0.0.1:{port} {told}" in caplog.messages
    assert (publisher.refused_total, outbox.measure().parked) == (1, 1)


def test_what_ends_the_connection_by_its_size_is_parked(make: Make) -> None:
    """A broker that hangs up on a message gets it once."""
    outbox = Outbox()
    put(outbox, make_event(1))
    outbox.put(Message("aegan/hall/fan/event", b"short", 1, False, "event"))
    with socket.create_server(("127.0.0.1", 0)) as server:
        publisher = make(server.getsockname()[1], outbox)
        publisher.start()
        for n_connection in range(2):
            peer, _ = server.accept()
            with peer, peer.makefile("rb") as stream:
                read_packet(stream)
                peer.sendall(ACCEPTED)
                packets = [read_packet(stream) for _ in range(3 - n_connection)]
                assert any(b"id-1" in body for _, body in packets) == (n_connection == 0)
                peer.sendall(b"\xe0\x02\x95\x00")  # DISCONNECT: packet too large
                assert stream.read() == b""
        publisher.stop(timeout_s=0.0)
    assert outbox.measure().parked >= 1


def test_each_connection_starts_clean(make: Make) -> None:
    """MQTT 5: clean start, no session expiry, and no packet over 64 KiB."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        publisher = make(server.getsockname()[1], Outbox())
        publisher.start()
        peer, _ = server.accept()
        with peer, peer.makefile("rb") as stream:
            _, body = read_packet(stream)
            peer.sendall(ACCEPTED)
            publisher.stop(timeout_s=0.0)
    assert body[7] & 0x02  # clean start
    assert body[10:16] == b"\x05\x27\x00\x01\x00\x00"  # one property: the maximum packet size


@pytest.mark.broker
@both
def test_a_websocket_delivers_too(tmp_path: Path, make: Make, protocol: Protocol) -> None:
    """Enough to fill more than one frame."""
    plain = find_free_port()
    broker = Mosquitto(tmp_path / "mosquitto", more=["protocol websockets", f"listener {plain} 127.0.0.1"])
    broker.start()
    outbox = Outbox()
    with Subscriber(plain) as subscriber:
        publisher = make(broker.port, outbox, protocol=protocol, websocket_path="/mqtt")
        for i in range(200):
            put(outbox, make_event(i))
        publisher.start()
        wait_until(lambda: outbox.depth == 0, "every acknowledgement")
        subscriber.catch_up()
        assert sequences(subscriber) == list(range(200))
        publisher.stop()
    broker.stop()


def test_a_silent_peer_is_left_within_two_keep_alives(make: Make, caplog: pytest.LogCaptureFixture) -> None:
    """It has accepted the connection, and then nothing comes any more, no FIN either."""
    with socket.create_server(("127.0.0.1", 0)) as server, Stopwatch() as watch:
        publisher = make(server.getsockname()[1], Outbox(), keepalive_s=2)
        publisher.start()
        with accepting(server) as (peer, stream, _):
            online = read_packet(stream)
            began_s = watch.read_s()
            peer.sendall(answer(online))  # it owes nothing
            wait_until(lambda: any("lost (Keep alive timeout)" in message for message in caplog.messages), "its end")
            took_s = watch.read_s() - began_s
            assert stream.read().endswith(b"\xc0\x00")  # it has asked: PINGREQ
    assert took_s < (NOTICE_KEEPALIVES + 0.5) * 2  # a turn of the loop, on a busy machine


def hear_out(server: socket.socket) -> list[bytes]:
    """Accept a connection, answer its pings and nothing else; what came in each packet until the other side hung up."""
    bodies: list[bytes] = []
    with accepting(server) as (peer, stream, _), contextlib.suppress(IndexError, OSError):
        while True:
            first, body = read_packet(stream)
            bodies.append(body)
            if first == 0xC0:
                peer.sendall(b"\xd0\x00")
    return bodies


def test_a_broker_that_acknowledges_nothing_is_left(make: Make, caplog: pytest.LogCaptureFixture) -> None:
    """It answers pings, so only what it owes tells. Each connection sends what was owed again; a reason is told once, however often."""
    outbox = Outbox()
    put(outbox, make_event(1))
    told = f"left a message without acknowledgement for 3 s: see the log of the broker{RETRYING}"
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        # Twice the time for an answer: so late as CONNACK may come, the message is late by then, and the connection no settled one.
        publisher = make(port, outbox, keepalive_s=2, answer_timeout_s=1.0, settled_s=2.0)
        publisher.start()
        heard: list[list[bytes]] = []
        while len(heard) < 2:
            bodies = hear_out(server)
            if publisher.problem == told:  # else nobody had a turn, to ask or to answer
                heard.append(bodies)
        publisher.stop(timeout_s=0.0)
    assert all(any(b"id-1" in body for body in bodies) for bodies in heard)
    assert caplog.messages.count(f"MQTT broker 127.0.0.1:{port} {told}") == 1
    assert outbox.depth == 1


def make_upgrade(request: bytes) -> bytes:
    """A WebSocket server's answer (RFC 6455, 1.3)."""
    key = next(line.partition(b": ")[2] for line in request.split(b"\r\n") if line.startswith(b"Sec-WebSocket-Key"))
    accept = base64.b64encode(hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())  # noqa: S324 # as it is written there
    head = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "
    return head + accept + b"\r\n\r\n"


@pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")  # paho drops the one on which its handshake failed
@pytest.mark.parametrize("accepts", [False, True], ids=["hangs up", "accepts after all"])
def test_one_that_was_given_up_leaves_the_flights_of_the_next_alone(make: Make, accepts: bool) -> None:
    """It hung in its connection as `stop` gave up, and comes out of it while another delivers the same outbox."""
    outbox = Outbox()
    with socket.create_server(("127.0.0.1", 0)) as slow, socket.create_server(("127.0.0.1", 0)) as server:
        before = make(slow.getsockname()[1], outbox, websocket_path="/mqtt")
        before.start()
        waiting, _ = slow.accept()
        with waiting:
            request = waiting.recv(4096)
            before.stop(timeout_s=0.1)
            put(outbox, make_event(1))
            put(outbox, make_event(2))
            publisher = make(server.getsockname()[1], outbox)
            publisher.start()
            peer, _ = server.accept()
            with peer, peer.makefile("rb") as stream:
                peer.settimeout(10.0)
                read_packet(stream)
                peer.sendall(ACCEPTED)
                packets = [read_packet(stream), read_packet(stream)]
                assert b"id-1" in packets[1][1]
                if accepts:
                    waiting.sendall(make_upgrade(request) + bytes((0x82, len(ACCEPTED))) + ACCEPTED)
                else:
                    waiting.close()
                wait_for_end(n_left=1)
                for packet in packets:
                    peer.sendall(b"\x40\x02" + publish_id(packet).to_bytes(2, "big"))
                assert b"id-2" in read_packet(stream)[1]
                publisher.stop(timeout_s=0.0)


def answer(packet: tuple[int, bytes], reason: int = 0) -> bytes:
    """A PUBACK."""
    return b"\x40\x03" + publish_id(packet).to_bytes(2, "big") + bytes((reason,))


def test_what_a_broker_refuses_for_the_moment_it_is_offered_again(make: Make, caplog: pytest.LogCaptureFixture) -> None:
    """On the same connection, an event, a state and `online` alike; each topic is told of once."""
    outbox = Outbox(clock=(clock := Clock()))
    put(outbox, make_event(1))
    put(outbox, make_alarm(active=True))
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        publisher = make(port, outbox, repeat_s=0.2)
        publisher.start()
        peer, _ = server.accept()
        with peer, peer.makefile("rb") as stream:
            peer.settimeout(10.0)
            read_packet(stream)
            peer.sendall(ACCEPTED)
            n_refused = 0
            for reason in (0x97, 0x97, 0):
                missing = {STATUS, EVENT_TOPIC, "aegan/hall/pump/alarm"}
                while missing:  # where we are slow, `online` comes twice
                    packet = read_packet(stream)
                    missing.discard(packet[1][2 : 2 + int.from_bytes(packet[1][:2], "big")].decode())
                    peer.sendall(answer(packet, reason))
                    n_refused += reason != 0
                wait_until(lambda n=n_refused: publisher.refused_total == n, "the refusals")  # type: ignore[misc]
                clock.now_s += LONGEST_RETRIAL_S
            wait_until(lambda: outbox.depth == 0, "the delivery")
            publisher.stop(timeout_s=0.0)
    refusals = [message for message in caplog.messages if "refused" in message]
    told = "(Quota exceeded): it is sent again every 1 to 10 minutes; see the log of the broker"
    topics = {EVENT_TOPIC, STATUS, "aegan/hall/pump/alarm"}
    assert sorted(refusals) == sorted(f"MQTT broker 127.0.0.1:{port} refused a message on {topic} {told}" for topic in topics)


def test_a_result_that_is_refused_is_not_offered_again(make: Make) -> None:
    """Nor does the log say so."""
    outbox = Outbox(clock=(clock := Clock()))
    outbox.put(Message("aegan/hall/pump/result", b"{}", 1, False, "result"))
    with socket.create_server(("127.0.0.1", 0)) as server:
        publisher = make(server.getsockname()[1], outbox)
        publisher.start()
        peer, _ = server.accept()
        with peer, peer.makefile("rb") as stream:
            peer.settimeout(10.0)
            read_packet(stream)
            peer.sendall(ACCEPTED)
            for reason in (0, 0x97):  # `online` first
                peer.sendall(answer(read_packet(stream), reason))
            wait_until(lambda: publisher.problem, "the refusal")
            clock.now_s += 1000.0
            assert (outbox.next(), outbox.depth) == (None, 0)
            publisher.stop(timeout_s=0.0)
    told = "(Quota exceeded): it is not sent again on this connection; see the log of the broker"
    assert publisher.problem == f"refused a message on aegan/hall/pump/result {told}"


NO_KEEP_ALIVE = b"\x20\x06\x00\x00\x03\x13\x00\x00"  # CONNACK with a Server Keep Alive of 0


def test_a_broker_that_wants_no_keep_alive_is_served(make: Make) -> None:
    """MQTT 5 lets it say so (Server Keep Alive 0): silence then means nothing, but what it owes does."""
    outbox = Outbox()
    with socket.create_server(("127.0.0.1", 0)) as server:
        publisher = make(server.getsockname()[1], outbox, keepalive_s=1, answer_timeout_s=1.0)
        publisher.start()
        with accepting(server, NO_KEEP_ALIVE) as (peer, stream, _):
            peer.sendall(answer(read_packet(stream)))
            peer.settimeout(2.0)
            with pytest.raises(TimeoutError):
                stream.read(1)
            assert publisher.connected
        with accepting(server, NO_KEEP_ALIVE) as (_, stream, _):
            assert stream.read()
            wait_until(lambda: "without acknowledgement for 1.5 s" in publisher.problem, "the word that it owes")
            publisher.stop(timeout_s=0.0)
