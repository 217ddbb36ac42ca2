"""Holding out whole recordings, and the segments of an epoch."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from aegan_monitor.detection.segments import ClipParameters, Scaling
from aegan_monitor.errors import DataError
from aegan_train.dataset import find_scaling, group_by_recording, split_held_out, warn_of_one_recording
from aegan_train.recordings.folder import Clip
from aegan_train.recordings.spectrograms import Spectrograms
from aegan_train.sampler import SegmentSampler

RNG = np.random.default_rng(0)


def make_clips(recordings: list[str]) -> list[Clip]:
    """A normal clip of each named recording."""
    return [Clip(Path(f"d/{number}.wav"), "train", "00", False, number, recording) for number, recording in enumerate(recordings)]


@given(sizes=st.lists(st.integers(1, 9), min_size=8, max_size=30), seed=st.integers(0, 5), known=st.booleans())
def test_no_recording_is_on_both_sides(sizes: list[int], seed: int, known: bool) -> None:
    """A recording is either fitted or held out, and about the wanted part is held out."""
    clips = make_clips([f"r{place}" if known else "" for place, size in enumerate(sizes) for _ in range(size)])
    fit, held_out = split_held_out(clips, 0.125, seed)
    assert sorted(fit + held_out, key=lambda clip: clip.number) == clips
    assert 1 <= len(held_out) <= max(2, round(0.125 * len(clips)), min(sizes))
    if known:
        assert not {clip.recording for clip in fit} & {clip.recording for clip in held_out}


@pytest.mark.parametrize("seed", range(8))
def test_something_is_always_held_out(seed: int) -> None:
    """Of two uneven recordings the smaller is held out, for any seed."""
    fit, held_out = split_held_out(make_clips(["a"] * 5 + ["b"] * 3), 0.125, seed)
    assert (len(fit), len(held_out)) == (5, 3)


def test_without_a_manifest_neighbours_stay_together() -> None:
    """Without a manifest held-out clips are runs of consecutive numbers."""
    _, held_out = split_held_out(make_clips([""] * 64), 0.25, 0)
    numbers = sorted(clip.number for clip in held_out)
    assert len(numbers) == 16
    assert all(numbers[place + 1] == numbers[place] + 1 for place in range(15) if place % 4 != 3)


def test_even_few_clips_are_held_out_in_runs_and_none_spans_two_sections() -> None:
    """A run has at least two clips and never spans two sections."""
    _, held_out = split_held_out(make_clips([""] * 12), 0.125, 0)
    first, second = sorted(clip.number for clip in held_out)
    assert second == first + 1
    clips = [Clip(Path(f"d/{number}.wav"), "train", f"{number // 3:02d}", False, number) for number in range(12)]
    assert {tuple(clip.section for clip in run) for run in group_by_recording(clips, 8)} == {
        (f"{section:02d}",) * length for section in range(4) for length in (1, 2)
    }


def test_the_spread_of_constant_bands_is_a_number() -> None:
    """Rounding does not give constant bands a NaN spread."""
    pictures = [
        np.concatenate([RNG.normal(-40, 5, (8, n)), np.repeat(RNG.normal(-90, 5, (120, 1)), n, axis=1)]).astype(np.float32)
        for n in (1000, 2130)
    ]
    assert np.isfinite(find_scaling(pictures, "bands").half_range_db).all()


@given(n=st.integers(8, 100), seed=st.integers(0, 5))
def test_one_recording_alone_is_split_in_time(n: int, seed: int) -> None:
    """Of one recording runs of at least two neighbouring clips are held out, about an eighth of it."""
    fitted, held_out = split_held_out(make_clips(["a"] * n), 0.125, seed)
    numbers = [clip.number for clip in held_out]
    assert sorted(numbers + [clip.number for clip in fitted]) == list(range(n))
    n_runs = 1 + sum(after > before + 1 for before, after in pairwise(numbers))
    assert n_runs <= (len(numbers) + 1) // 2
    assert len(numbers) <= max(2, round(n / 8))


def test_held_out_sound_of_the_only_recording_is_a_warning(capsys: pytest.CaptureFixture[str]) -> None:
    """One recording, or parts of one, give a line that says what this cannot prove; several, or unknown ones, give none."""
    for names in (["a b.wav"] * 9, ["monday/000"] * 4 + ["monday/001"] * 4):
        warn_of_one_recording(make_clips(names))
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith(f"warning: all sound is of one recording ({names[0].partition('/')[0]}), what is held out as well: ")
        assert line.endswith("record on other days, too")
    for names in (["a"] * 4 + ["b"] * 4, ["monday/000", "tuesday/000"], [""] * 9):
        warn_of_one_recording(make_clips(names))
    assert capsys.readouterr().err == ""


def test_silence_cannot_be_scaled() -> None:
    """Digital silence is refused."""
    with pytest.raises(DataError, match="the training clips hold no sound"):
        find_scaling([np.full((4, 200), -100.0, np.float32)])


def test_scaling_by_extremes_or_by_band() -> None:
    """Scaling maps the extremes to -1 and 1, or each band's mean to 0 and three standard deviations to 1."""
    pictures = [RNG.normal([[-60.0], [-20.0]], [[5.0], [2.0]], size=(2, n)).astype(np.float32) for n in (30, 50)]
    joined = np.concatenate(pictures, axis=1)
    scaled = find_scaling(pictures).apply(joined)
    assert (scaled.min(), scaled.max()) == pytest.approx((-1, 1), abs=1e-5)
    scaled = find_scaling(pictures, "bands").apply(joined)
    np.testing.assert_allclose(scaled.mean(axis=1), 0, atol=1e-5)
    np.testing.assert_allclose(scaled.std(axis=1), 1 / 3, rtol=1e-5)


