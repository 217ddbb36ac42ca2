"""A wall clock that jumps by hours while the daemon runs: it hears, decides, counts and delivers as if nothing had been."""

import contextlib
import itertools
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from aegan_monitor.demo import bundle_path
from broker import Mosquitto, Subscriber, wait_until
from conftest import FAKETIME
from running import EVENT_TOPIC
from soak import HEALTH_TOPIC, write_loop

N_ROUNDS = 3
JUMPS = ("+3h", "-5h", "+0", "-30d", "+400d", "-1s", "+12h")
JUMP_EVERY_S = 0.15
SHELF_S = 4.0
LONGEST_RUN_S = 60.0
SCORE_TOPIC = "aegan/box/pump/score"


@contextlib.contextmanager
def running(folder: Path, broker: Mosquitto, jumps: tuple[str, ...], capture: str) -> Iterator["subprocess.Popen[str]"]:
    """A daemon while its clock jumps; one jump is none."""
    config, clock = folder / "monitor.yaml", folder / "clock"
    config.write_text(
        f"node: box\nmqtt: {{host: 127.0.0.1, port: {broker.port}}}\noutbox: {{path: outbox.sqlite}}\nhealth_interval_s: 0.3\n"
        f"machines: [{{name: pump, bundle: {bundle_path()}, capture: {capture}}}]\n"
    )
    clock.write_text(jumps[0])
    environment = {
        **os.environ,
        "LD_PRELOAD": str(FAKETIME),
        "FAKETIME_TIMESTAMP_FILE": str(clock),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }
    command = [sys.executable, "-m", "aegan_monitor.cli", "run", "--config", str(config)]
    ended = threading.Event()

    def jump() -> None:
        for offset in itertools.cycle(jumps):
            (folder / "new").write_text(offset)
            (folder / "new").rename(clock)
            if ended.wait(JUMP_EVERY_S):
                return

    jumper = threading.Thread(target=jump)
    with subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment) as process:
        jumper.start()
        try:
            yield process
        finally:
            ended.set()
            jumper.join()
            process.kill()


def run(folder: Path, broker: Mosquitto, jumps: tuple[str, ...], n_rounds: int = N_ROUNDS) -> dict[str, list[dict[str, Any]]]:
    """All that a daemon publishes about some rounds of the loop, by topic."""
    topics = (EVENT_TOPIC, SCORE_TOPIC, HEALTH_TOPIC)
    folder.mkdir(exist_ok=True)
    write_loop(folder / "loop.wav")
    capture = f"{{kind: file, paths: [{', '.join(['loop.wav'] * n_rounds)}], pace: fast}}"
    with Subscriber(broker.port, "aegan/box/#") as subscriber, running(folder, broker, jumps, capture) as process:
        _, log = process.communicate(timeout=LONGEST_RUN_S)
        assert process.returncode == 0, log
        assert "Traceback" not in log
        n_told = log.count(" pump: alarm ")
        wait_until(lambda: len(subscriber.received(EVENT_TOPIC)) >= n_told, f"{n_told} events")
        return {topic: [message.json() for message in subscriber.received(topic) if not message.retained] for topic in topics}


@pytest.mark.broker
@pytest.mark.faketime
def test_no_decision_hangs_on_the_wall_clock(broker: Mosquitto, tmp_path: Path) -> None:
    """Events, their order, samples, scores and durations are the same as without jumps; stamps do jump."""
    steady, jumpy = (run(tmp_path / name, broker, jumps) for name, jumps in (("steady", ("+0",)), ("jumpy", JUMPS)))
    stamped = {"id", "time", "score"}  # a score is a matter of the batch in its last digits
    events = [[{key: event[key] for key in event if key not in stamped} for event in found[EVENT_TOPIC]] for found in (steady, jumpy)]
    assert [(event["sequence"], event["kind"]) for event in events[0]] == [
        (number + 1, "cleared" if number % 2 else "raised") for number in range(len(events[0]))
    ]
    assert len(events[0]) >= 2 * N_ROUNDS - 1
    assert events[1] == events[0]
    assert [event["score"] for event in jumpy[EVENT_TOPIC]] == pytest.approx([event["score"] for event in steady[EVENT_TOPIC]], rel=1e-4)
    stamps = [datetime.fromisoformat(score["time"]) for score in jumpy[SCORE_TOPIC]]
    assert max(stamps) - min(stamps) > timedelta(days=400)  # the clock did jump
    uptimes_s = [health["uptime_s"] for health in jumpy[HEALTH_TOPIC]]
    assert uptimes_s == sorted(uptimes_s)
    assert max(uptimes_s) < LONGEST_RUN_S
    assert all(health["machines"]["pump"]["dropped_samples_total"] == 0 for health in jumpy[HEALTH_TOPIC])
    assert all(health["outbox_dropped_total"] == health["outbox_late_total"] == 0 for health in jumpy[HEALTH_TOPIC])


@pytest.mark.broker
@pytest.mark.faketime
def test_a_restart_with_the_clock_set_back_goes_on(broker: Mosquitto, tmp_path: Path) -> None:
    """Numbers go on, and no alarm lasted for a negative time, or for decades."""
    for jumps in (("+0",), ("-5h",), ("-20000d",), ("+0",)):
        found = run(tmp_path, broker, jumps, n_rounds=1)[EVENT_TOPIC]
    events = {event["sequence"]: event for event in found}  # the last run sends those of the runs before it, too
    assert list(events) == list(range(1, len(events) + 1))
    assert [event["kind"] for event in found] == ["raised", "cleared"] * (len(found) // 2) + ["raised"] * (len(found) % 2)
    assert sum(event["cause"].startswith("restarted") for event in found) == 3
    assert all(event["duration_s"] is None or 0 <= event["duration_s"] < LONGEST_RUN_S * 4 for event in found)


@pytest.mark.broker
@pytest.mark.faketime
def test_a_shelf_lasts_as_long_as_was_said(broker: Mosquitto, tmp_path: Path) -> None:
    """Whatever the wall clock does meanwhile, and though nothing comes through the pipe."""
    shelve = f'{{"command": "shelve", "duration_s": {SHELF_S:g}}}'
    with Subscriber(broker.port, EVENT_TOPIC) as events, running(tmp_path, broker, JUMPS, "{kind: stdin, sample_format: s16le}"):
        wait_until(lambda: "Sending SUBACK to aegan-box" in broker.log, "the subscription", LONGEST_RUN_S)
        said_s = time.monotonic()
        subprocess.run(["mosquitto_pub", "-p", str(broker.port), "-q", "1", "-t", "aegan/box/pump/command", "-m", shelve], check=True)
        events.wait_for(lambda message: message.json()["kind"] == "shelved")
        told_s = time.monotonic()
        wait_until(lambda: len(events.received()) == 2, "the end", SHELF_S + 2)
        assert SHELF_S - (told_s - said_s) <= time.monotonic() - told_s <= SHELF_S + 1
        assert [message.json()["kind"] for message in events.received()] == ["shelved", "unshelved"]
