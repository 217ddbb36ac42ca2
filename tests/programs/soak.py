"""Hours of sound through `aegan-monitor run` in minutes: memory, files and threads are measured, and all events checked."""

import json
import os
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from aegan_monitor.demo.pump import Pump
from aegan_monitor.detection.bundle import demo_bundle
from aegan_monitor.types import FloatArray
from alternating import HOP_SAMPLES
from broker import Mosquitto, Subscriber, wait_until
from running import EVENT_TOPIC
from synthetic import RATE_HZ, write_wav

LOOP_HOPS, FAULT_HOPS = 293, 58  # 5 min, of which the last is faulty; whole decision hops, so that every round is decided alike
LOOP_SAMPLES = LOOP_HOPS * HOP_SAMPLES
HEALTH_TOPIC, STATUS_TOPIC = "aegan/box/health", "aegan/box/status"
SAME_SCORE = 1e-4  # the last digits are a matter of the batch; one frame more or less shows in the third
N_LOOKS = 9  # recordings, their next opening and SQLite come and go for moments
LONGEST_SILENCE_S = 60.0  # between two events; on an idle core they come several times a second


@dataclass(frozen=True, slots=True)
class Reading:
    """The process's resources after `stream_s` of sound."""

    stream_s: float
    wall_s: float
    rss_bytes: int
    n_files: int
    n_threads: int


@dataclass(frozen=True, slots=True)
class Soaked:
    """The result of a soak."""

    readings: list[Reading]
    events: list[dict[str, Any]]  # all that arrived, in order
    health: dict[str, Any]  # the last
    statuses: list[str]
    log: str
    exit_code: int
    processor_s: float

    def count_rounds(self) -> int:
        """Rounds of the loop in which the alarm came and went; fails where one differs from that before, by a frame or a number."""
        found = {kind: [event for event in self.events if event["kind"] == kind] for kind in ("raised", "cleared")}
        assert [event["sequence"] for event in self.events] == list(range(1, len(self.events) + 1)), "an event is missing, or came twice"
        assert [event["kind"] for event in self.events] == (["raised", "cleared"] * len(self.events))[: len(self.events)]
        for kind, events in found.items():
            samples, scores = ([event[key] for event in events] for key in ("sample", "score"))
            assert {later - sample for sample, later in pairwise(samples)} == {LOOP_SAMPLES}, f"{kind}: not once a round, at its place"
            assert max(scores) - min(scores) < SAME_SCORE * max(scores), f"{kind}: what was heard was shifted, or was something else"
        return len(found["cleared"])


def read_unit_environment() -> dict[str, str]:
    """The environment of the service's unit, because its malloc settings are part of the proof."""
    lines = (Path(__file__).parents[2] / "systemd" / "aegan-monitor.service").read_text().splitlines()
    words = [word for line in lines if line.startswith("Environment=") for word in line.removeprefix("Environment=").split()]
    return dict(word.split("=", 1) for word in words)


def make_loop(n_hops: int, n_fault_hops: int) -> FloatArray:
    """A pump whose bearing fails at the end."""
    good = Pump(41).read((n_hops - n_fault_hops) * HOP_SAMPLES)
    return np.concatenate([good, Pump(42, fault_from_s=-1.0).read(n_fault_hops * HOP_SAMPLES)])


def soak(folder: Path, broker: Mosquitto, sound_h: float, tell: Callable[[Reading], None] = lambda _: None) -> Soaked:
    """Let a daemon hear `sound_h` hours of the loop as fast as it goes, with a subscriber; `tell` gets a reading for every event."""
    capture = f"{{kind: file, paths: [{write_wav(folder / 'loop.wav', make_loop(LOOP_HOPS, FAULT_HOPS))}], pace: fast, loop: true}}"
    config = folder / "monitor.yaml"
    config.write_text(
        f"node: box\nmqtt: {{host: 127.0.0.1, port: {broker.port}}}\noutbox: {{path: outbox.sqlite}}\nhealth_interval_s: 1\n"
        f"machines: [{{name: pump, bundle: {demo_bundle()}, alarm: {{policy: threshold}}, capture: {capture}}}]\n"
    )
    command = [sys.executable, "-m", "aegan_monitor.cli", "run", "--config", str(config)]
    environment = os.environ | read_unit_environment()
    topics = [Subscriber(broker.port, topic) for topic in (EVENT_TOPIC, HEALTH_TOPIC, STATUS_TOPIC)]
    with topics[0] as events, topics[1] as health, topics[2] as status, (folder / "log").open("wb") as log:
        began_s = time.monotonic()
        process = subprocess.Popen(command, stderr=log, env=environment)
        readings: list[Reading] = []
        try:
            while not readings or readings[-1].stream_s < sound_h * 3600:
                stream_s = _wait_for_sample(process, events, len(readings)) / RATE_HZ
                readings.append(_read_process(process.pid, stream_s, time.monotonic() - began_s))
                tell(readings[-1])
            processor_s = _read_processor_s(process.pid)
            process.send_signal(signal.SIGTERM)
            process.wait(30.0)
            status.wait_for(lambda message: message.payload == "offline")
            n_told = (folder / "log").read_text().count(" pump: alarm ")
            wait_until(lambda: len(events.received()) >= n_told, f"{n_told} events")
        finally:
            process.kill()
            process.wait()
        return Soaked(
            readings,
            [message.json() for message in events.received()],
            json.loads(health.received()[-1].payload),
            [message.payload for message in status.received()],
            (folder / "log").read_text(),
            process.returncode,
            processor_s,
        )


def _wait_for_sample(process: "subprocess.Popen[bytes]", events: Subscriber, n_seen: int) -> int:
    """The sample of the newest event, once there are more than `n_seen`."""
    deadline_s = time.monotonic() + LONGEST_SILENCE_S
    while len(found := events.received()) <= n_seen:
        assert process.poll() is None, f"it ended by itself with {process.returncode}"
        assert time.monotonic() < deadline_s, f"no event within {LONGEST_SILENCE_S:g} s"
        time.sleep(0.02)
    sample: int = found[-1].json()["sample"]
    return sample


def _read_process(pid: int, stream_s: float, wall_s: float) -> Reading:
    status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    n_files = statistics.median_high(len(list(Path(f"/proc/{pid}/fd").iterdir())) for _ in range(N_LOOKS))
    return Reading(stream_s, wall_s, int(status["VmRSS"].split()[0]) * 1024, n_files, int(status["Threads"]))


def _read_processor_s(pid: int) -> float:
    """The processor seconds of all threads."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100  # USER_HZ
