"""What the history of 8 machines costs: bytes a day to the disk, size, memory, and the time of each view.

.venv/bin/python tests/benchmarks/history.py [DAYS]     (365 days; 15 minutes)
"""

import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from aegan_monitor.history.buckets import BUCKET, Buckets
from aegan_monitor.history.reader import HistoryReader
from aegan_monitor.history.store import Batch, HistoryStore
from aegan_monitor.service.health import resident_bytes

N_MACHINES = 8
DAY_S, MINUTE_S, HOP_S = 86_400, 60, 1.024  # a decision every 1.024 s
BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
N_SHAPES = 50  # minutes that come again: no two machines have the same at a time
MEASURED_DAYS = 2  # written minute by minute; the rest hour by hour, which gives the same rows in less time
ADD_EVENT = "INSERT INTO events (time, machine, source, kind, text, by) VALUES (?, 'm1', 'alarm', 'raised', ?, '')"


def make_minutes() -> list[Buckets]:
    """Minutes of scores, evidence and levels that compress badly: random in every bit."""
    rng = np.random.default_rng(0)
    found = []
    for _ in range(N_SHAPES):
        made = np.zeros(round(MINUTE_S / HOP_S), BUCKET)
        made["time"], made["n"] = np.arange(len(made)) * HOP_S, 1
        made["score_mean"] = made["score_max"] = rng.normal(2.0, 0.5, len(made))
        made["evidence_max"], made["level_mean"] = rng.uniform(0.0, 1.0, len(made)), rng.normal(-30.0, 2.0, len(made))
        found.append(made)
    return found


def make_batches(n_minutes: int, first: int = 0) -> Iterator[Batch]:
    """A batch for each minute."""
    shapes = make_minutes()
    for minute in range(first, first + n_minutes):
        batch = {f"m{number}": shapes[(minute + 7 * number) % N_SHAPES].copy() for number in range(N_MACHINES)}
        for each in batch.values():
            each["time"] += int(BEGAN.timestamp()) + MINUTE_S * minute
        yield batch


def written_bytes() -> tuple[int, int]:
    """Bytes that this process has given to `write`, and in whole blocks of the file system."""
    counts = dict(line.split(": ") for line in Path("/proc/self/io").read_text().splitlines())
    return int(counts["wchar"]), int(counts["write_bytes"])


def fill(store: HistoryStore, n_days: int) -> tuple[float, float]:
    """Write so many days; returns `written_bytes` of the last of those that are written minute by minute."""
    n_measured = min(n_days, MEASURED_DAYS) * DAY_S // MINUTE_S
    before = 0, 0
    for minute, batch in enumerate(make_batches(n_measured)):
        if minute == n_measured - DAY_S // MINUTE_S:
            before = written_bytes()
        events = [(ADD_EVENT, (BEGAN.timestamp() + MINUTE_S * minute, "x" * 150))] if minute % 120 == 0 else []
        store.write([batch], events)
    after = written_bytes()
    batches = make_batches(n_days * DAY_S // MINUTE_S - n_measured, n_measured)
    for _ in range((n_days * DAY_S // MINUTE_S - n_measured) // MINUTE_S):
        store.write([next(batches) for _ in range(MINUTE_S)], [])
    return after[0] - before[0], after[1] - before[1]


def measure_view(reader: HistoryReader, end: datetime, length: timedelta) -> tuple[float, int, int]:
    """Seconds for a view of 1000 points at most, its points and its step."""
    began_s = time.perf_counter()
    found = reader.read_series("m3", end - length, end, 1000)
    return time.perf_counter() - began_s, len(found.times), found.step_s


def main() -> None:
    """Fill a file and read it."""
    n_days = int(sys.argv[1]) if len(sys.argv) > 1 else 365
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "history.sqlite"
        store = HistoryStore(path, 1826)
        store.write([next(make_batches(1))], [])
        before_bytes = resident_bytes()
        began_s = time.perf_counter()
        a_day = fill(store, n_days)
        print(f"{n_days} days of {N_MACHINES} machines written in {time.perf_counter() - began_s:.0f} s")
        print(f"written                 {a_day[0] / 1e6:8.1f} MB a day, {a_day[1] / 1e6:.1f} MB in blocks of the file system")
        print(f"file                    {path.stat().st_size / 1e6:8.1f} MB, log {Path(f'{path}-wal').stat().st_size / 1e6:.1f} MB")
        print(f"memory                  {(resident_bytes() - before_bytes) / 1e6:8.1f} MB more than after the first minute")
        end = BEGAN + timedelta(days=n_days)
        for words, length in {"hour": 1 / 24, "day": 1, "week": 7, "month": 30, "year": 365}.items():
            took_s, n_points, step_s = measure_view(HistoryReader(path), end, timedelta(days=length))
            print(f"view of a {words:5s}         {took_s:8.3f} s, {n_points} points of {step_s} s")
        print(f"memory                  {(resident_bytes() - before_bytes) / 1e6:8.1f} MB more after the views")
        store.close()


if __name__ == "__main__":
    main()
