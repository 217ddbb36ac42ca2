"""The publisher and a broker that refuses passwords, topics, sizes, or a second client with the same id."""

import socket
from pathlib import Path

import pytest

from aegan_monitor.homeassistant.discovery import discover
from aegan_monitor.messages.topics import Message
from aegan_monitor.mqtt.client import LARGER_LIMIT, Protocol
from aegan_monitor.outbox.backoff import LONGEST_RETRIAL_S
from broker import Mosquitto, Subscriber, wait_until
from example_config import make_config
from example_messages import EVENT_TOPIC, STATUS, TOPICS, make_alarm, make_event, put
from mqtt_peer import accepting, answer, read_packet
from outbox_messages import MemoryOutbox
from publishers import RETRYING, Clock, Make, both

RIGHT, WRONG = "right-secret", "wrong-secret"
SMALL_PACKETS = b"\x20\x08\x00\x00\x05\x27\x00\x00\x00\xc8"  # CONNACK with a maximum packet size of 200 bytes


@pytest.mark.broker
@both
def test_a_wrong_password_is_reported_once_and_never_shown(
    tmp_path: Path, make: Make, protocol: Protocol, caplog: pytest.LogCaptureFixture
) -> None:
    """A wrong password gives one log line for all attempts, and appears in no log or repr."""
    broker = Mosquitto(tmp_path / "mosquitto", users={"pump": RIGHT})
    broker.start()
    publisher = make(broker.port, MemoryOutbox(), protocol=protocol, username="pump", password=WRONG)
    publisher.start()
    wait_until(lambda: broker.log.count("not authorised") >= 3, "three attempts")
    publisher.stop()
    broker.stop()
    refused = f"MQTT broker 127.0.0.1:{broker.port} refused client 'aegan-hall' (Not authorized): "
    assert caplog.messages == [f"{refused}check mqtt.username and mqtt.password_file{RETRYING}"]
    assert WRONG not in caplog.text + repr(publisher)


@pytest.mark.broker
@both
def test_a_topic_that_the_broker_refuses_is_parked_and_counted(
    tmp_path: Path, make: Make, protocol: Protocol, caplog: pytest.LogCaptureFixture
) -> None:
    """A refused topic is logged once and counted under MQTT 5 (3.1.1 has no refusal); other topics are delivered."""
    acl = f"topic write {STATUS}\ntopic write aegan/hall/pump/alarm\ntopic read #\n"
    broker = Mosquitto(tmp_path / "mosquitto", acl=acl)
    broker.start()
    outbox = MemoryOutbox()
    with Subscriber(broker.port) as subscriber:
        for i in range(3):
            put(outbox, make_event(i))
        put(outbox, make_alarm(active=True))
        publisher = make(broker.port, outbox, protocol=protocol)
        publisher.start()
        subscriber.wait_for(lambda message: message.topic.endswith("alarm"))
        wait_until(lambda: outbox.measure().parked == (3 if protocol == "5" else 0), "the refusal")
        wait_until(lambda: outbox.measure().total == (3 if protocol == "5" else 0), "an answer to each")
        put(outbox, make_alarm(active=False))
        publisher.flush()
        subscriber.wait_for(lambda message: message.payload == make_alarm(active=False).model_dump_json())
        publisher.stop()
        assert subscriber.received(EVENT_TOPIC) == []
    broker.stop()
    reported = f"refused a message on {EVENT_TOPIC} (Not authorized): it is sent again every 1 to 10 minutes; check the broker's ACL"
    assert publisher.refused_total == (3 if protocol == "5" else 0)
    assert publisher.problem == (reported if protocol == "5" else "")
    assert caplog.messages[1:] == ([f"MQTT broker 127.0.0.1:{broker.port} {reported}"] if protocol == "5" else [])


@pytest.mark.broker
def test_discovery_that_the_broker_refuses_is_reported_once(tmp_path: Path, make: Make, caplog: pytest.LogCaptureFixture) -> None:
    """Refused discovery gives one log line, not one for each entity."""
    broker = Mosquitto(tmp_path / "mosquitto", acl=f"topic write {STATUS}\n")
    broker.start()
    outbox = MemoryOutbox()
    for message in discover(make_config("pump"), TOPICS):
        outbox.put(message)
    publisher = make(broker.port, outbox)
    publisher.start()
    wait_until(lambda: outbox.measure().total == 0, "an answer to each")
    reported = "(Not authorized): it is sent again every 1 to 10 minutes; check the broker's ACL"
    assert caplog.messages[1:] == [f"MQTT broker 127.0.0.1:{broker.port} refused a message on homeassistant/+/+/+/config {reported}"]
    publisher.stop()
    broker.stop()


@pytest.mark.broker
def test_a_state_that_is_refused_holds_online_back_for_no_time(tmp_path: Path, make: Make) -> None:
    """A refused state counts as answered, so `online` is not delayed."""
    broker = Mosquitto(tmp_path / "mosquitto", {"monitor": RIGHT}, f"user monitor\ntopic write {STATUS}\n")
    broker.start()
    outbox = MemoryOutbox()
    put(outbox, make_alarm(active=True))
    publisher = make(broker.port, outbox, username="monitor", password=RIGHT, answer_timeout_s=60.0)
    publisher.start()
    wait_until(lambda: f"'{STATUS}', ... (6 bytes)" in broker.log, "online")
    publisher.stop()
    broker.stop()


