"""What the history of 8 machines costs: bytes a day to the disk, size, memory, and the time of each view.

.venv/bin/python tests/benchmarks/history.py [DAYS]     (365 days; 3 minutes)

Seconds and minutes hold no more after 33 days. So only the last 33 days are written as the daemon does; the days before them as the
hours that they would leave.
"""

import contextlib
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from aegan_monitor.history.buckets import BUCKET, Buckets, pack
from aegan_monitor.history.database import WRITE_BITS, open_to_write
from aegan_monitor.history.reader import HistoryReader
from aegan_monitor.history.store import Batch, HistoryStore
from aegan_monitor.service.health import resident_bytes

N_MACHINES = 8
DAY_S, MINUTE_S, HOP_S = 86_400, 60, 1.024  # a decision every 1.024 s
BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
N_SHAPES = 50  # minutes that come again: no two machines have the same at a time
MEASURED_DAYS = 2  # the last ones, written minute by minute; those before hour by hour, which gives the same rows in less time
WHOLE_DAYS = 33  # after which seconds and minutes are as many as they get
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


def fill_hours(path: Path, n_days: int) -> None:
    """Write the hours of the first days alone, in the chunks that joining gives."""
    rng = np.random.default_rng(1)
    with contextlib.closing(open_to_write(path)) as connection:
        connection.execute("BEGIN")
        for day in range(n_days):
            for number in range(N_MACHINES):
                made = np.zeros(24, BUCKET)
                made["time"], made["n"] = BEGAN.timestamp() + DAY_S * day + 3600 * np.arange(24), 3516
                for name in ("score_mean", "score_max", "evidence_max", "level_mean"):
                    made[name] = rng.normal(size=24)
                first = int(made["time"][0])
                row = (day + 1 << WRITE_BITS) + number, f"m{number}", first, first + DAY_S, 0, pack(made)
                connection.execute("INSERT INTO hours VALUES (?, ?, ?, ?, ?, ?)", row)
        connection.execute("COMMIT")


def fill(store: HistoryStore, n_days: int) -> tuple[int, int]:
    """Write so many days; returns `written_bytes` of the last."""
    n_whole = min(n_days, WHOLE_DAYS)
    fill_hours(store.path, n_days - n_whole)
    n_measured = min(n_whole, MEASURED_DAYS) * DAY_S // MINUTE_S
    batches = make_batches(n_whole * DAY_S // MINUTE_S, (n_days - n_whole) * DAY_S // MINUTE_S)
    for _ in range((n_whole * DAY_S // MINUTE_S - n_measured) // MINUTE_S):
        store.write([next(batches) for _ in range(MINUTE_S)], [])
    before = 0, 0
    for minute, batch in enumerate(batches):
        if minute == n_measured - DAY_S // MINUTE_S:
            before = written_bytes()
        events = [(ADD_EVENT, (BEGAN.timestamp() + MINUTE_S * minute, "x" * 150))] if minute % 120 == 0 else []
        store.write([batch], events)
    after = written_bytes()
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
        store.write([], [])
        before_bytes = resident_bytes()
        began_s = time.perf_counter()
        a_day = fill(store, n_days)
        print(f"{n_days} days of {N_MACHINES} machines written in {time.perf_counter() - began_s:.0f} s")
        print(f"written                 {a_day[0] / 1e6:8.1f} MB a day, {a_day[1] / 1e6:.1f} MB in blocks of the file system")
        print(f"file                    {path.stat().st_size / 1e6:8.1f} MB, log {Path(f'{path}-wal').stat().st_size / 1e6:.1f} MB")
        print(f"memory                  {(resident_bytes() - before_bytes) / 1e6:8.1f} MB more than at the start")
        end = BEGAN + timedelta(days=n_days)
        for words, length in {"hour": 1 / 24, "day": 1, "week": 7, "month": 30, "year": 365}.items():
            took_s, n_points, step_s = measure_view(HistoryReader(path), end, timedelta(days=length))
            print(f"view of a {words:5s}         {took_s:8.3f} s, {n_points} points of {step_s} s")
        print(f"memory                  {(resident_bytes() - before_bytes) / 1e6:8.1f} MB more after the views")
        store.close()


if __name__ == "__main__":
    main()
