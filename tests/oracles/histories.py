"""Decisions for the history, and what their buckets must be."""

import math
from collections import defaultdict
from datetime import UTC, datetime, timedelta

import numpy as np
from hypothesis import strategies as st

from aegan_monitor.history.buckets import Buckets, Decision
from aegan_monitor.messages.payloads import Score

BEGAN = datetime(2026, 1, 31, 8, 0, tzinfo=UTC)


def decisions(max_size: int = 40) -> st.SearchStrategy[list[Decision]]:
    """Decisions by any clock: one that stands, jumps by days, or begins in 1970."""
    number = st.floats(-1e6, 1e6, width=32)
    times = st.floats(0.0, 100.0) | st.floats(1.7e9, 1.7e9 + 7200.0) | st.floats(0.0, 4e9)
    evidence = st.just(math.nan) | st.floats(0.0, 1.0, width=32)
    return st.lists(st.builds(Decision, times, number, evidence, st.floats(-120.0, 0.0, width=32)), max_size=max_size)


def assert_sums_up(buckets: Buckets, raw: list[Decision], width_s: int) -> None:
    """The buckets are those of the raw decisions, computed one by one."""
    groups: dict[int, list[Decision]] = defaultdict(list)
    for each in raw:
        groups[math.floor(each.time) // width_s * width_s].append(each)
    assert buckets["time"].tolist() == sorted(groups)
    assert buckets["n"].tolist() == [len(groups[time]) for time in sorted(groups)]
    for bucket in buckets:
        group = groups[int(bucket["time"])]
        scores, levels = [each.score for each in group], [each.level_dbfs for each in group]
        found = [each.evidence for each in group if not math.isnan(each.evidence)]
        largest = max(1.0, *map(abs, scores))
        assert bucket["score_max"] == max(scores)
        assert np.isclose(bucket["score_mean"], np.mean(scores), rtol=1e-6, atol=1e-6 * largest)
        assert np.isclose(bucket["level_mean"], np.mean(levels), rtol=1e-6, atol=1e-4)
        assert np.array_equal(bucket["evidence_max"], max(found, default=math.nan), equal_nan=True)


def make_score(seconds: float, score: float = 1.0, evidence: float | None = 0.25, level_dbfs: float = -30.0) -> Score:
    """A score that fell so many seconds after `BEGAN`."""
    return Score(
        time=BEGAN + timedelta(seconds=seconds), sample=1, stream_s=1.0, score_id="z", score=score, normalised=0.0, threshold=1.0,
        exceeded=False, level_dbfs=level_dbfs, evidence=evidence, state="normal",
    )  # fmt: skip
