"""Wall-clock jumps of hours change neither decisions, numbers nor delivery of a running daemon."""

import contextlib
import itertools
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from aegan_monitor.detection.bundle import demo_bundle
from alternating import HOP_SAMPLES
from broker import Mosquitto, Subscriber, wait_until
from chaos import scaled
from lacking import FAKETIME
from running import EVENT_TOPIC
from soak import HEALTH_TOPIC, make_loop
from stopwatch import wait_within

N_ROUNDS = scaled(3, at_least=2)
ROUND_HOPS, FAULT_HOPS, PIECE_HOPS = 70, 35, 10  # as long as an alarm with its delays; the clock jumps at every piece
JUMPS = ("+3h", "-5h", "+0", "-30d", "+400d", "-1s", "+12h")
JUMP_EVERY_S = 0.15
SHELF_S = 4.0
DEADLINE_S = 60.0
LONGEST_S = 1000.0  # hours are what the clock jumps by
SCORE_TOPIC = "aegan/box/pump/score"

pytestmark = [pytest.mark.broker, pytest.mark.faketime, pytest.mark.timeout(300)]


@cache
def make_round() -> bytes:
    """Normal and then faulty sound of a machine, as s16le."""
    return np.round(make_loop(ROUND_HOPS, FAULT_HOPS) * 32768).astype("<i2").tobytes()


def set_clock(folder: Path, offset: str) -> None:
    """Set the offset of the daemon's wall clock."""
    (folder / "new").write_text(offset)
    (folder / "new").rename(folder / "clock")


@contextlib.contextmanager
def running(folder: Path, broker: Mosquitto) -> Iterator["subprocess.Popen[bytes]"]:
    """A daemon with a settable clock that hears sound from the test."""
    config = folder / "monitor.yaml"
    config.write_text(
        f"node: box\nmqtt: {{host: 127.0.0.1, port: {broker.port}}}\noutbox: {{path: outbox.sqlite}}\nhealth_interval_s: 0.3\n"
        f"machines: [{{name: pump, bundle: {demo_bundle()}, alarm: {{policy: threshold}}, "
        "capture: {kind: stdin, sample_format: s16le}}]\n"
    )
    environment = {
        **os.environ,
        "LD_PRELOAD": str(FAKETIME),
        "FAKETIME_TIMESTAMP_FILE": str(folder / "clock"),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }
    command = [sys.executable, "-m", "aegan_monitor.cli", "run", "--config", str(config)]
    with (folder / "log").open("ab") as log, subprocess.Popen(command, stdin=subprocess.PIPE, stderr=log, env=environment) as process:
        try:
            yield process
        finally:
            process.kill()


def run(folder: Path, broker: Mosquitto, jumps: tuple[str, ...], n_rounds: int = N_ROUNDS) -> dict[str, list[dict[str, Any]]]:
    """All messages of a daemon over some rounds of sound, by topic; its clock jumps during each piece."""
    folder.mkdir(exist_ok=True)
    pcm = make_round() * n_rounds
    n_bytes = 2 * PIECE_HOPS * HOP_SAMPLES
    offsets = itertools.cycle(jumps)
    set_clock(folder, next(offsets))
    with Subscriber(broker.port, "aegan/box/#") as subscriber, running(folder, broker) as process:
        assert process.stdin is not None
        for end in range(n_bytes, len(pcm) + 1, n_bytes):
            process.stdin.write(pcm[end - n_bytes : end])
            process.stdin.flush()
            set_clock(folder, next(offsets))
            wait_until(lambda end=end: find_newest(subscriber) > end / 2 - HOP_SAMPLES, "its decisions", DEADLINE_S)  # type: ignore[misc]
        n_told = (folder / "log").read_text().count(" pump: alarm ")
        is_last = f'"sequence":{n_told},'
        subscriber.wait_for(lambda message: message.topic == EVENT_TOPIC and is_last in message.payload, DEADLINE_S)
        process.stdin.close()
        code = process.wait(DEADLINE_S)
        log = (folder / "log").read_text()
        assert (code, "Traceback" in log) == (0, False), log
        topics = (EVENT_TOPIC, SCORE_TOPIC, HEALTH_TOPIC)
        return {topic: [message.json() for message in subscriber.received(topic) if not message.retained] for topic in topics}


