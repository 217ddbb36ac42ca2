"""Buckets: whatever was joined in whatever order has the mean and the maximum of the decisions."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aegan_monitor.history.buckets import Buckets, Decision, join_buckets, make_buckets, pack, unpack
from histories import assert_sums_up, decisions


@settings(max_examples=40)
@given(decisions(), st.sampled_from([1, 60, 3600, 86_400]))
def test_a_bucket_has_mean_and_maximum_of_its_decisions(given_decisions: list[Decision], width_s: int) -> None:
    """Computed here from the raw decisions, one bucket after the other."""
    assert_sums_up(join_buckets(make_buckets(given_decisions), width_s), given_decisions, width_s)


@settings(max_examples=40)
@given(decisions(), st.data())
def test_parts_join_in_any_order(given_decisions: list[Decision], data: st.DataObject) -> None:
    """Seconds that were stored in two parts, and joined to minutes apart, give the same hours."""
    cut = data.draw(st.integers(0, len(given_decisions)))
    parts = [join_buckets(make_buckets(part), 60) for part in (given_decisions[cut:], given_decisions[:cut])]
    assert_sums_up(join_buckets(np.concatenate(parts), 3600), given_decisions, 3600)


@settings(max_examples=40)
@given(st.lists(decisions(), max_size=4))
def test_packing_loses_nothing(parts: list[list[Decision]]) -> None:
    """Not a bit, for any number of buckets."""
    made: list[Buckets] = [make_buckets(part) for part in parts]
    assert unpack([pack(each) for each in made]).tobytes() == b"".join(each.tobytes() for each in made)


@pytest.mark.parametrize(
    "spoil", [lambda packed: packed[:-5], lambda packed: b"x" + packed, lambda _: b""], ids=["cut", "changed", "empty"]
)
def test_bytes_of_another_kind_are_refused(spoil: object) -> None:
    """Half a chunk never counts as a whole one."""
    packed = pack(make_buckets([Decision(1.0, 2.0, math.nan, -30.0)] * 50))
    with pytest.raises(ValueError, match="decompress"):
        unpack([spoil(packed)])  # type: ignore[operator]
