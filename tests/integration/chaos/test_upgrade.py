"""Upgrade in place: a daemon of an older commit is killed with events waiting, and the present one delivers them."""

import contextlib
import json
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from alternating import AlternatingSound
from broker import Mosquitto, Subscriber, wait_until
from running import EVENT_TOPIC, Daemon, write_config

REPOSITORY = Path(__file__).resolve().parents[3]
OLD = "26be2cf"
N_EVENTS, DEADLINE_S = 30, 60.0


@pytest.fixture
def old_program(tmp_path: Path) -> Path:
    """A folder with the wheel of the old commit installed."""
    found = subprocess.run(["git", "-C", str(REPOSITORY), "archive", OLD], capture_output=True, check=False)
    if found.returncode:
        pytest.skip(f"commit {OLD} is not in this clone: {found.stderr.decode().strip()}")
    source, wheels, code = (tmp_path / name for name in ("source", "wheels", "code"))
    source.mkdir()
    subprocess.run(["tar", "--extract", "--directory", str(source)], input=found.stdout, check=True)
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "wheel", "--no-deps", "--wheel-dir", str(wheels), str(source)], check=True)
    [wheel] = wheels.glob("*.whl")
    subprocess.run([*pip, "install", "--no-deps", "--no-index", "--target", str(code), str(wheel)], check=True)
    return code


@pytest.mark.full
@pytest.mark.broker
@pytest.mark.timeout(180)
def test_events_of_the_old_program_arrive_from_the_new_one(tmp_path: Path, old_program: Path) -> None:
    """All events arrive in order without a gap, and numbering and alarm state continue."""
    sound = AlternatingSound()
    broker = Mosquitto(tmp_path / "mosquitto", quiet=True)  # not started yet: its port is free
    config = write_config(tmp_path, broker.port)
    with Daemon(config, sound, code=old_program) as daemon:
        wait_until(lambda: daemon.n_logged > N_EVENTS, "events of the old program", DEADLINE_S)
        daemon.kill()
    with contextlib.closing(sqlite3.connect(tmp_path / "outbox.sqlite")) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (1,)
        stored = [json.loads(payload) for (payload,) in connection.execute("SELECT payload FROM rows ORDER BY row")]
    assert len(stored) >= N_EVENTS
    broker.start()
    with contextlib.ExitStack() as ends, Subscriber(broker.port, EVENT_TOPIC) as subscriber:
        ends.callback(broker.stop)
        daemon = ends.enter_context(Daemon(config, sound))
        wait_until(lambda: len(subscriber.received()) > len(stored), "all events, and a new one", DEADLINE_S)
        assert daemon.end() == 0, daemon.log
        events = [message.json() for message in subscriber.received()]
    assert [event["id"] for event in events[: len(stored)]] == [event["id"] for event in stored]
    assert [event["sequence"] for event in events] == list(range(1, len(events) + 1))
    kinds = [event["kind"] for event in events]
    assert kinds == (["raised", "cleared"] * len(events))[: len(events)]
