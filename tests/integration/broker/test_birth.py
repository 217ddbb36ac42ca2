"""A real daemon answers Home Assistant's birth message, on the default topic although the discovery prefix is another one."""

import subprocess
from pathlib import Path

import pytest

from aegan_monitor.homeassistant.birth import BIRTH_TOPIC
from alternating import AlternatingSound
from broker import Mosquitto, Subscriber
from running import Daemon, write_config

DEADLINE_S = 60.0


@pytest.mark.broker
@pytest.mark.parametrize("topic", [BIRTH_TOPIC, "ha/status"])
def test_a_birth_repeats_what_is_retained(broker: Mosquitto, tmp_path: Path, topic: str) -> None:
    """After `online` on the default topic or the prefix's own the sensor's state is sent again, unchanged."""
    config = write_config(tmp_path, broker.port, more="home_assistant: {prefix: ha}\n")
    with Subscriber(broker.port, "aegan/box/pump/sensor") as sensor, Daemon(config, AlternatingSound(), events_per_s=1.0):
        first = sensor.wait_for(lambda message: message.json()["state"] == "ok", DEADLINE_S)
        n_before = len(sensor.received())
        subprocess.run(["mosquitto_pub", "-p", str(broker.port), "-t", topic, "-m", "online"], check=True)
        sensor.wait_for(lambda _: len(sensor.received()) > n_before, DEADLINE_S)
        assert sensor.received()[-1].payload == first.payload
