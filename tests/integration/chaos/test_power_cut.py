"""`aegan-monitor run` is killed at random moments of its start and of its writes, and starts cleanly each time."""

import json
import random
import shutil
import sqlite3
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from alternating import AlternatingSound
from broker import Mosquitto, Subscriber, wait_until
from chaos import scaled
from prepared import Prepared
from running import EVENT_TOPIC, Daemon, write_config

N_LANES, N_KILLS = 3, scaled(34)  # in each lane
EVENTS_PER_S = 200.0  # each is a transaction of its own, or several are one
AFTER_START = 1.5  # a kill comes before, while or after it, within so many times what the one before took
LONGEST_WRITING_S = 0.5
START_DEADLINE_S = 60.0


def read_sequences(path: Path) -> list[int]:
    """The event numbers on the disk, read from a copy so that the next start finds the file unchanged."""
    look = path.with_name("look")
    look.mkdir()
    try:
        for file in path.parent.glob(f"{path.name}*"):
            shutil.copy(file, look / file.name)
        with closing(sqlite3.connect(look / path.name)) as connection:
            [(n_tables,)] = connection.execute("SELECT count(*) FROM sqlite_master WHERE name = 'rows'")
            rows = connection.execute("SELECT payload FROM rows ORDER BY row").fetchall() if n_tables else []
    finally:
        shutil.rmtree(look)
    return [json.loads(payload)["sequence"] for (payload,) in rows]


def kill_again_and_again(prepared: Prepared, folder: Path, sound: AlternatingSound, seed: int, port: int) -> int:
    """The events on the disk after all kills of one lane."""
    random_numbers = random.Random(seed)
    folder.mkdir()
    config = write_config(folder, port)
    n_written, start_s = 0, 0.0
    for number in range(N_KILLS):
        process = prepared.start("aegan_monitor.cli", "main", [["run", "--config", str(config)]])
        began_s = time.monotonic()
        with Daemon(config, sound, EVENTS_PER_S, process=process) as daemon:
            if number % 2:
                time.sleep(random_numbers.uniform(0.0, AFTER_START * start_s))
            else:
                wait_until(lambda daemon=daemon: daemon.n_logged, "an event", START_DEADLINE_S)  # type: ignore[misc]
                start_s = time.monotonic() - began_s
                time.sleep(random_numbers.uniform(0.0, LONGEST_WRITING_S))
            daemon.kill()
        trouble = [line for line in daemon.log.splitlines() if " ERROR " in line or "Traceback" in line]
        assert not trouble, f"seed {seed}, start {number}: {daemon.log}"
        found = read_sequences(folder / "outbox.sqlite")
        assert len(found) >= n_written, f"seed {seed}, kill {number}: {n_written} events were on the disk, {len(found)} are"
        assert found == list(range(1, len(found) + 1)), f"seed {seed}, kill {number}"
        n_written = len(found)
    return n_written


@pytest.mark.broker
@pytest.mark.timeout(300)
def test_a_daemon_killed_at_a_hundred_moments_loses_nothing(tmp_path: Path, figure: Callable[[str], None]) -> None:
    """Stored events survive every kill, and at the end the broker receives each once, in order and without a gap."""
    sound = AlternatingSound()
    broker = Mosquitto(tmp_path / "mosquitto", quiet=True)  # not started: its port is free
    lanes = [tmp_path / f"lane{lane}" for lane in range(N_LANES)]
    began_s = time.monotonic()
    with Prepared("aegan_monitor.cli", "aegan_monitor.service.monitor", "onnxruntime") as prepared, ThreadPoolExecutor(N_LANES) as pool:
        written = list(pool.map(lambda lane: kill_again_and_again(prepared, lanes[lane], sound, lane, broker.port), range(N_LANES)))
    took_s = time.monotonic() - began_s
    for folder, n_written in zip(lanes, written, strict=True):
        broker.start()
        with Subscriber(broker.port, EVENT_TOPIC) as subscriber, Daemon(folder / "monitor.yaml", sound, EVENTS_PER_S) as daemon:
            wait_until(lambda n=n_written: len(subscriber.received()) > n, f"{n_written} events", START_DEADLINE_S)  # type: ignore[misc]
            assert daemon.end() == 0, daemon.log
            events = [message.json() for message in subscriber.received()]
        broker.stop()
        assert [event["sequence"] for event in events] == list(range(1, len(events) + 1))
        assert len({event["id"] for event in events}) == len(events)
        assert all(event["kind"] == ("raised" if event["sequence"] % 2 else "cleared") for event in events)
        lasted_s = time.monotonic() - began_s
        assert all(event["duration_s"] is None or 0 <= event["duration_s"] < lasted_s for event in events)
    figure(f"{N_LANES * N_KILLS} kills in {took_s:.0f} s; events on the disk: {written}")
