"""Blocks of normal sound for a budget: which clips follow each other."""

from pathlib import Path

import numpy as np

from aegan_monitor.decision.budget import ONE_A_WEEK
from aegan_monitor.decision.p_value import NormalScores
from aegan_monitor.detection.record import Calibration, NormalState
from aegan_train.calibration.normal_blocks import Part, Span, add_blocks, collect_blocks, find_clip_states
from aegan_train.recordings.folder import Clip
from aegan_train.recordings.spectrograms import Spectrograms

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


def test_a_stretch_is_of_one_operating_state() -> None:
    """A stretch ends where the state changes; each knows its state, and that of clips over a change is none."""
    part = make_part(spans(*(("a", place) for place in range(6))), score(1, 2, 30, 4, 5, 6))
    found = collect_blocks("F", [part], [[0, 0, None, 1, 1, 0]])
    assert (found.stretches, found.states) == ([[1, 2], [30], [4, 5], [6]], [0, None, 1, 0])
    assert found.by_state() == {0: [1, 2, 6], 1: [4, 5]}
    assert collect_blocks("F", [part], [[]]).states == collect_blocks("F", [part]).states == []


def test_loads_that_last_need_no_longer_blocks() -> None:
    """Minutes of each load are alike because of the load: without states blocks grow, and with them they stay one clip."""
    rng, n = np.random.default_rng(0), 240
    states = [place // 6 % 2 for place in range(n)]
    part = make_part(spans(*(("a", place) for place in range(n))), score(*(rng.normal(size=n) + 10 * np.array(states)).tolist()))
    assert collect_blocks("F", [part]).n_clips > 1
    found = collect_blocks("F", [part], [states])
    assert found.n_clips == 1
    assert found.autocorrelation is not None
    assert abs(found.autocorrelation) < 0.2
    assert max(found.by_state()[0]) < 5 < min(found.by_state()[1])


def test_copies_are_the_blocks_of_any_place() -> None:
    """The blocks of the recorded place have no copies, those of any place have nothing else; each copy is a stretch of its own."""
    known = Calibration(n_clips=2, probabilities=[0, 1], quantiles={"F": [0, 1]})
    copies: Part = [(0, 0, 0), (1, 0, 0)], [0, 0], score(8, 9)
    found = add_blocks({"recorded": known, "any": known}, "F", [make_part(spans(("a", 0), ("a", 1)), score(1, 2))], copies)
    stretches = {place: each.blocks.stretches for place, each in found.items() if each.blocks}
    assert stretches == {"recorded": [[1, 2]], "any": [[8], [9]]}
    found = add_blocks({"recorded": known, "any": known}, "F", [make_part(spans(("a", 0), ("a", 1)), score(1, 2))], copies, [[0, 1]])
    assert {place: each.blocks.states for place, each in found.items() if each.blocks} == {"recorded": [0, 1], "any": []}


def test_no_score_is_more_unusual_in_any_place_than_in_the_recorded_one() -> None:
    """Copies of quiet clips do not make any place more sensitive than the recorded one, in which a strange recording was heard."""
    known = Calibration(n_clips=4, probabilities=[0, 1], quantiles={"F": [0, 1]})
    copies: Part = [(place, 0, 0) for place in range(4)], [0] * 4, score(4, 3, 2, 3.5)
    recorded = make_part(spans(("a", 0), ("a", 1), ("b", 0), ("b", 1)), score(1, 9, 2, 2.5))
    found = add_blocks({"recorded": known, "any": known}, "F", [recorded], copies)
    normal = {
        place: NormalScores((value for each in known.blocks.stretches for value in each), ONE_A_WEEK.confidence)
        for place, known in found.items()
        if known.blocks
    }
    for value in np.linspace(0, 10, 41):
        assert normal["any"].p_value(value) >= normal["recorded"].p_value(value)
    assert normal["any"].sorted.tolist() == [2, 3, 3.5, 9]


def test_copies_are_as_alike_as_recordings_are() -> None:
    """Copies of clips of a few recordings prove no more than the recordings: their likeness is at least that of clips of one recording."""
    known = Calibration(n_clips=12, probabilities=[0, 1], quantiles={"F": [0, 1]})
    rng, spans_of_clips = np.random.default_rng(0), [(number, 0, CLIP) for number in range(12)]
    recorded: Part = spans_of_clips, np.repeat(np.arange(4), 3).tolist(), score(*(np.repeat([1, 2, 3, 4], 3) + 0.1 * rng.normal(size=12)))
    copies: Part = spans_of_clips, np.repeat(np.arange(4), 3).tolist(), score(*rng.uniform(5, 9, 12))
    found = add_blocks({"recorded": known, "any": known}, "F", [recorded], copies)
    likeness = {place: each.blocks.alike for place, each in found.items() if each.blocks}
    assert collect_blocks("F", [copies]).alike < 0.9 < likeness["recorded"] == likeness["any"]


def test_recordings_that_differ_are_noticed() -> None:
    """Ten clips of each of eight recordings: alike within them, or not."""
    rng = np.random.default_rng(0)
    recordings, places = np.repeat(np.arange(8), 10).tolist(), [(number, 0, CLIP) for number in range(80)]
    alike = np.repeat(rng.normal(size=8), 10) + 0.1 * rng.normal(size=80)
    found = [collect_blocks("F", [(places, recordings, score(*values))]) for values in (alike, rng.normal(size=80))]
    assert [each.per_recording for each in found] == [10, 10]
    assert found[0].alike > 0.9
    assert found[1].alike < 0.1


def test_the_state_of_a_clip_is_known_by_its_seconds_and_those_after_it() -> None:
    """A clip is in the state of its seconds; one that the next clip of its recording shows to end in a change is in none."""
    quiet, loud = (np.full((9, 11), level) for level in (-60.0, -20.0))
    states = [
        NormalState(name=name, share=0.5, level_dbfs=[level - 2, level, level + 2], bands_dbfs=[[level - 2, level, level + 2]] * 8)
        for name, level in (("off", -60.0), ("running", -20.0))
    ]
    clips = [
        Clip(Path(name), "train", "00", False, 0, recording)
        for name, recording in (("a", "1"), ("b", "1"), ("c", "1"), ("d", "2"), ("e", ""))
    ]
    found = Spectrograms(
        frames=np.zeros((0, 128), np.float32),
        first_frames=[0] * 5,
        n_frames=[CLIP] * 5,
        bands=[[]] * 5,
        digests=[""] * 5,
        clips=clips,
        windows=[[slice(0, CLIP)]] * 5,
        seconds=[quiet, quiet, loud, quiet, np.concatenate([quiet[:5], loud[:4]])],
    )
    assert find_clip_states(found, states, 0.032) == [0, None, 1, 0, None]
    assert find_clip_states(found, states[:1], 0.032) == []
