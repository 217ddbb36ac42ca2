"""A network cut without FIN: noticed in time, and recovered from."""

import time
from datetime import datetime
from pathlib import Path

import pytest

from aegan_monitor.mqtt.connection import NOTICE_KEEPALIVES
from alternating import AlternatingSound
from broker import Mosquitto, Subscriber, wait_until
from network import Cable
from running import EVENT_TOPIC, Daemon, write_config

KEEPALIVE_S = 10


def logged_at(daemon: Daemon, text: str) -> float:
    """The wall-clock time of the first log line with that text."""
    (line, *_) = (line for line in daemon.log.splitlines() if text in line)
    return datetime.strptime(line[:23], "%Y-%m-%d %H:%M:%S,%f").astimezone().timestamp()


@pytest.mark.broker
@pytest.mark.netns
@pytest.mark.timeout(300)
def test_a_cut_is_noticed_within_two_keep_alives_and_costs_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The cut is logged, the daemon reconnects, and every event arrives in order."""
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
            cut_at = time.time()
            cable.pull()
            noticed = " without acknowledgement for "
            wait_until(lambda: noticed in daemon.log, "the end of the connection", 3 * KEEPALIVE_S)
            noticed_s = logged_at(daemon, noticed) - cut_at
            with capsys.disabled():
                print(f"\n  the cut was noticed after {noticed_s / KEEPALIVE_S:.2f} keep-alives")
            assert noticed_s < NOTICE_KEEPALIVES * KEEPALIVE_S, daemon.log
            n_logged = daemon.n_logged
            wait_until(lambda: daemon.n_logged > n_logged + 4, "events during the outage")
            cable.plug()
            n_told = daemon.n_logged
            wait_until(lambda: len({message.json()["id"] for message in subscriber.received()}) > n_told, "what was logged", 60.0)
            assert daemon.end() == 0
            arrived = list(dict.fromkeys(message.json()["sequence"] for message in subscriber.received()))
            assert arrived == list(range(1, len(arrived) + 1))
        broker.stop()
