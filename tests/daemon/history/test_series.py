"""Series from the file: each decision counts once, at every level, whatever was joined, removed or written twice."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aegan_monitor.history import reader as reading
from aegan_monitor.history.buckets import Decision, join_buckets, make_buckets
from aegan_monitor.history.database import LEVELS
from aegan_monitor.history.reader import HistoryReader
from aegan_monitor.history.store import HistoryStore
from histories import BEGAN, assert_sums_up, decisions

BEGAN_S = BEGAN.timestamp()
FIRST, LAST = datetime(1970, 1, 1, tzinfo=UTC), datetime(2106, 1, 1, tzinfo=UTC)


def write(path: Path, writes: Iterable[list[Decision]], keep_days: int = 10_000) -> HistoryReader:
    """A history of one machine with these writes, beside another machine's."""
    store = HistoryStore(path, keep_days)
    other = make_buckets([Decision(BEGAN_S, 9e9, 1.0, 0.0)])
    store.write(({"pump": make_buckets(each), "fan": other} if each else {"fan": other} for each in writes), [])
    store.close()
    return HistoryReader(path)


def steady(n_writes: int, began_s: float = BEGAN_S) -> list[list[Decision]]:
    """A decision every 20 s, three a write."""
    return [[Decision(began_s + 60 * n + 20 * k, float(3 * n + k), 0.5, -30.0) for k in range(3)] for n in range(n_writes)]


def at(seconds: float) -> datetime:
    """So many seconds after `BEGAN`."""
    return BEGAN + timedelta(seconds=seconds)


@settings(max_examples=25)
@given(writes=st.lists(decisions(max_size=6), min_size=1, max_size=8), level=st.integers(0, 2))
def test_each_level_sums_up_the_raw_decisions(tmp_path_factory: pytest.TempPathFactory, writes: list[list[Decision]], level: int) -> None:
    """Sequences with any clock; 57 empty writes before them put the joining to minutes among them."""
    path = tmp_path_factory.mktemp("history") / "h.sqlite"
    reader = write(path, [*([[]] * 57), *writes])
    with reader._open() as connection:
        found, coarsest = reading._read_buckets(connection, "pump", 0, 2**40, level)
    raw = [decision for each in writes for decision in each]
    assert_sums_up(join_buckets(found, LEVELS[coarsest].step_s), raw, LEVELS[coarsest].step_s)
    assert coarsest == level


def test_a_day_and_two_hours_are_read_at_any_width(tmp_path: Path) -> None:
    """The first seconds are gone, and their minutes stand for them: all is there once."""
    raw = steady(26 * 60 + 7)
    reader = write(tmp_path / "h.sqlite", raw)
    flat = [decision for each in raw for decision in each]
    with reader._open() as connection:
        (n_seconds,) = connection.execute("SELECT count(*) FROM seconds WHERE machine = 'pump'").fetchone()
        for level, coarsest in ((0, 1), (1, 1), (2, 2)):
            found, used = reading._read_buckets(connection, "pump", 0, 2**40, level)
            assert used == coarsest
            assert_sums_up(join_buckets(found, LEVELS[used].step_s), flat, LEVELS[used].step_s)
    assert 24 * 60 <= n_seconds <= 25 * 60 + 7


@pytest.mark.parametrize(
    ("length_s", "step_s"), [(60, 1), (1000, 3), (4 * 3600, 60), (30 * 3600, 300), (48 * 3600, 480), (90 * 86_400, 6 * 3600)]
)
def test_the_coarsest_level_with_enough_points_is_read(tmp_path: Path, length_s: int, step_s: int) -> None:
    """A zoom from months to a minute never gives more points than were wanted."""
    reader = write(tmp_path / "h.sqlite", steady(90))
    found = reader.read_series("pump", BEGAN, at(length_s), 400)
    assert (found.step_s, len(found.times) <= 400) == (step_s, True)


@settings(max_examples=50)
@given(begin=st.integers(-400, 6000), length_s=st.integers(1, 90_000), n_points=st.integers(2, 50))
def test_points_are_bounded_and_cover_what_was_asked(
    tmp_path_factory: pytest.TempPathFactory, begin: int, length_s: int, n_points: int
) -> None:
    """Each decision between begin and end is in a point; nothing is from before the point that holds the begin."""
    base = tmp_path_factory.getbasetemp() / "points.sqlite"
    reader = HistoryReader(base) if base.exists() else write(base, steady(90))
    found = reader.read_series("pump", at(begin), at(begin + length_s), n_points)
    inside = [each for write in steady(90) for each in write if begin <= each.time - BEGAN_S < begin + length_s]
    assert len(found.times) <= n_points
    assert {int(each.time) // found.step_s * found.step_s for each in inside} <= set(found.times)
    assert all(time + found.step_s > BEGAN_S + begin and time < BEGAN_S + begin + length_s for time in found.times)


def test_a_clock_that_is_set_back_a_day_loses_nothing(tmp_path: Path) -> None:
    """The same second is written twice: a day later by the clock's error, and in truth. Both count."""
    raw = [*steady(70, BEGAN_S + 86_400), *steady(70)]
    reader = write(tmp_path / "h.sqlite", [*raw, *steady(70, BEGAN_S + 86_400)])
    found = reader.read_series("pump", at(86_400), at(86_400 + 120), 200)
    assert found.score_mean == tuple(float(n) for n in range(6))
    with reader._open() as connection:
        buckets, _ = reading._read_buckets(connection, "pump", 0, 2**40, 0)
    assert buckets["n"].sum() == 3 * 3 * 70


def test_a_machine_without_scores_has_no_points(tmp_path: Path) -> None:
    """Nor has a time before the first one."""
    reader = write(tmp_path / "h.sqlite", steady(2))
    assert reader.read_series("other", BEGAN, at(100)).times == ()
    assert reader.read_series("pump", FIRST, BEGAN).times == ()
    assert len(reader.read_series("pump", FIRST, LAST).times) == 1


def test_hours_are_kept_as_long_as_configured(tmp_path: Path) -> None:
    """The newest day, in one chunk a machine; what is not joined yet stays besides."""
    reader = write(tmp_path / "h.sqlite", steady(2 * 24 * 60), keep_days=1)
    with reader._open() as connection:
        assert connection.execute("SELECT count(*), min(number) >> 20 FROM hours WHERE machine = 'pump'").fetchone() == (1, 2)
