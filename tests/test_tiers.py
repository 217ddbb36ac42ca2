"""The tiers: a file's place decides, and what the table names is there."""

import pytest

from tiers import GROUPS, TESTS, TIERS, is_costly, tiers_of


@pytest.mark.parametrize(
    ("place", "tiers"),
    [
        ("daemon/alarm/test_machine.py", set()),
        ("daemon/detection/test_scores.py", {"train"}),
        ("integration/test_run.py", {"process"}),
        ("integration/chaos/test_mutants.py", {"process", "chaos"}),
        ("integration/microphone/test_faults.py", {"process", "realtime"}),
    ],
)
def test_a_files_place_decides_its_tiers(place: str, tiers: set[str]) -> None:
    """A folder's tiers are those of all below it."""
    assert tiers_of(TESTS / place) == tiers
    assert is_costly(TESTS / place) == bool(tiers)


def test_every_place_is_there() -> None:
    """A file that was moved or renamed keeps its tier."""
    assert [place for places in (*TIERS.values(), *GROUPS.values()) for place in places if not (TESTS / place).exists()] == []
