"""Recordings cut into windows as long as the daemon's clips."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aegan_monitor.detection.features import FeatureParameters, LogMel, make_filterbank
from aegan_train.recordings.windows import find_windows, read_windows
from synthetic import write_wav


@given(n_frames=st.integers(128, 100_000), clip_frames=st.sampled_from([128, 304, 313]))
def test_windows_are_as_long_as_a_clip_and_cover_the_recording(n_frames: int, clip_frames: int) -> None:
    """Windows of a long recording have a clip's frames and cover it up to half a clip; a short one is one window."""
    windows = find_windows(n_frames, clip_frames)
    assert (windows[0].start, windows[-1].stop) == (0, n_frames)
    if len(windows) == 1:
        assert n_frames <= 1.5 * clip_frames
        return
    assert {window.stop - window.start for window in windows} == {clip_frames}
    assert all(after.start - before.stop <= clip_frames / 2 for before, after in pairwise(windows))
    assert len(windows) <= n_frames / clip_frames + 0.5


@pytest.mark.parametrize(("seconds", "n_expected"), [(5.0, 1), (10.0, 1), (14.0, 1), (20.0, 2), (120.0, 12)])
def test_samples_of_a_window_give_its_frames(tmp_path: Path, seconds: float, n_expected: int) -> None:
    """The samples of each window give a clip's frames, and a recording of 10 s is one window."""
    features = FeatureParameters()
    samples = 0.1 * np.random.default_rng(0).standard_normal(round(16_000 * seconds))
    path, windows = write_wav(tmp_path / "a.wav", samples), find_windows(1 + len(samples) // 512, 304)
    found = read_windows(path, features, windows)
    assert len(found) == n_expected
    logmel = LogMel(features, make_filterbank(features))
    lengths = {logmel.transform_clip(each).db.shape[1] for each in found}
    assert lengths == ({304} if n_expected > 1 else {1 + len(samples) // 512})
    np.testing.assert_array_equal(read_windows(path, features, windows[-1:])[0], found[-1])
