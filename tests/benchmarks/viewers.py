"""What viewers cost: memory and processor time of a daemon with 8 machines, without the page, with it, and with many viewers.

.venv/bin/python tests/benchmarks/viewers.py [MINUTES [VIEWERS]]     (3 minutes, 20 viewers)

Each viewer has the live messages; every second one also a spectrogram, every fourth listens, and one takes nothing at all. The machines
play recordings at the pace of microphones. There is no broker: messages wait in the outbox.
"""

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from aegan_monitor.audio.flac import encode_clip, quantise
from aegan_monitor.demo.pump import Pump
from aegan_monitor.detection.bundle import demo_bundle

N_MACHINES, RATE_HZ, LENGTH_S = 8, 16_000, 60
PORT = 28_765
SETTLE_S = 40.0  # the golden check, the first clips, the first write of the history
STEP_S = 20.0
FOR_EVER_S = 1e6


def write_config(folder: Path, *, page: bool) -> Path:
    """8 pumps; no broker listens at the port."""
    for number in range(N_MACHINES):
        path = folder / f"{number}.flac"
        if not path.exists():
            sound = Pump(number, RATE_HZ, 2.0 * LENGTH_S).read(LENGTH_S * RATE_HZ)
            path.write_bytes(encode_clip(quantise(sound), RATE_HZ, "a synthesised pump", ""))
    machines = [
        {"name": f"m{number}", "bundle": str(demo_bundle()), "capture": {"kind": "file", "paths": [f"{number}.flac"], "loop": True}}
        for number in range(N_MACHINES)
    ]
    config = {
        "node": "bench",
        "mqtt": {"host": "127.0.0.1", "port": 1},
        "outbox": {"path": "outbox.sqlite"},
        "history": {"keep_days": 1826 if page else 0},
        "evidence": {"max_mb": 0},
        "web": {"port": PORT if page else None},
        "machines": machines,
    }
    path = folder / f"{'page' if page else 'bare'}.yaml"
    path.write_text(json.dumps(config))
    return path


class Daemon:
    """The daemon as a process; a context manager."""

    def __init__(self, config: Path) -> None:
        environment = {**os.environ, "MALLOC_ARENA_MAX": "2", "MALLOC_MMAP_THRESHOLD_": "131072", "MALLOC_TRIM_THRESHOLD_": "131072"}
        command = [sys.executable, "-m", "aegan_monitor", "run", "--config", str(config)]
        self._process = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)
        self._began = (time.monotonic(), 0.0)

    def __enter__(self) -> Self:
        """It runs already."""
        return self

    def __exit__(self, *_: object) -> None:
        """Stop it."""
        self._process.terminate()
        self._process.wait(30)

    def measure(self) -> tuple[float, float]:
        """(resident memory in MB, processor time since the last call in percent of one core)."""
        stat = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        used_s = (int(stat[11]) + int(stat[12])) / os.sysconf("SC_CLK_TCK")
        before, self._began = self._began, (time.monotonic(), used_s)
        pages = int(Path(f"/proc/{self._process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 1e6, 100 * (used_s - before[1]) / (self._began[0] - before[0])


def describe(rss_mb: float, percent: float) -> str:
    """Memory and processor time."""
    return f"{rss_mb:.1f} MB, {percent:.1f} % of a core"


def read_health() -> Mapping[str, Any]:
    """The health message."""
    with urllib.request.urlopen(f"http://127.0.0.1:{PORT}/api/v1/health", timeout=10) as answer:
        found: Mapping[str, Any] = json.load(answer)
        return found


async def take_nothing() -> None:
    """A viewer that reads nothing: it is ended half a minute after the buffers of its kernel are full."""
    _, writer = await asyncio.open_connection("127.0.0.1", PORT, limit=1024)
    writer.write(b"GET /api/v1/live HTTP/1.1\r\nHost: localhost\r\n\r\n")
    await asyncio.sleep(FOR_EVER_S)


async def watch(path: str, counts: dict[str, int], delays_s: list[float]) -> None:
    """Take a stream for ever."""
    reader, writer = await asyncio.open_connection("127.0.0.1", PORT, limit=2**20)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    while line := await reader.readline():
        if line.startswith(b"event: "):
            kind = line[7:].strip().decode()
            counts[kind] = counts.get(kind, 0) + 1
        elif line.startswith(b"data: ") and b'"aegan.score/1"' in line:
            heard = datetime.fromisoformat(json.loads(line[6:])["payload"]["time"])
            delays_s.append((datetime.now(UTC) - heard).total_seconds())


async def listen(counts: dict[str, int]) -> None:
    """Listen for ever."""
    reader, writer = await asyncio.open_connection("127.0.0.1", PORT)
    writer.write(b"GET /api/v1/machines/m0/listen.wav HTTP/1.1\r\nHost: localhost\r\n\r\n")
    while piece := await reader.read(65_536):
        counts["bytes of sound"] = counts.get("bytes of sound", 0) + len(piece)


async def view(daemon: Daemon, minutes: float, n_viewers: int) -> None:
    """Many viewers at once."""
    counts: dict[str, int] = {}
    delays_s: list[float] = []
    tasks = [asyncio.create_task(watch("/api/v1/live", counts, delays_s)) for _ in range(n_viewers - 1)]
    tasks.append(asyncio.create_task(take_nothing()))
    tasks += [
        asyncio.create_task(watch(f"/api/v1/machines/m{number % N_MACHINES}/spectrogram", counts, [])) for number in range(0, n_viewers, 2)
    ]
    tasks += [asyncio.create_task(listen(counts)) for _ in range(0, n_viewers, 4)]
    for step in range(round(60 * minutes / STEP_S)):
        await asyncio.sleep(STEP_S)
        rss_mb, percent = daemon.measure()
        latest = sorted(delays_s[-500:])
        delay = f"score to viewer {latest[len(latest) // 2]:.2f} s, at most {latest[-1]:.2f}" if latest else "no score"
        print(f"  {STEP_S * (step + 1):5.0f} s: {describe(rss_mb, percent)}; {delay}", flush=True)
    n_alive = sum(not task.done() for task in tasks)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    print(f"  {n_alive} of {len(tasks)} connections stood; they took {counts}")


def main(minutes: float, n_viewers: int) -> None:
    """Print memory and time of each way."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for page in (False, True):
            with Daemon(write_config(folder, page=page)) as daemon:
                time.sleep(SETTLE_S)
                daemon.measure()
                time.sleep(STEP_S)
                print("with page and history:" if page else "without:", describe(*daemon.measure()), flush=True)
                if not page:
                    continue
                before = read_health()
                print(f"{n_viewers} viewers:")
                asyncio.run(view(daemon, minutes, n_viewers))
                after = read_health()
                for what in ("dropped_samples_total", "gaps_total"):
                    print(f"  {what}: {sum(each[what] - before['machines'][m][what] for m, each in after['machines'].items())}")
                time.sleep(STEP_S)
                print("after them:", describe(*daemon.measure()))


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 3.0, int(sys.argv[2]) if len(sys.argv) > 2 else 20)
