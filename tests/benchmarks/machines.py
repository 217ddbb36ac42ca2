"""Many machines in one daemon at real-time pace, with mosquitto: processor time, memory, delay of the scores, and what was left out.

.venv/bin/python tests/benchmarks/machines.py [N [MINUTES]] [BUNDLE]            (16 machines, 2 minutes, the built-in bundle)
.venv/bin/python tests/benchmarks/machines.py prepared [N [MINUTES]] [BUNDLE]   (the same after `aegan-monitor prepare`)
.venv/bin/python tests/benchmarks/machines.py delay [MINUTES] [BUNDLE]          (1 machine and 16, 2 minutes each)
.venv/bin/python tests/benchmarks/machines.py raise [N [LIMIT]] [BUNDLE]        (16 machines, doubled by reloads until the daemon is late)

The delay is from the last sample of a score to its arrival at a subscriber. `raise` prints how many machines the daemon cannot keep up
with, what it does about it, and how it comes back with the machines of the beginning.
"""

import json
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion

from aegan_monitor.audio.flac import encode_clip, quantise
from aegan_monitor.demo.pump import Pump
from aegan_monitor.detection.bundle import demo_bundle

RATE_HZ, LENGTH_S, N_RECORDINGS = 16_000, 60, 8
DECISION_S = 1.024
SETTLE_S = 15.0  # the first decision comes after 9.7 s
LONGEST_WAIT_S = 900.0
UNIT = {"MALLOC_ARENA_MAX": "2", "MALLOC_MMAP_THRESHOLD_": "131072", "MALLOC_TRIM_THRESHOLD_": "131072"}  # as systemd sets them


