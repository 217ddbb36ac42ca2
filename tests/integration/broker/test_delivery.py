"""No event is lost while daemon and broker are killed at random, at a subscriber with a persistent session."""

import contextlib
import random
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import pytest

from alternating import AlternatingSound
from broker import Mosquitto, Received, Subscriber, wait_until
from chaos import scaled
from link import Link
from running import ALARM_TOPIC, EVENT_TOPIC, Daemon, stored_alarm, write_config

N_EVENTS, N_BROKER_KILLS, N_DAEMON_KILLS = scaled(500), scaled(20), scaled(10)
SEED = 4
SUBSCRIBED = "Sending SUBACK to witness"


def sequences(messages: list[Received]) -> list[int]:
    """The event numbers in order of arrival."""
    return [message.json()["sequence"] for message in messages]


def kill_broker(broker: Mosquitto, link: Link | None, pause_s: float) -> None:
    """Kill and restart the broker; with a `link` the daemon stays disconnected until the subscriber has subscribed again."""
    n_subscribed = broker.log.count(SUBSCRIBED)
    if link:
        link.cut()
    broker.kill()
    time.sleep(pause_s)
    broker.start()
    if link:
        wait_until(lambda: broker.log.count(SUBSCRIBED) > n_subscribed, "the subscriber")
        link.join()


@pytest.mark.broker
@pytest.mark.timeout(180)
@pytest.mark.parametrize("saves", ["at once", "late"])
def test_nothing_is_lost_while_broker_and_daemon_are_killed(
    tmp_path: Path, figure: Callable[[str], None], saves: Literal["at once", "late"]
) -> None:
    """Every event arrives, numbered without a gap, in order of first arrival, and the retained state is that of the last event.

    A broker that saves late loses its sessions, too: there the daemon connects after the subscriber has subscribed again.
    """
    random_numbers = random.Random(SEED)
    kills = ["broker"] * N_BROKER_KILLS + ["daemon"] * N_DAEMON_KILLS
    random_numbers.shuffle(kills)
    sound = AlternatingSound()
    broker = Mosquitto(tmp_path / "mosquitto", saves=saves)
    broker.start()
    link = Link(broker.port)
    link.join()
    config = write_config(tmp_path, link.port)
    began_s = time.monotonic()
    n_logged = 0
    with contextlib.ExitStack() as ends, Subscriber(broker.port, "aegan/box/#", session="witness") as subscriber:
        ends.callback(broker.stop)
        ends.callback(link.cut)
        daemon = ends.enter_context(Daemon(config, sound))
        for kill in kills:
            if kill == "broker":
                time.sleep(random_numbers.uniform(0.2, 2.0))  # at any moment, a start of the daemon included
                kill_broker(broker, link if saves == "late" else None, random_numbers.uniform(0.0, 0.5))
            else:
                wait_until(lambda daemon=daemon: daemon.n_logged > 0, "the first event of this daemon", 60.0)  # type: ignore[misc]
                time.sleep(random_numbers.uniform(0.2, 2.0))
                daemon.kill()
                n_logged += daemon.n_logged
                daemon = ends.enter_context(Daemon(config, sound))
        n_before = len(set(sequences(subscriber.received(EVENT_TOPIC))))
        n_wanted = max(N_EVENTS, n_before + 1)  # one more than at the last kill: the daemon is connected again
        wait_until(lambda: len(set(sequences(subscriber.received(EVENT_TOPIC)))) >= n_wanted, f"{n_wanted} events", 120.0)
        code = daemon.end()
        assert code == 0, daemon.log
        n_logged += daemon.n_logged
        last = stored_alarm(tmp_path / "outbox.sqlite")
        wait_until(lambda: last.sequence in sequences(subscriber.received(EVENT_TOPIC)), "the last event")
        took_s = time.monotonic() - began_s
        events = [message.json() for message in subscriber.received(EVENT_TOPIC)]
        with Subscriber(broker.port, ALARM_TOPIC) as later:
            state = later.wait_for(lambda message: message.retained).json()
    arrived = [(event["sequence"], event["id"]) for event in events]
    kinds = {event["sequence"]: event["kind"] for event in events}
    first = list(dict.fromkeys(arrived))
    times = Counter(arrived)
    figure(
        f"{len(first)} events of {n_logged} logged, {N_BROKER_KILLS} + {N_DAEMON_KILLS} kills, {took_s:.0f} s; "
        f"{len(arrived) - len(first)} duplicates, one event came {max(times.values())} times at most"
    )
    assert [sequence for sequence, _ in first] == list(range(1, len(first) + 1)), "a gap, a number given twice, or not in order"
    assert len({event_id for _, event_id in first}) == len(first)
    assert all(kinds[sequence] == ("raised" if sequence % 2 else "cleared") for sequence in kinds), (
        "two alarms at once, or an end without one"
    )
    assert first[-1] == (last.sequence, last.event_id)
    assert n_logged - N_DAEMON_KILLS * 3 <= len(first) <= n_logged + N_DAEMON_KILLS  # of a killed one: not yet written, or not yet logged
    assert (state["event_id"], state["active"]) == (last.event_id, last.active)
