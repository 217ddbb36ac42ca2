"""The publisher with a real broker: what arrives, in which order, and how it stops."""

import socket
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from aegan_monitor.messages.payloads import Health
from aegan_monitor.mqtt.client import Protocol
from aegan_monitor.outbox.entry import Entry
from broker import STEP_DEADLINE_S, Mosquitto, Subscriber, wait_until
from example_messages import EVENT_TOPIC, STATUS, TOPICS, make_alarm, make_event, make_health, make_score, make_sensor, put, sequences
from link import Link
from mqtt_peer import ACCEPTED, accepting, make_upgrade, publish_id, read_packet
from outbox_messages import MemoryOutbox
from publishers import Make, both, wait_for_end
from stopwatch import Stopwatch

if TYPE_CHECKING:
    from aegan_monitor.messages.model import Payload


@pytest.mark.broker
@both
def test_online_comes_first_and_offline_last(broker: Mosquitto, make: Make, protocol: Protocol) -> None:
    """A subscriber receives `online` at the start and `offline` at the end, and a later subscriber the retained `offline`."""
    outbox = MemoryOutbox()
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
def test_states_are_right_before_online_comes(broker: Mosquitto, link: Link, make: Make) -> None:
    """All retained states are current before `online` is published, at a start after a crash and after an outage."""
    crashed = make(broker.port, outbox := MemoryOutbox())
    put(outbox, make_alarm(active=True))
    crashed.start()
    wait_until(lambda: outbox.measure().total == 0, "the state of before")
    crashed.stop()
    outbox = MemoryOutbox()
    for i in range(100):
        put(outbox, make_event(i))
    put(outbox, make_sensor("ok"))
    put(outbox, make_alarm(active=False))
    publisher = make(link.port, outbox)
    with Subscriber(broker.port) as subscriber:
        publisher.start()
        subscriber.wait_for(lambda message: message.payload == "online")
        link.cut()
        subscriber.wait_for(lambda message: message.payload == "offline" and not message.retained)
        put(outbox, make_event(100))
        put(outbox, make_alarm(active=True))
        link.join()
        wait_until(lambda: subscriber.payloads(STATUS)[-1] == "online", "the connection after the outage")
        reported = [message for message in subscriber.received() if not message.retained]
    alarm_topic, sensor_topic = "aegan/hall/pump/alarm", "aegan/hall/pump/sensor"
    believed, held = [], {alarm_topic: make_alarm(active=True).model_dump_json(), sensor_topic: ""}
    for message in reported:
        held[message.topic] = message.payload
        if message.payload == "online":
            believed.append((held[alarm_topic], held[sensor_topic]))
    assert believed == [(make_alarm(active=active).model_dump_json(), make_sensor("ok").model_dump_json()) for active in (False, True)]


@pytest.mark.broker
def test_every_kind_arrives_as_its_schema_says(broker: Mosquitto, make: Make) -> None:
    """Bytes, QoS and retain flag arrive as in the outbox and obey docs/schemas."""
    outbox = MemoryOutbox()
    publisher = make(broker.port, outbox)
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
    wait_until(lambda: outbox.measure().total == 0, "every acknowledgement")
    with Subscriber(broker.port) as later:
        later.catch_up()
        kinds = {message.topic.rsplit("/", 1)[1] for message in later.received() if message.retained}
        assert kinds == {"status", "health", "sensor", "alarm"}


@pytest.mark.broker
def test_stop_delivers_what_is_pending(broker: Mosquitto, make: Make) -> None:
    """`stop`, even right after `start`, delivers all events and then `offline`."""
    outbox = MemoryOutbox()
    for i in range(100):
        put(outbox, make_event(i))
    with Subscriber(broker.port) as subscriber:
        publisher = make(broker.port, outbox)
        publisher.start()
        publisher.stop(timeout_s=STEP_DEADLINE_S)
        subscriber.wait_for(lambda message: message.payload == "offline")
        assert sequences(subscriber) == list(range(100))
    assert outbox.measure().total == 0


@pytest.mark.broker
def test_stop_waits_for_a_broker_that_is_slow(broker: Mosquitto, make: Make) -> None:
    """`stop` waits for a connection in progress, if it takes no longer than allowed."""
    outbox = MemoryOutbox()
    put(outbox, make_alarm(active=True))
    broker.pause()
    publisher = make(broker.port, outbox)
    publisher.start()
    awake = threading.Timer(0.3, broker.resume)
    awake.start()
    publisher.stop(timeout_s=STEP_DEADLINE_S)
    awake.join()
    assert outbox.measure().total == 0


@pytest.mark.broker
def test_stop_does_not_wait_for_a_broker_that_hangs(broker: Mosquitto, make: Make) -> None:
    """`stop` ends in time and keeps unacknowledged events; the last will says `offline` when the broker runs again."""
    outbox = MemoryOutbox()
    publisher = make(broker.port, outbox)
    publisher.start()
    wait_until(lambda: publisher.connected, "the connection")
    with Subscriber(broker.port) as subscriber:
        broker.pause()
        put(outbox, make_event(1))
        with Stopwatch() as watch:
            publisher.stop(timeout_s=0.3)
            assert watch.read_s() < 2.0
        assert outbox.measure().total == 1
        broker.resume()
        subscriber.wait_for(lambda message: message.payload == "offline")


@pytest.mark.broker
def test_an_error_of_our_own_does_not_end_the_delivery(broker: Mosquitto, make: Make, caplog: pytest.LogCaptureFixture) -> None:
    """An unexpected error in the thread is logged, and delivery is tried again."""

    class FaultyOutbox(MemoryOutbox):
        """An outbox that fails once."""

        failed = False

        def next(self) -> Entry | None:
            """Give the next message, or fail the first time."""
            if not self.failed:
                self.failed = True
                raise RuntimeError("disk on fire")
            return super().next()

    outbox = FaultyOutbox()
    put(outbox, make_alarm(active=True))
    make(broker.port, outbox).start()
    wait_until(lambda: outbox.measure().total == 0, "the delivery")
    assert f"MQTT broker 127.0.0.1:{broker.port}: please report this; retrying" in caplog.messages
    assert "disk on fire" in caplog.text


def test_it_is_harmless_to_flush_or_stop_what_does_not_run(make: Make) -> None:
    """`flush` and `stop` do nothing before `start`."""
    publisher = make(1, MemoryOutbox())
    publisher.flush()
    publisher.stop()
    publisher.start()
    publisher.stop()
    publisher.flush()
    publisher.stop()


def test_flush_never_blocks(serve: Callable[[bytes | None], int], make: Make) -> None:
    """`flush` returns at once, also while the thread is busy."""

    class SlowOutbox(MemoryOutbox):
        """An outbox as slow as a failing disk."""

        asked, released = threading.Event(), threading.Event()
        gave_up = False

        def next(self) -> Entry | None:
            """Give the next message, late."""
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


@pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")  # paho drops the one on which its handshake failed
@pytest.mark.parametrize("accepts", [False, True], ids=["hangs up", "accepts after all"])
def test_one_that_was_given_up_leaves_the_flights_of_the_next_alone(make: Make, accepts: bool) -> None:
    """A hung thread that `stop` gave up does not disturb the next publisher of the same outbox."""
    outbox = MemoryOutbox()
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
            with accepting(server) as (peer, stream, _):
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