class Plant:
    """A broker, a subscriber and a daemon with machines that play recordings; a context manager."""

    def __init__(self, folder: Path, bundle: Path, *, is_prepared: bool = False) -> None:
        self.delays_s: list[float] = []
        self.health: dict[str, Any] = {}
        self._folder, self._bundle, self._is_prepared = folder, bundle, is_prepared
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self._port = probe.getsockname()[1]
        for number in range(N_RECORDINGS):
            sound = Pump(number, RATE_HZ, 2.0 * LENGTH_S).read(LENGTH_S * RATE_HZ)
            (folder / f"{number}.flac").write_bytes(encode_clip(quantise(sound), RATE_HZ, "a synthesised pump", ""))
        (folder / "mosquitto.conf").write_text(f"listener {self._port} 127.0.0.1\nallow_anonymous true\n")
        self._subscriber = Client(CallbackAPIVersion.VERSION2)
        self._subscriber.on_message = self._hear
        self._lock = threading.Lock()

    @contextmanager
    def run(self, n_machines: int) -> Iterator[None]:
        """Run the daemon; `measure` and `reload` go in between."""
        mosquitto = shutil.which("mosquitto", path=os.environ.get("PATH", "") + os.pathsep + "/usr/sbin") or "mosquitto"
        broker = subprocess.Popen([mosquitto, "-c", str(self._folder / "mosquitto.conf")], stderr=subprocess.DEVNULL)
        try:
            self._connect()
            command = [sys.executable, "-m", "aegan_monitor", "run", "--config", str(self._write(n_machines))]
            if self._is_prepared:
                subprocess.run([sys.executable, "-m", "aegan_monitor", "prepare", "--config", command[-1]], check=True)
            began_s = time.monotonic()
            self._daemon = subprocess.Popen(command, env={**os.environ, **UNIT}, stderr=(self._folder / "log").open("w"))
            try:
                self._wait_for_machines(n_machines)
                print(f"{n_machines} machines are heard after {time.monotonic() - began_s:.1f} s", flush=True)
                yield
            finally:
                self._daemon.terminate()
                self._daemon.wait(60)
        finally:
            self._subscriber.disconnect()
            broker.terminate()
            broker.wait(30)

    def reload(self, n_machines: int) -> None:
        """Go on with other machines."""
        self._write(n_machines)
        self._daemon.send_signal(1)
        self._wait_for_machines(n_machines)

    def measure(self, seconds: float) -> str:
        """What the daemon took and gave for so long."""
        before, began_s, health = self._read_process(), time.monotonic(), self.health
        with self._lock:
            self.delays_s.clear()
        time.sleep(seconds)
        with self._lock:
            delays_s = sorted(self.delays_s)
        after, took_s = self._read_process(), time.monotonic() - began_s
        n_expected = len(self.health["machines"]) * took_s / DECISION_S
        counts = {
            what: sum(each[what] - health["machines"].get(name, each)[what] for name, each in self.health["machines"].items())
            for what in ("dropped_samples_total", "gaps_total", "late_segments_total")
        }
        percentiles = statistics.quantiles(delays_s, n=100) if len(delays_s) > 1 else [float("nan")] * 99
        p50_ms, p99_ms, most_ms = (1000 * value for value in (percentiles[49], percentiles[98], max(delays_s, default=0.0)))
        return (
            f"{100 * (after[0] - before[0]) / took_s:.1f} % of a core, {(after[1] - before[1]) / took_s:.0f} wake-ups a second, "
            f"{after[2]:.0f} MB; {len(delays_s)} scores ({100 * len(delays_s) / n_expected:.0f} %), "
            f"delay p50 {p50_ms:.0f} ms, p99 {p99_ms:.0f} ms, largest {most_ms:.0f} ms; "
            + ", ".join(f"{what} {count}" for what, count in counts.items())
        )

    def wait_for_load(self, *, late: bool, timeout_s: float) -> bool:
        """Whether the daemon says within this time that it is late, or is not."""
        until_s = time.monotonic() + timeout_s
        while bool(self.health["overload_problem"]) != late and time.monotonic() < until_s:
            time.sleep(0.5)
        return bool(self.health["overload_problem"]) == late

    def _write(self, n_machines: int) -> Path:
        machines = [
            {
                "name": f"m{number}",
                "bundle": str(self._bundle),
                "capture": {"kind": "file", "paths": [f"{number % N_RECORDINGS}.flac"], "loop": True},
            }
            for number in range(n_machines)
        ]
        config = {
            "node": "bench",
            "mqtt": {"host": "127.0.0.1", "port": self._port},
            "home_assistant": {"discovery": False},
            "health_interval_s": 1,
            "outbox": {"path": "outbox.sqlite"},
            "history": {"keep_days": 0},
            "evidence": {"max_mb": 0},
            "machines": machines,
        }
        path = self._folder / "monitor.yaml"
        path.write_text(json.dumps(config))
        return path

    def _connect(self) -> None:
        for _ in range(100):
            try:
                self._subscriber.connect("127.0.0.1", self._port)
                break
            except ConnectionRefusedError:
                time.sleep(0.05)
        self._subscriber.subscribe("aegan/bench/health")
        self._subscriber.subscribe("aegan/bench/+/score")
        self._subscriber.loop_start()

    def _wait_for_machines(self, n_machines: int) -> None:
        until_s = time.monotonic() + LONGEST_WAIT_S
        while [each["sensor"] for each in self.health.get("machines", {}).values()] != n_machines * ["ok"]:
            if time.monotonic() > until_s or self._daemon.poll() is not None:
                sys.exit(f"the daemon does not hear {n_machines} machines: {(self._folder / 'log').read_text()[-2000:]}")
            time.sleep(0.1)

    def _hear(self, _client: object, _data: object, message: MQTTMessage) -> None:
        now, payload = datetime.now(UTC), json.loads(message.payload)
        if message.topic.endswith("/health"):
            self.health = payload
        else:
            with self._lock:
                self.delays_s.append((now - datetime.fromisoformat(payload["time"])).total_seconds())

    def _read_process(self) -> tuple[float, int, float]:
        """(processor time in seconds, wake-ups, resident memory in MB) of the daemon; those of threads that have ended do not count."""
        place = Path(f"/proc/{self._daemon.pid}")
        used_s = sum(int((task / "schedstat").read_text().split()[0]) for task in (place / "task").iterdir()) / 1e9
        lines = [line for task in (place / "task").iterdir() for line in (task / "status").read_text().splitlines()]
        wakes = sum(int(line.split()[1]) for line in lines if line.startswith("voluntary_ctxt_switches"))
        return used_s, wakes, int((place / "statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def hold(n_machines: int, minutes: float, bundle: Path, *, is_prepared: bool = False) -> None:
    """Print what so many machines take."""
    with tempfile.TemporaryDirectory() as name:
        plant = Plant(Path(name), bundle, is_prepared=is_prepared)
        with plant.run(n_machines):
            time.sleep(SETTLE_S)
            print(f"{n_machines} machines: {plant.measure(60 * minutes)}", flush=True)


def raise_until_late(n_first: int, limit: int, bundle: Path) -> None:
    """Double the machines until the daemon is late, and go back."""
    with tempfile.TemporaryDirectory() as name:
        plant = Plant(Path(name), bundle)
        with plant.run(n_first):
            n_machines = n_first
            while not plant.wait_for_load(late=True, timeout_s=2 * SETTLE_S) and n_machines < limit:
                print(f"{n_machines} machines: {plant.measure(SETTLE_S)}", flush=True)
                n_machines = min(limit, 2 * n_machines)
                plant.reload(n_machines)
            print(f"{n_machines} machines: {plant.health['overload_problem'] or 'still keeps up'}", flush=True)
            time.sleep(2 * SETTLE_S)
            print(f"{n_machines} machines: {plant.measure(SETTLE_S)}", flush=True)
            plant.reload(n_first)
            began_s = time.monotonic()
            is_back = plant.wait_for_load(late=False, timeout_s=LONGEST_WAIT_S)
            print(f"back at {n_first} machines: {f'every segment after {time.monotonic() - began_s:.0f} s' if is_back else 'still late'}")
            time.sleep(SETTLE_S)
            print(f"{n_first} machines: {plant.measure(SETTLE_S)}", flush=True)


def main(action: str, values: list[str]) -> None:
    """Print what is wanted."""
    bundle = Path(values.pop()).resolve() if values and not values[-1].replace(".", "").isdigit() else demo_bundle()
    numbers = [float(value) for value in values]
    if action == "raise":
        first, limit = (numbers + [16, 1024][len(numbers) :])[:2]
        raise_until_late(int(first), int(limit), bundle)
    elif action == "delay":
        for n_machines in (1, 16):
            hold(n_machines, [*numbers, 2.0][0], bundle)
    else:
        first, minutes = (numbers + [16, 2.0][len(numbers) :])[:2]
        hold(int(first), minutes, bundle, is_prepared=action == "prepared")


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # the daemon ends with it
    is_named = sys.argv[1:2] in (["raise"], ["delay"], ["prepared"])
    main(sys.argv[1] if is_named else "hold", sys.argv[2 if is_named else 1 :])
