"""A network that is cut without a word: noticed in time, and over when it is over."""

import time
from pathlib import Path

import pytest

from alternating import AlternatingSound
from broker import Mosquitto, Subscriber, wait_until
from network import Cable
from running import EVENT_TOPIC, Daemon, write_config

KEEPALIVE_S = 6


@pytest.mark.broker
@pytest.mark.netns
def test_a_cut_is_noticed_within_one_and_a_half_keep_alives_and_costs_nothing(tmp_path: Path) -> None:
    """The daemon says so, connects again by itself when the network is back, and every event arrives, in order."""
    sound = AlternatingSound()
    with Cable() as cable:
        broker = Mosquitto(tmp_path / "mosquitto", address=cable.address, through=cable.through)
        broker.start()
        config = write_config(tmp_path, broker.port, host=cable.address, keepalive_s=KEEPALIVE_S)
        with (
            Subscriber(broker.port, EVENT_TOPIC, host=cable.address, through=cable.through) as subscriber,
            Daemon(config, sound, 4.0) as daemon,
        ):
            wait_until(lambda: len(subscriber.received()) > 10, "events", 60.0)
            cut_at_s = time.monotonic()
            cable.pull()
            wait_until(lambda: daemon.told_at_s(" lost ("), "the end of the connection", 30.0)
            noticed_s = (daemon.told_at_s("lost (Keep alive timeout)") or 1e9) - cut_at_s
            assert noticed_s < 1.5 * KEEPALIVE_S, daemon.log
            n_logged = daemon.n_logged
            wait_until(lambda: daemon.n_logged > n_logged + 4, "events during the outage")
            cable.plug()
            n_told = daemon.n_logged
            wait_until(lambda: len({message.json()["id"] for message in subscriber.received()}) > n_told, "what was logged", 60.0)
            assert daemon.end() == 0
            arrived = list(dict.fromkeys(message.json()["sequence"] for message in subscriber.received()))
            assert arrived == list(range(1, len(arrived) + 1))
        broker.stop()