def find_newest(subscriber: Subscriber) -> int:
    """The sample of the newest decision, 0 before the first."""
    scores = subscriber.received(SCORE_TOPIC)
    sample: int = scores[-1].json()["sample"] if scores else 0
    return sample


def take_stamps_off(event: dict[str, Any]) -> dict[str, Any]:
    """The event without ids and times, and without its score, which is a matter of the batch in its last digits."""
    found = {key: event[key] for key in event if key not in ("id", "time", "score")}
    found["cause"] = event["cause"].partition("; since")[0]
    for key, stamps in (("explanation", ("since",)), ("case", ("id", "began_at", "cause"))):
        found[key] = event[key] and {name: value for name, value in event[key].items() if name not in stamps}
    return found


def test_no_decision_hangs_on_the_wall_clock(broker: Mosquitto, tmp_path: Path) -> None:
    """Order, samples, scores and durations of events equal those without jumps; time stamps do jump."""
    steady, jumpy = (run(tmp_path / name, broker, jumps) for name, jumps in (("steady", ("+0",)), ("jumpy", JUMPS)))
    events = [[take_stamps_off(event) for event in found[EVENT_TOPIC]] for found in (steady, jumpy)]
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
    assert max(uptimes_s) < LONGEST_S
    assert all(health["machines"]["pump"]["dropped_samples_total"] == 0 for health in jumpy[HEALTH_TOPIC])
    assert all(health["outbox_dropped_total"] == health["outbox_late_total"] == 0 for health in jumpy[HEALTH_TOPIC])


@pytest.mark.parametrize("offsets", [("+0", "-20000d"), pytest.param(("+0", "-5h", "-20000d", "+0"), marks=pytest.mark.full)])
def test_a_restart_with_the_clock_set_back_goes_on(broker: Mosquitto, tmp_path: Path, offsets: tuple[str, ...]) -> None:
    """Numbering continues, and durations are neither negative nor decades."""
    runs = [run(tmp_path, broker, (offset,), n_rounds=1)[EVENT_TOPIC] for offset in offsets]
    events = {event["sequence"]: event for found in runs for event in found}  # a run may send those of the runs before it, too
    assert list(events) == list(range(1, len(events) + 1))
    assert [event["kind"] for event in events.values()] == (["raised", "cleared"] * len(events))[: len(events)]
    assert all(event["duration_s"] is None or 0 <= event["duration_s"] < LONGEST_S for event in events.values())


def test_a_shelf_lasts_as_long_as_was_said(broker: Mosquitto, tmp_path: Path) -> None:
    """A shelf keeps its duration over wall-clock jumps and without input."""
    shelve = f'{{"command": "shelve", "duration_s": {SHELF_S:g}}}'
    ended = threading.Event()

    def jump() -> None:
        for offset in itertools.cycle(JUMPS):
            set_clock(tmp_path, offset)
            if ended.wait(JUMP_EVERY_S):
                return

    set_clock(tmp_path, "+0")
    jumper = threading.Thread(target=jump)
    with Subscriber(broker.port, EVENT_TOPIC) as events, running(tmp_path, broker):
        jumper.start()
        try:
            wait_until(lambda: "Sending SUBACK to aegan-box" in broker.log, "the subscription", DEADLINE_S)
            said_s = time.monotonic()
            subprocess.run(["mosquitto_pub", "-p", str(broker.port), "-q", "1", "-t", "aegan/box/pump/command", "-m", shelve], check=True)
            events.wait_for(lambda message: message.json()["kind"] == "shelved", DEADLINE_S)
            wait_within(SHELF_S + 1, lambda: len(events.received()) == 2, lambda: "the end of the shelf")
            assert time.monotonic() - said_s >= SHELF_S
        finally:
            ended.set()
            jumper.join()
        assert [message.json()["kind"] for message in events.received()] == ["shelved", "unshelved"]
