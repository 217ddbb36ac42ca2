"""The pipeline gives the same decisions for any split of the samples, and no score across a gap."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aegan_monitor.detection.baselines import make_baseline_filterbank
from aegan_monitor.detection.features import FeatureParameters, LogMel
from aegan_monitor.detection.pipeline import Pipeline
from aegan_monitor.detection.scores import SCORE_IDS, ClipEvidence, evaluate_scores
from aegan_monitor.detection.segments import ClipParameters, Segmenter
from aegan_monitor.detection.views import summarise
from aegan_monitor.errors import CaptureError
from aegan_monitor.types import ClipScore
from fakes import ArithmeticSession, make_fields, make_reference

RNG = np.random.default_rng(9)
SOUND = (0.1 * RNG.normal(size=16_000 * 14) * (1 + np.sin(np.arange(16_000 * 14) / 9000))).astype(np.float32)
REFERENCE = make_reference()


def make_pipeline(clip: ClipParameters | None = None) -> Pipeline:
    """A pipeline on a network of sums."""
    return Pipeline(make_fields(clip), REFERENCE, ArithmeticSession())


def assert_same(found: list[ClipScore], expected: list[ClipScore]) -> None:
    """Sample times equal; scores and levels as near as float32 sums allow."""
    assert [each.end_sample for each in found] == [each.end_sample for each in expected]
    for one, other in zip(found, expected, strict=True):
        assert one.scores == pytest.approx(other.scores, rel=1e-4)
        assert one.level_dbfs == pytest.approx(other.level_dbfs, abs=1e-4)


WHOLE = make_pipeline().push(SOUND)
assert list(WHOLE[0].scores) == list(SCORE_IDS)


@settings(max_examples=30, deadline=None)
@given(cuts=st.lists(st.integers(0, len(SOUND)), max_size=15))
def test_any_split_gives_the_same_scores(cuts: list[int]) -> None:
    """Sample times, all scores and the level do not depend on the blocks."""
    pipeline = make_pipeline()
    places = [0, *sorted(cuts), len(SOUND)]
    assert_same([clip for a, b in pairwise(places) for clip in pipeline.push(SOUND[a:b])], WHOLE)


@pytest.mark.parametrize("clip", [ClipParameters(), ClipParameters(clip_frames=300), ClipParameters(64, 5, 81, 10)])
def test_the_samples_to_the_first_decision_are_known(clip: ClipParameters) -> None:
    """The number of samples to the first decision is exact for any hop."""
    n_samples = make_fields(clip).first_decision_samples
    pipeline = make_pipeline(clip)
    assert pipeline.push(SOUND[: n_samples - 1]) == []
    assert [found.end_sample for found in pipeline.push(SOUND[n_samples - 1 : n_samples])] == [n_samples]


@settings(max_examples=8, deadline=None)
@given(cuts=st.lists(st.integers(0, len(SOUND)), max_size=8), stride=st.sampled_from([2, 3, 4, 8]))
def test_a_stride_leaves_out_segments_and_no_decision(cuts: list[int], stride: int) -> None:
    """Any split gives the same decisions over the same clips; each rests on its newest segment and every second or fourth before it."""
    pipeline, places = make_pipeline(ClipParameters()), [0, *sorted(cuts), len(SOUND)]
    pipeline.stride = stride
    step = {2: 2, 3: 1, 4: 4, 8: 4}[stride]  # as far as it divides the segments from decision to decision

    found = [clip for a, b in pairwise(places) for clip in pipeline.push(SOUND[a:b])]

    every = make_pipeline(ClipParameters())
    plain = Segmenter(every.fields.features.n_bands, every.fields.clip, every.fields.scaling)
    segments = plain.push(LogMel(every.fields.features, REFERENCE.filterbank).push(SOUND).db)
    n = every.fields.clip.n_segments
    for place, (thin, whole) in enumerate(zip(found, every.push(SOUND), strict=True)):
        last = n - 1 + place * every.fields.clip.segments_per_decision
        rows = [each for each in range(last - n + 1, last + 1) if (last - each) % step == 0]
        evidence = ClipEvidence(ArithmeticSession().infer(segments[rows]), None)
        expected = evaluate_scores(evidence, REFERENCE, n, [each for each in SCORE_IDS.values() if each.graph])
        assert thin.end_sample == whole.end_sample
        assert thin.level_dbfs == pytest.approx(whole.level_dbfs, abs=1e-4)
        assert {name: thin.scores[name] for name in expected} == pytest.approx(expected, rel=1e-4)
    n_segments = len(segments)
    n_kept = sum((n - 1 - each) % step == 0 for each in range(n_segments))
    assert pipeline.n_left_out == n_segments - n_kept


def test_a_stride_may_change_at_any_time() -> None:
    """Every decision falls, and once a clip has all its segments again it is as before."""
    pipeline, found = make_pipeline(), list[ClipScore]()
    for number, start in enumerate(range(0, len(SOUND), 8192)):
        pipeline.stride = (1, 4, 2)[number % 3] if start < len(SOUND) // 8 else 1
        found += pipeline.push(SOUND[start : start + 8192])

    assert [each.end_sample for each in found] == [each.end_sample for each in WHOLE]
    assert_same(found[-1:], WHOLE[-1:])


def test_block_by_block_gives_the_same_scores() -> None:
    """Many very small blocks give the same scores."""
    pipeline = make_pipeline()
    assert_same([clip for start in range(0, len(SOUND), 333) for clip in pipeline.push(SOUND[start : start + 333])], WHOLE)


def test_decisions_fall_when_they_are_due() -> None:
    """The first decision falls after 304 frames, then one every 32: sample 1024 + 512 x 303, and so on."""
    assert [clip.end_sample for clip in WHOLE] == [1024 + 512 * (303 + 32 * k) for k in range(len(WHOLE))]
    assert len(WHOLE) == (len(SOUND) - 1024 - 512 * 303) // (512 * 32) + 1


@pytest.mark.parametrize(
    "clip", [ClipParameters(), ClipParameters(segment_hop_frames=16), ClipParameters(segment_hop_frames=32, clip_frames=320)]
)
def test_a_streams_clip_is_scored_as_that_clip_alone(clip: ClipParameters) -> None:
    """A decision covers exactly the segments of its 304 frames."""
    found = make_pipeline(clip).push(SOUND)
    fields, features = make_fields(clip), FeatureParameters()
    frames = LogMel(features, make_baseline_filterbank(features)).push(SOUND).db
    segments = Segmenter(features.n_bands, clip, fields.scaling).push(LogMel(features, REFERENCE.filterbank).push(SOUND).db)
    for decision, start in zip(found, range(0, 10_000, clip.decision_hop_frames), strict=False):
        first = start // clip.segment_hop_frames
        outputs = ArithmeticSession().infer(segments[first : first + clip.n_segments])
        bands = summarise(frames[:, start : start + clip.covered_frames])
        assert decision.scores == pytest.approx(evaluate_scores(ClipEvidence(outputs, bands), REFERENCE, clip.n_segments), rel=1e-5)
        assert decision.scores["C_mel_euclidean"] == pytest.approx(REFERENCE.bands[1].euclidean(bands.mean[1]), rel=1e-5)
        assert decision.scores["C_linear_euclidean"] == pytest.approx(REFERENCE.bands[0].euclidean(bands.mean[0]), rel=1e-5)
        assert (clip.clip_frames - clip.segment_frames) // clip.segment_hop_frames + 1 == clip.n_segments


def test_each_segment_goes_through_the_network_once() -> None:
    """Overlapping clips share the outputs of their segments."""
    session = ArithmeticSession()
    pipeline = Pipeline(make_fields(), REFERENCE, session)
    pipeline.push(SOUND)
    n_frames = (len(SOUND) - 1024) // 512 + 1
    assert session.n_segments == (n_frames - 128) // 16 + 1


def test_nothing_is_scored_across_a_gap() -> None:
    """After a reset a whole new clip is needed, and sample times continue from the gap."""
    pipeline = make_pipeline()
    pipeline.push(SOUND[: 16_000 * 9])
    pipeline.reset(start_sample=1_000_000)
    assert pipeline.push(SOUND[: 1023 + 512 * 303]) == []
    (clip,) = pipeline.push(SOUND[1023 + 512 * 303 : 1024 + 512 * 303])
    assert clip.end_sample == 1_000_000 + 1024 + 512 * 303
    assert clip.scores == pytest.approx(WHOLE[0].scores, rel=1e-4)


def test_the_level_is_that_of_the_last_hop() -> None:
    """The level is that of the last hop: a late sine of amplitude 0.1 shows -20 dBFS at once."""
    sound = np.zeros(16_000 * 12, np.float32)
    sound[16_000 * 10 :] = 0.1 * np.sin(np.arange(16_000 * 2) * 0.3)
    levels = [clip.level_dbfs for clip in make_pipeline().push(sound)]
    assert levels[0] == -150.0
    assert levels[-1] == pytest.approx(-20.0, abs=0.05)


def test_sums_compare_between_clips_of_any_length() -> None:
    """The `sum` of 14 s of a sound equals that of 10 s."""
    steady = (0.1 * RNG.normal(size=16_000 * 14)).astype(np.float32)
    long, short = make_pipeline().score_clip(steady), make_pipeline().score_clip(steady[: 16_000 * 10])
    assert long["G_z_2_sum"] == pytest.approx(short["G_z_2_sum"], rel=0.01)


def test_a_recording_shorter_than_a_segment_is_refused() -> None:
    """A recording shorter than a segment is refused with the required length."""
    with pytest.raises(CaptureError, match=r"^short.wav: expected at least 4.06 s, found 1.00 s; record longer clips or remove it$"):
        make_pipeline().score_clip(SOUND[:16_000], "short.wav")


def test_a_long_stream_keeps_little() -> None:
    """Memory does not grow with the length of a stream."""
    pipeline = make_pipeline()
    for _ in range(20):
        pipeline.push(SOUND)
    outputs = pipeline._outputs[0]
    held = pipeline._power.nbytes + sum(getattr(outputs, name).nbytes for name in outputs.FIELDS)
    one_clip = 256 * 304 * 4  # of control bands
    assert held < 20_000
    assert pipeline._baseline_db.values.nbytes < 1.1 * one_clip
    assert pipeline._baseline_db._storage.nbytes < 1.3 * (one_clip + 256 * 4 * len(SOUND) / 512)  # with what was pushed


def test_a_fork_is_a_stream_of_its_own() -> None:
    """Two forks that share scratch memory give the scores of separate pipelines."""
    first = make_pipeline()
    first.push(SOUND[:50_000])
    second = first.fork()
    first.reset()
    parts = [slice(start, start + 30_000) for start in range(0, len(SOUND), 30_000)]
    found = [(first.push(SOUND[part]), second.push(SOUND[part])) for part in parts]
    for each in (0, 1):
        assert_same([clip for pair in found for clip in pair[each]], WHOLE)
