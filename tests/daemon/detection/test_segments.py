"""Segments are strided slices of the frames, for any split of the frames."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aegan_monitor.detection.segments import ClipParameters, Columns, Scaling, Segmenter, cut_segments

CLIP = ClipParameters(segment_frames=16, segment_hop_frames=4, clip_frames=32, decision_hop_frames=8)
SCALING = Scaling((-30.0,), (50.0,))
FRAMES = np.random.default_rng(1).uniform(-80, 20, (5, 103)).astype(np.float32)


def slices(db: np.ndarray) -> np.ndarray:
    """Every segment of the whole, sliced."""
    scaled = (db + 30) / 50
    return np.stack([scaled[None, :, start : start + 16] for start in range(0, db.shape[1] - 15, 4)])


@given(cuts=st.lists(st.integers(0, FRAMES.shape[1]), max_size=20))
def test_any_split_gives_the_same_segments(cuts: list[int]) -> None:
    """Frames in any portions give each slice of the whole once, in order."""
    segmenter = Segmenter(5, CLIP, SCALING)
    places = [0, *sorted(cuts), FRAMES.shape[1]]
    found = np.concatenate([segmenter.push(FRAMES[:, a:b]) for a, b in pairwise(places)])
    np.testing.assert_allclose(found, slices(FRAMES), atol=1e-6)


def test_reset_forgets_the_frames_before() -> None:
    """After a reset the first segment begins with the next frame."""
    segmenter = Segmenter(5, CLIP, SCALING)
    segmenter.push(FRAMES[:, :15])
    segmenter.reset()
    assert len(segmenter.push(FRAMES[:, :15])) == 0
    np.testing.assert_allclose(segmenter.push(FRAMES[:, 15:16]), slices(FRAMES[:, :16]), atol=1e-6)


def test_extremes_of_the_training_set_map_to_one_and_what_is_louder_is_not_clipped() -> None:
    """Scaling is affine and does not clip."""
    np.testing.assert_allclose(SCALING.apply(np.array([[-80.0, -30.0, 20.0, 70.0]], np.float32)), [[-1, 0, 1, 2]])


def test_each_band_may_have_a_scale_of_its_own() -> None:
    """Per-band scaling applies to a picture and to a stack of segments alike."""
    scaling = Scaling((-30.0, 0.0), (10.0, 5.0))
    picture = np.array([[-30.0, -20.0], [-5.0, 10.0]], np.float32)
    np.testing.assert_allclose(scaling.apply(picture), [[0, 1], [-1, 2]])
    np.testing.assert_allclose(scaling.apply(np.stack([picture, picture])[:, None])[1, 0], scaling.apply(picture))
    assert scaling.problems(2) == []
    assert scaling.problems(3) == ["centre_db: expected 1 number or 3, found 2", "half_range_db: expected 1 number or 3, found 2"]
    assert Scaling((0.0,), (0.0,)).problems(128) == ["half_range_db: expected over 0"]


def test_too_few_frames_are_no_segment() -> None:
    """15 of 16 frames give no segment."""
    assert cut_segments(FRAMES[:, :15], CLIP).shape == (0, 1, 5, 16)


@pytest.mark.parametrize(
    ("clip", "n_segments"), [(ClipParameters(), 23), (ClipParameters(128, 16, 304), 12), (ClipParameters(128, 1, 313), 186)]
)
def test_segments_of_a_clip(clip: ClipParameters, n_segments: int) -> None:
    """A default clip has 23 segments, the edge preset's 12, the paper's 186."""
    assert clip.n_segments == n_segments
    assert clip.problems() == []


def test_what_does_not_fit_together_is_reported() -> None:
    """Decision hops must be multiples of segment hops, and a clip must contain a segment."""
    assert ClipParameters(128, 24, 100, 32).problems() == [
        "clip_frames 100 is less than segment_frames 128",
        "decision_hop_frames 32 is no multiple of segment_hop_frames 24",
    ]


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9))))
def test_columns_are_those_of_an_array_that_is_joined_and_cut(steps: list[tuple[int, int]]) -> None:
    """Whatever is added and forgotten."""
    columns, expected = Columns(2), np.zeros((2, 0), np.float32)
    for number, (n_new, n_old) in enumerate(steps):
        new = np.arange(2 * n_new, dtype=np.float32).reshape(2, n_new) + 1000 * number
        columns.append(new)
        expected = np.concatenate([expected, new], axis=1)
        n_forgotten = min(n_old, len(columns))
        columns.forget(n_forgotten)
        expected = expected[:, n_forgotten:]

        assert len(columns) == expected.shape[1]
        np.testing.assert_array_equal(columns.values, expected)


def test_memory_does_not_grow() -> None:
    """A window of 100 columns takes a quarter more than their memory, however long the stream is."""
    columns = Columns(2)
    for _ in range(1000):
        columns.append(np.zeros((2, 8), np.float32))
        columns.forget(max(0, len(columns) - 100))

    assert columns._storage.shape[1] <= 1.25 * 108
