"""What `check` finds out about a broker beside permissions."""

from pathlib import Path

import pytest

from aegan_monitor.mqtt.client import LARGER_LIMIT
from aegan_monitor.mqtt.endpoint import Endpoint
from broker import Mosquitto
from broker_stages import probe


@pytest.mark.broker
@pytest.mark.parametrize(("line", "advice"), [("retain_available false", "retained messages"), ("max_qos 0", "QoS 1")])
def test_a_broker_without_what_is_needed_fails(tmp_path: Path, line: str, advice: str) -> None:
    """A broker without retained messages or QoS 1 fails, because the visit has a will like the daemon's."""
    broker = Mosquitto(tmp_path / "mosquitto", more=[line])
    broker.start()
    failure = probe(Endpoint("127.0.0.1", broker.port, "aegan-hall"))[1]
    broker.stop()
    assert failure.startswith("MQTT: refused client 'aegan-hall-check'")
    assert advice in failure


@pytest.mark.broker
@pytest.mark.parametrize("more", ["message_size_limit 512", "max_packet_size 512"])
def test_the_largest_message_is_tried(tmp_path: Path, more: str) -> None:
    """A broker that refuses the largest message fails the check; MQTT 3.1.1 cannot tell."""
    broker = Mosquitto(tmp_path / "mosquitto", more=[more])
    broker.start()
    endpoint = Endpoint("127.0.0.1", broker.port, "aegan-hall")
    assert probe(endpoint, largest_bytes=300)[0][-1] == "largest message: ok, 300 bytes"
    assert (
        probe(endpoint, largest_bytes=800)[1]
        == f"largest message: 800 bytes, the most that `run` sends, were refused (Packet too large); {LARGER_LIMIT}"
    )
    assert probe(endpoint, "3.1.1", largest_bytes=800)[0][-1].startswith("largest message: unknown")
    broker.stop()


@pytest.mark.broker
def test_a_user_name_that_may_be_the_client_id_is_reported(tmp_path: Path) -> None:
    """A broker that uses the user name as client id gives a warning, because a check would disconnect the daemon."""
    broker = Mosquitto(tmp_path / "mosquitto", users={"pump": "secret"}, more=["use_username_as_clientid true"])
    broker.start()
    reported, _ = probe(Endpoint("127.0.0.1", broker.port, "aegan-hall", "pump", "secret"))
    broker.stop()
    assert [line for line in reported if "use_username_as_clientid" in line]
