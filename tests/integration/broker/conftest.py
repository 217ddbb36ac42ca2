"""One Home Assistant and its broker for all tests of it, because its start is slow; one worker runs them."""

from collections.abc import Iterator

import pytest

from broker import Mosquitto, Subscriber, wait_until
from home_assistant import START_S, HomeAssistant, publish
from running import find_retained

BROKER_GONE = (  # complaints of a broker that a test has killed; the phone of the tests is reached by it, too
    "homeassistant.components.mqtt.client",
    "Error talking to MQTT: The client is not currently connected",
)


@pytest.fixture(scope="session")
def home_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mosquitto]:
    """Its broker."""
    server = Mosquitto(tmp_path_factory.mktemp("mosquitto"))
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def running_home(home_broker: Mosquitto, tmp_path_factory: pytest.TempPathFactory) -> Iterator[HomeAssistant]:
    """Home Assistant, set up."""
    with HomeAssistant(tmp_path_factory.mktemp("home_assistant") / "home", home_broker.port) as found:
        yield found


@pytest.fixture
def home(home_broker: Mosquitto, running_home: HomeAssistant) -> Iterator[HomeAssistant]:
    """Home Assistant without machines; at the end its log must hold no complaint."""
    n_before = len(running_home.complaints)
    yield running_home
    assert [line for line in running_home.complaints[n_before:] if not any(gone in line for gone in BROKER_GONE)] == []
    with Subscriber(home_broker.port) as subscriber:
        subscriber.catch_up()
        kept = find_retained(subscriber.received())
    for topic in kept:
        publish(home_broker, topic, "-r", "-n")
    wait_until(lambda: not running_home.states(), "the end of every entity", START_S)
