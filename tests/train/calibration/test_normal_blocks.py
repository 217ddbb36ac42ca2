"""Blocks of normal sound for a budget: which clips follow each other."""

from aegan_monitor.detection.record import Calibration
from aegan_train.calibration.normal_blocks import add_blocks, collect_blocks

CLIP = 304


def spans(*starts: tuple[str, int]) -> list[tuple[str, int, int]]:
    """Clips of these files that begin at these numbers of clips."""
    return [(file, CLIP * start, CLIP * (start + 1)) for file, start in starts]


def score(*values: float) -> dict[int, dict[str, float]]:
    """Scores of clips."""
    return {place: {"F": value} for place, value in enumerate(values)}


def test_clips_that_follow_each_other_in_a_file_are_one_stretch() -> None:
    """A stretch ends with its file, where clips were left out, and where a clip has no score."""
    part = spans(("a", 0), ("a", 1), ("a", 3), ("b", 4), ("b", 5), ("b", 6)), score(1, 2, 3, 4, 5, 6)
    assert collect_blocks("F", [part]).stretches == [[1, 2], [3], [4, 5, 6]]
    del part[1][4]
    assert collect_blocks("F", [part]).stretches == [[1, 2], [3], [4], [6]]
    assert collect_blocks("F", [part, part]).stretches == [[1, 2], [3], [4], [6]] * 2


def test_clips_may_overlap_a_little() -> None:
    """Evenly spread clips of a file that overlap or leave a short gap follow each other."""
    assert collect_blocks("F", [([("a", 0, 304), ("a", 290, 594), ("a", 700, 1004)], score(1, 2, 3))]).stretches == [[1, 2, 3]]
    assert collect_blocks("F", [([("a", 0, 304), ("a", 500, 804)], score(1, 2))]).stretches == [[1], [2]]


def test_copies_count_in_any_place_alone() -> None:
    """The blocks of the recorded place have no copies; each copy is a stretch of its own."""
    known = Calibration(n_clips=2, probabilities=[0, 1], quantiles={"F": [0, 1]})
    found = add_blocks(
        {"recorded": known, "any": known}, "F", [(spans(("a", 0), ("a", 1)), score(1, 2))], ([(0, 0, 0), (1, 0, 0)], score(8, 9))
    )
    stretches = {place: each.blocks.stretches for place, each in found.items() if each.blocks}
    assert stretches == {"recorded": [[1, 2]], "any": [[1, 2], [8], [9]]}
