"""A daemon with a hanging broker or a full disk keeps scoring and delivers alarms as soon as possible."""

import json
import resource
import time
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from alternating import HOP_SAMPLES, AlternatingSound
from broker import Mosquitto, Subscriber, wait_until
from running import EVENT_TOPIC, Daemon, stored_alarm, write_config
from synthetic import write_wav

RATE_HZ = 16_000
STALL_S = 8.0
MOST_LATE_S = 3.0  # on a busy machine; a worker that waited for the broker would be as late as the stall is long


@pytest.mark.broker
def test_a_broker_that_hangs_does_not_delay_the_sound(broker: Mosquitto, tmp_path: Path) -> None:
    """While the broker is stopped no sample is dropped and decisions stay on time."""
    sound = AlternatingSound()
    samples = np.frombuffer(sound.pcm, "<i2").astype(np.float32) / 32768
    path = write_wav(tmp_path / "sound.wav", np.tile(samples, 30))
    config = write_config(tmp_path, broker.port, keepalive_s=60, more="health_interval_s: 1\n")
    capture = f"{{kind: file, paths: [{path}], pace: realtime, loop: true}}"
    config.write_text(config.read_text().replace("{kind: stdin, sample_format: s16le}", capture))
    with Subscriber(broker.port, "aegan/box/#") as subscriber, Daemon(config, sound) as daemon:
        wait_until(lambda: len(subscriber.received(EVENT_TOPIC)) > 3, "events", 60.0)
        broker.pause()
        time.sleep(STALL_S)
        n_logged = daemon.n_logged
        broker.resume()
        wait_until(lambda: len(subscriber.received(EVENT_TOPIC)) > n_logged, "what came about meanwhile")
        after = len(subscriber.received("aegan/box/health"))
        wait_until(lambda: len(subscriber.received("aegan/box/health")) > after + 1, "health")
        health = json.loads(subscriber.payloads("aegan/box/health")[-1])
        events = [json.loads(payload) for payload in subscriber.payloads(EVENT_TOPIC)]
    assert (health["machines"]["pump"]["dropped_samples_total"], health["machines"]["pump"]["gaps_total"]) == (0, 0)
    assert [event["sequence"] for event in events] == list(range(1, len(events) + 1))
    assert {later["sample"] - event["sample"] for event, later in pairwise(events)} == {HOP_SAMPLES}
    lags_s = [np.datetime64(event["time"][:-1]).astype("int64") / 1e3 - event["sample"] / RATE_HZ for event in events]
    assert max(lags_s) - min(lags_s) < MOST_LATE_S


@pytest.mark.broker
def test_a_full_disk_holds_no_alarm_up(broker: Mosquitto, tmp_path: Path) -> None:
    """With a full disk events are sent from memory and health reports it, until there is room."""
    config = write_config(tmp_path, broker.port, more="health_interval_s: 0.5\n")
    topic = "aegan/box/health"
    with Subscriber(broker.port, "aegan/box/#") as subscriber, Daemon(config, AlternatingSound()) as daemon:
        wait_until(lambda: len(subscriber.received(EVENT_TOPIC)) > 5, "events", 60.0)
        before = resource.prlimit(daemon.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(daemon.pid, resource.RLIMIT_FSIZE, (1, before[1]))
        problem = subscriber.wait_for(lambda message: message.topic == topic and message.json()["outbox_problem"]).json()["outbox_problem"]
        n_before = len(subscriber.received(EVENT_TOPIC))
        wait_until(lambda: len(subscriber.received(EVENT_TOPIC)) > n_before + 20, "events from memory")
        resource.prlimit(daemon.pid, resource.RLIMIT_FSIZE, before)
        wait_until(lambda: not json.loads(subscriber.payloads(topic)[-1])["outbox_problem"], "the disk again", 30.0)
        n_before = len(subscriber.received(EVENT_TOPIC))
        wait_until(lambda: len(subscriber.received(EVENT_TOPIC)) > n_before + 5, "more events")
        assert daemon.end() == 0
        last = stored_alarm(tmp_path / "outbox.sqlite")
        subscriber.catch_up()
        arrived = [message.json()["sequence"] for message in subscriber.received(EVENT_TOPIC)]
    assert problem in (f"{tmp_path}/outbox.sqlite: disk I/O error", f"{tmp_path}/outbox.sqlite: database or disk is full")
    assert list(dict.fromkeys(arrived)) == list(range(1, last.sequence + 1))
