"""The publisher and a broker that ends, hangs, loses its memory, or is cut off."""

import os
import signal
import subprocess
import sys
from functools import partial

import pytest

from aegan_monitor.mqtt.client import Protocol
from aegan_monitor.mqtt.connection import MAX_IN_FLIGHT
from broker import Mosquitto, Subscriber, wait_until
from example_messages import STATUS, make_alarm, make_event, make_health, make_score, make_sensor, put, sequences
from link import Link
from outbox_messages import MemoryOutbox
from publishers import RETRYING, Make, both
from stopwatch import Stopwatch


@pytest.mark.broker
def test_the_broker_says_offline_when_the_process_is_killed(broker: Mosquitto) -> None:
    """After a kill of the process the broker publishes the last will."""
    program = (
        "import sys, time\n"
        "from aegan_monitor.mqtt.connection_settings import ConnectionSettings\n"
        "from aegan_monitor.mqtt.endpoint import Endpoint\n"
        "from aegan_monitor.messages.topics import Topics\n"
        "from aegan_monitor.mqtt.publisher import MqttPublisher\n"
        "from aegan_monitor.outbox.outbox import Outbox\n"
        "endpoint = Endpoint('127.0.0.1', int(sys.argv[1]), 'child')\n"
        "settings = ConnectionSettings(endpoint=endpoint, protocol='5', topics=Topics('aegan', 'hall'))\n"
        "MqttPublisher(settings, Outbox()).start()\n"
        "time.sleep(60)\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with Subscriber(broker.port) as subscriber:
        with subprocess.Popen([sys.executable, "-c", program, str(broker.port)], env=environment) as child:
            try:
                subscriber.wait_for(lambda message: message.payload == "online", timeout_s=60.0)
            finally:
                child.send_signal(signal.SIGKILL)
        subscriber.wait_for(lambda message: message.payload == "offline")
        assert subscriber.payloads(STATUS) == ["online", "offline"]


@pytest.mark.broker
@both
def test_a_broker_that_forgot_all_is_told_all_retained_state_again(broker: Mosquitto, make: Make, protocol: Protocol) -> None:
    """After a kill -9 of the broker each retained topic holds its newest message again, without a new `put`."""
    outbox = MemoryOutbox()
    publisher = make(broker.port, outbox, protocol=protocol)
    publisher.start()
    put(outbox, make_health(), None)
    put(outbox, make_sensor("ok"))
    put(outbox, make_alarm(active=False))
    put(outbox, make_alarm(active=True))
    publisher.flush()
    wait_until(lambda: outbox.measure().total == 0, "every acknowledgement")
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
def test_what_is_put_during_an_outage_arrives_in_order(broker: Mosquitto, link: Link, make: Make) -> None:
    """After an outage every event arrives once and in order, then the newest state and score."""
    outbox = MemoryOutbox()
    publisher = make(link.port, outbox)
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
        assert outbox.measure().total == 102
        link.join()
        subscriber.wait_for(lambda message: message.topic.endswith("score"))
        wait_until(lambda: outbox.measure().total == 0, "every acknowledgement")
        subscriber.catch_up()
        assert sequences(subscriber) == list(range(100))
        assert subscriber.payloads("aegan/hall/pump/score") == [make_score(99.0).model_dump_json()]
        assert subscriber.payloads("aegan/hall/pump/alarm")[-1:] == [make_alarm(active=False).model_dump_json()]


@pytest.mark.broker
@both
def test_a_connection_that_breaks_under_load_loses_nothing(broker: Mosquitto, link: Link, make: Make, protocol: Protocol) -> None:
    """No event is lost or out of order; only unacknowledged events may arrive twice."""
    outbox = MemoryOutbox()
    publisher = make(link.port, outbox, protocol=protocol)
    link.cut()
    link.join(break_after_bytes=60_000)
    with Subscriber(broker.port) as subscriber:
        for i in range(600):
            put(outbox, make_event(i))
        publisher.start()
        wait_until(lambda: outbox.measure().total < 600, "the first acknowledgements")
        wait_until(lambda: not publisher.connected, "the loss of the connection")
        n_before = outbox.measure().total
        link.cut()
        link.join()
        wait_until(lambda: outbox.measure().total == 0, "every acknowledgement")
        subscriber.catch_up()
        arrived = sequences(subscriber)
    assert 100 < n_before < 500, "the wire broke amid the load"
    assert list(dict.fromkeys(arrived)) == list(range(600))
    assert len(arrived) <= 600 + (600 - n_before) + MAX_IN_FLIGHT


@pytest.mark.broker
def test_a_broker_that_is_down_at_start_is_no_error(broker: Mosquitto, make: Make, caplog: pytest.LogCaptureFixture) -> None:
    """A broker that is down at the start is logged once, and receives everything when it runs."""
    broker.stop()
    outbox = MemoryOutbox()
    publisher = make(broker.port, outbox)
    put(outbox, make_alarm(active=True))
    publisher.start()
    publisher.flush()
    down = f"MQTT broker 127.0.0.1:{broker.port} cannot be reached (Connection refused){RETRYING}"
    wait_until(lambda: caplog.messages, "a line")
    assert caplog.messages == [down]
    assert not publisher.connected
    broker.start()
    wait_until(lambda: outbox.measure().total == 0, "the delivery")
    assert caplog.messages == [down, f"MQTT broker 127.0.0.1:{broker.port} accepted client 'aegan-hall' (MQTT 5)"]
    with Subscriber(broker.port) as subscriber:
        assert subscriber.wait_for(lambda message: message.topic.endswith("alarm")).retained


@pytest.mark.broker
def test_once_a_connection_has_settled_lines_are_told_again(broker: Mosquitto, make: Make, caplog: pytest.LogCaptureFixture) -> None:
    """The log has one line for each outage, not for each attempt."""
    publisher = make(broker.port, MemoryOutbox(), settled_s=0.1)

    def has_settled(until_s: float) -> bool:
        """Whether the connection has settled; checked at every flush."""
        publisher.flush()
        return watch.read_s() > until_s

    where = f"MQTT broker 127.0.0.1:{broker.port}"
    accepted = f"{where} accepted client 'aegan-hall' (MQTT 5)"
    lost = f"{where} lost (connection closed): if this repeats, see its log; it says if another client uses 'aegan-hall'{RETRYING}"
    outage = [lost, f"{where} cannot be reached (Connection refused){RETRYING}", accepted]
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
def test_what_a_broker_has_taken_and_lost_is_sent_again(broker: Mosquitto, link: Link, make: Make) -> None:
    """Events that a broker acknowledged right before it was killed are sent again on the next connection."""
    outbox = MemoryOutbox()
    publisher = make(link.port, outbox)
    publisher.start()
    for i in range(5):
        put(outbox, make_event(i))
    publisher.flush()
    wait_until(lambda: outbox.measure().total == 0, "every acknowledgement")
    link.cut()
    broker.kill()
    broker.start()
    with Subscriber(broker.port) as subscriber:
        link.join()
        wait_until(lambda: set(sequences(subscriber)) == set(range(5)), "all of them again")
        assert list(dict.fromkeys(sequences(subscriber))) == list(range(5))