@pytest.mark.broker
@both
def test_two_clients_with_one_id_are_told_so(broker: Mosquitto, make: Make, protocol: Protocol, caplog: pytest.LogCaptureFixture) -> None:
    """Two clients with one id, which disconnect each other, give one log line with that id."""
    for _ in range(2):
        make(broker.port, MemoryOutbox(), protocol=protocol).start()
    line = (
        f"MQTT broker 127.0.0.1:{broker.port} lost (connection closed): "
        f"if this repeats, see its log; it says if another client uses 'aegan-hall'{RETRYING}"
    )
    wait_until(lambda: caplog.messages.count(line) == 2, "the line from both")
    n_connections = broker.log.count("New client connected")
    wait_until(lambda: broker.log.count("New client connected") > n_connections + 4, "more of the same")
    assert caplog.messages.count(line) == 2


def test_what_is_too_large_for_the_broker_is_not_sent(make: Make, caplog: pytest.LogCaptureFixture) -> None:
    """A message over the broker's size limit is logged and never sent; later messages are sent."""
    outbox = MemoryOutbox()
    put(outbox, make_event(1))  # over 200 bytes
    outbox.put(Message(EVENT_TOPIC, b"short", 1, False, "event"))
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        publisher = make(port, outbox)
        publisher.start()
        with accepting(server, SMALL_PACKETS) as (_, stream, _):
            status, event = read_packet(stream), read_packet(stream)
            assert (STATUS.encode() in status[1], event[1][-5:]) == (True, b"short")
            publisher.stop(timeout_s=0.0)
    reported = f"refused a message on {EVENT_TOPIC} (Packet too large): it is not sent again on this connection; {LARGER_LIMIT}"
    assert f"MQTT broker 127.0.0.1:{port} {reported}" in caplog.messages
    assert (publisher.refused_total, outbox.measure().parked) == (1, 1)


def test_what_ends_the_connection_by_its_size_is_parked(make: Make) -> None:
    """A message on which the broker closes the connection is sent only once."""
    outbox = MemoryOutbox()
    put(outbox, make_event(1))
    outbox.put(Message("aegan/hall/fan/event", b"short", 1, False, "event"))
    with socket.create_server(("127.0.0.1", 0)) as server:
        publisher = make(server.getsockname()[1], outbox)
        publisher.start()
        for n_connection in range(2):
            with accepting(server) as (peer, stream, _):
                packets = [read_packet(stream) for _ in range(3 - n_connection)]
                assert any(b"id-1" in body for _, body in packets) == (n_connection == 0)
                peer.sendall(b"\xe0\x02\x95\x00")  # DISCONNECT: packet too large
                assert stream.read() == b""
        publisher.stop(timeout_s=0.0)
    assert outbox.measure().parked >= 1


def test_what_a_broker_refuses_for_the_moment_it_is_offered_again(make: Make, caplog: pytest.LogCaptureFixture) -> None:
    """A temporary refusal is retried on the same connection, for events, states and `online`; one log line a topic."""
    outbox = MemoryOutbox(clock=(clock := Clock()))
    put(outbox, make_event(1))
    put(outbox, make_alarm(active=True))
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        publisher = make(port, outbox, repeat_s=0.2)
        publisher.start()
        with accepting(server) as (peer, stream, _):
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
            wait_until(lambda: outbox.measure().total == 0, "the delivery")
            publisher.stop(timeout_s=0.0)
    refusals = [message for message in caplog.messages if "refused" in message]
    reported = "(Quota exceeded): it is sent again every 1 to 10 minutes; see the log of the broker"
    topics = {EVENT_TOPIC, STATUS, "aegan/hall/pump/alarm"}
    assert sorted(refusals) == sorted(f"MQTT broker 127.0.0.1:{port} refused a message on {topic} {reported}" for topic in topics)


def test_a_result_that_is_refused_is_not_offered_again(make: Make) -> None:
    """A refused result is not sent again, and the log line does not promise it."""
    outbox = MemoryOutbox(clock=(clock := Clock()))
    outbox.put(Message("aegan/hall/pump/result", b"{}", 1, False, "result"))
    with socket.create_server(("127.0.0.1", 0)) as server:
        publisher = make(server.getsockname()[1], outbox)
        publisher.start()
        with accepting(server) as (peer, stream, _):
            for reason in (0, 0x97):  # `online` first
                peer.sendall(answer(read_packet(stream), reason))
            wait_until(lambda: publisher.problem, "the refusal")
            clock.now_s += 1000.0
            assert (outbox.next(), outbox.measure().total) == (None, 0)
            publisher.stop(timeout_s=0.0)
    reported = "(Quota exceeded): it is not sent again on this connection; see the log of the broker"
    assert publisher.problem == f"refused a message on aegan/hall/pump/result {reported}"


@pytest.mark.broker
@pytest.mark.parametrize(
    ("line", "protocol", "advice"),
    [
        ("retain_available false", "5", "(Retain not supported): the broker must allow retained messages"),
        ("max_qos 0", "5", "(QoS not supported): the broker must allow QoS 1"),
        ("retain_available false", "3.1.1", "is it an MQTT 3.1.1 broker that allows retained messages and QoS 1?"),
    ],
)
def test_a_broker_without_what_is_needed_is_named(
    tmp_path: Path, make: Make, caplog: pytest.LogCaptureFixture, line: str, protocol: Protocol, advice: str
) -> None:
    """A broker without retained messages or QoS 1 is named in the log."""
    broker = Mosquitto(tmp_path / "mosquitto", more=[line])
    broker.start()
    publisher = make(broker.port, MemoryOutbox(), protocol=protocol)
    publisher.start()
    wait_until(lambda: publisher.problem, "a line")
    publisher.stop()
    broker.stop()
    assert advice in caplog.text