def test_a_band_that_hardly_moves_is_not_blown_up() -> None:
    """The noise of a nearly constant band stays small."""
    pictures = [np.stack([RNG.normal(-40, 5, 50), RNG.normal(-100, 0.001, 50)]).astype(np.float32)]
    assert find_scaling(pictures, "bands").half_range_db[1] == pytest.approx(0.9)


CLIP = ClipParameters(segment_frames=8, segment_hop_frames=4, clip_frames=16, decision_hop_frames=4)
DB = [np.arange(5 * n, dtype=np.float32).reshape(5, n) + 1000 * place for place, n in enumerate((20, 31))]
SCALING = Scaling((1.0,), (1.0,))


def make_sampler(clip: ClipParameters = CLIP, batch: int = 3, epoch_batches: int | None = None) -> SegmentSampler:
    """A sampler of two clips of 20 and 31 frames."""
    frames = np.concatenate([np.zeros((7, 5), np.float32), DB[0].T, DB[1].T])  # a clip that is not theirs comes first
    pictures = Spectrograms(frames, [7, 27], [20, 31], [], [], [])
    return SegmentSampler(pictures, SCALING, clip, batch, torch.device("cpu"), epoch_batches)


def test_epochs_show_every_segment_in_time() -> None:
    """Over epochs every start within a clip appears, no segment spans two clips, and batches are full."""
    sampler, rng = make_sampler(), torch.Generator().manual_seed(0)
    seen: set[int] = set()
    for _ in range(200):
        batches = sampler.epoch(rng)
        assert {len(batch) for batch in batches} == {3}
        starts = torch.cat(batches).tolist()
        assert len(set(starts)) == len(starts)
        seen.update(starts)
    assert seen == {*range(7, 7 + 13), *range(27, 27 + 24)}


def test_at_hop_1_every_epoch_has_every_segment() -> None:
    """At hop 1 an epoch has all segments but the last partial batch, as in the reference code."""
    clip = ClipParameters(8, 1, 16, 4)
    starts = torch.cat(make_sampler(clip, 5).epoch(torch.Generator().manual_seed(1))).tolist()
    assert len(starts) == 35 == (13 + 24) // 5 * 5
    assert set(starts) <= {*range(7, 20), *range(27, 51)}


def test_slices_are_the_scaled_frames() -> None:
    """The segment that begins at frame 28 is columns 1 to 8 of the second clip."""
    (found,) = make_sampler().slice(torch.tensor([28])).numpy()
    np.testing.assert_allclose(found[0], DB[1][:, 1:9] - 1.0)


def test_a_batch_is_at_most_what_there_is() -> None:
    """A batch is no larger than the data set."""
    sampler = make_sampler(batch=512)
    assert sampler.batch_segments == sampler.epoch_segments
    assert len(sampler.epoch(torch.Generator().manual_seed(0))) == 1


@pytest.mark.parametrize("epoch_batches", [2, 40])
def test_an_epoch_of_so_many_batches_takes_part_of_a_pass_or_several(epoch_batches: int) -> None:
    """The number of batches does not depend on the amount of sound, and over epochs every start appears."""
    sampler, rng = make_sampler(epoch_batches=epoch_batches), torch.Generator().manual_seed(0)
    seen: set[int] = set()
    for _ in range(100):
        batches = sampler.epoch(rng)
        assert len(batches) * 3 == sampler.epoch_segments == 3 * epoch_batches
        seen.update(torch.cat(batches).tolist())
    assert seen == {*range(7, 7 + 13), *range(27, 27 + 24)}


def test_the_mean_picture_is_that_of_all_clips() -> None:
    """The error of the mean picture is the variance of each band over clips of any length."""
    whole = SCALING.apply(np.concatenate(DB, axis=1)).astype(np.float64)
    assert make_sampler().mean_picture_error == pytest.approx(whole.var(axis=1).mean(), rel=1e-6)
