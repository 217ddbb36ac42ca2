"""Blocks of normal sound for a budget: which clips follow each other."""

import numpy as np

from aegan_monitor.detection.record import Calibration
from aegan_train.calibration.normal_blocks import Part, Span, add_blocks, collect_blocks

CLIP = 304


def spans(*starts: tuple[str, int]) -> list[Span]:
    """Clips of these files that begin at these numbers of clips."""
    return [(file, CLIP * start, CLIP * (start + 1)) for file, start in starts]


def make_part(places: list[Span], scores: dict[int, dict[str, float]]) -> Part:
    """Clips of one recording."""
    return places, [0] * len(places), scores


def score(*values: float) -> dict[int, dict[str, float]]:
    """Scores of clips."""
    return {place: {"F": value} for place, value in enumerate(values)}


def test_clips_that_follow_each_other_in_a_file_are_one_stretch() -> None:
    """A stretch ends with its file, where clips were left out, and where a clip has no score."""
    part = make_part(spans(("a", 0), ("a", 1), ("a", 3), ("b", 4), ("b", 5), ("b", 6)), score(1, 2, 3, 4, 5, 6))
    assert collect_blocks("F", [part]).stretches == [[1, 2], [3], [4, 5, 6]]
    part = make_part(list(part[0]), {place: dict(each) for place, each in part[2].items() if place != 4})
    assert collect_blocks("F", [part]).stretches == [[1, 2], [3], [4], [6]]
    assert collect_blocks("F", [part, part]).stretches == [[1, 2], [3], [4], [6]] * 2


def test_clips_may_overlap_a_little() -> None:
    """Evenly spread clips of a file that overlap or leave a short gap follow each other."""
    assert collect_blocks("F", [make_part([("a", 0, 304), ("a", 290, 594), ("a", 700, 1004)], score(1, 2, 3))]).stretches == [[1, 2, 3]]
    assert collect_blocks("F", [make_part([("a", 0, 304), ("a", 500, 804)], score(1, 2))]).stretches == [[1], [2]]


def test_copies_are_the_blocks_of_any_place() -> None:
    """The blocks of the recorded place have no copies, those of any place have nothing else; each copy is a stretch of its own."""
    known = Calibration(n_clips=2, probabilities=[0, 1], quantiles={"F": [0, 1]})
    copies: Part = [(0, 0, 0), (1, 0, 0)], [0, 0], score(8, 9)
    found = add_blocks({"recorded": known, "any": known}, "F", [make_part(spans(("a", 0), ("a", 1)), score(1, 2))], copies)
    stretches = {place: each.blocks.stretches for place, each in found.items() if each.blocks}
    assert stretches == {"recorded": [[1, 2]], "any": [[8], [9]]}


def test_recordings_that_differ_are_noticed() -> None:
    """Ten clips of each of eight recordings: alike within them, or not."""
    rng = np.random.default_rng(0)
    recordings, places = np.repeat(np.arange(8), 10).tolist(), [(number, 0, CLIP) for number in range(80)]
    alike = np.repeat(rng.normal(size=8), 10) + 0.1 * rng.normal(size=80)
    found = [collect_blocks("F", [(places, recordings, score(*values))]) for values in (alike, rng.normal(size=80))]
    assert [each.per_recording for each in found] == [10, 10]
    assert found[0].alike > 0.9
    assert found[1].alike < 0.1
