"""What a history of 8 machines costs, on a smaller scale than the benchmark."""

import time
from datetime import timedelta
from itertools import islice
from pathlib import Path

from aegan_monitor.history.reader import HistoryReader
from aegan_monitor.history.store import HistoryStore
from benchmarks.history import BEGAN, make_batches, written_bytes

HOURS = 3
MOST_WRITTEN_BYTES, MOST_SIZE_BYTES, LONGEST_VIEW_S = 50e6, 200e6, 0.5


def test_three_hours_are_within_the_limits_of_a_year(tmp_path: Path) -> None:
    """The bytes of an hour in single minutes, the size of what a year keeps, and the view of all seconds."""
    path = tmp_path / "h.sqlite"
    store, batches = HistoryStore(path, 1826), make_batches(HOURS * 60)
    store.write(list(islice(batches, (HOURS - 1) * 60)), [])
    before, _ = written_bytes()
    for batch in batches:
        store.write([batch], [])
    a_day = (written_bytes()[0] - before) * 24
    assert 5e6 < a_day < MOST_WRITTEN_BYTES  # under 5 nothing was measured

    reader = HistoryReader(path)
    with reader._open() as connection:
        (minutes_bytes,) = connection.execute("SELECT sum(length(buckets)) FROM minutes").fetchone()
    store.close()
    seconds, minutes, hours = path.stat().st_size * 25 / HOURS, minutes_bytes * 24 / HOURS * 31, minutes_bytes / HOURS * 365
    assert seconds + minutes + hours < MOST_SIZE_BYTES  # a day has 24 hours, fewer than the 60 minutes of an hour

    began_s = time.thread_time()
    found = reader.read_series("m3", BEGAN, BEGAN + timedelta(hours=HOURS), HOURS * 3600)
    assert time.thread_time() - began_s < LONGEST_VIEW_S
    assert len(found.times) > HOURS * 3400
