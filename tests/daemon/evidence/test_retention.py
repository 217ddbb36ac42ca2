"""Which cases go first."""

from hypothesis import given
from hypothesis import strategies as st

from aegan_monitor.evidence.retention import DAY_S, VALUES, StoredCase, find_cheapest, find_expired
from aegan_monitor.messages.case import Verdict

NOW_S = 1.8e9
VERDICTS: tuple[Verdict | None, ...] = tuple(VALUES)
CASES = st.lists(
    st.builds(
        StoredCase,
        machine=st.sampled_from(["fan", "pump"]),
        case_id=st.uuids().map(str),
        written_s=st.integers(0, 1000).map(lambda days: NOW_S - days * DAY_S),
        n_bytes=st.integers(1, 5_000_000),
        verdict=st.sampled_from(VERDICTS),
    ),
    max_size=12,
    unique_by=lambda case: case.key,
)


def make_case(verdict: Verdict | None, age_days: float, n_bytes: int = 100) -> StoredCase:
    """A case whose id says what it is."""
    return StoredCase("pump", f"{verdict}-{age_days:g}", NOW_S - age_days * DAY_S, n_bytes, verdict)


def test_a_false_alarm_goes_before_a_true_fault() -> None:
    """Value comes first, then age: a true fault outlasts newer cases that nobody has judged."""
    cases = [make_case("true_fault", 80), make_case(None, 2), make_case("false_alarm", 1), make_case(None, 3), make_case("maintenance", 1)]
    order = [case.case_id for case in find_cheapest(cases, 500, set())]
    assert order == ["false_alarm-1", "maintenance-1", "None-3", "None-2", "true_fault-80"]
    assert find_cheapest(cases, 501, set()) == []  # all of them would not do


def test_age_counts_by_value() -> None:
    """With 90 days, a false alarm is kept for 22, a case without a verdict for 90, a true fault for 360."""
    cases = [make_case(verdict, age) for verdict in ("false_alarm", None, "true_fault") for age in (20, 25, 85, 95, 355, 365)]
    kept = {case.case_id for case in cases} - {case.case_id for case in find_expired(cases, 90, NOW_S, set())}
    lasting = {"false_alarm": (20,), "None": (20, 25, 85), "true_fault": (20, 25, 85, 95, 355)}
    assert kept == {f"{verdict}-{age}" for verdict, ages in lasting.items() for age in ages}


def test_a_clock_that_is_wrong_expires_nothing() -> None:
    """Neither one that was set back a day, nor one that begins in 1970."""
    cases = [make_case(None, 0)]
    for now_s in (NOW_S - DAY_S, 0.0):
        assert find_expired(cases, 0.001, now_s, set()) == []


@given(cases=CASES, n_bytes=st.integers(-10, 30_000_000), keep_days=st.floats(0.1, 500), open_number=st.integers(0, 11))
def test_an_open_case_is_never_deleted(cases: list[StoredCase], n_bytes: int, keep_days: float, open_number: int) -> None:
    """Whatever is chosen: it suffices, is not more than needed, and no open case is among it."""
    kept = {case.key for case in cases[open_number : open_number + 1]}
    chosen = find_cheapest(cases, n_bytes, kept)
    assert not kept & {case.key for case in [*chosen, *find_expired(cases, keep_days, NOW_S, kept)]}
    if chosen:
        assert sum(case.n_bytes for case in chosen) >= n_bytes > sum(case.n_bytes for case in chosen[:-1])
    elif n_bytes > 0:
        assert sum(case.n_bytes for case in cases if case.key not in kept) < n_bytes
