"""The windows of normal sound."""

from pathlib import Path

import numpy as np

from aegan_train.findings.normal_sound import MAX_WINDOWS, take_windows
from aegan_train.recordings.folder import Clip
from aegan_train.recordings.spectrograms import Spectrograms
from fakes import make_bands

CLIP_FRAMES, HOP_S = 304, 0.032


def make_files(n_files: int, n_windows: int) -> Spectrograms:
    """Files of `n_windows` windows each; each frame of a file holds its own number."""
    n_frames = n_windows * CLIP_FRAMES
    clips = [Clip(Path(f"{number}.wav"), "train", "00", False, number) for number in range(n_files)]
    frames = np.broadcast_to(np.arange(n_frames, dtype=np.float32)[:, None], (n_frames, 1))
    windows = [slice(first, first + CLIP_FRAMES) for first in range(0, n_frames, CLIP_FRAMES)]
    each = [0] * n_files, [n_frames] * n_files, [make_bands(1, 0) * n_windows] * n_files, [""] * n_files, clips, [-30.0] * n_files
    return Spectrograms(frames, *each, windows=[windows] * n_files)


def test_windows_know_their_file_place_and_recording() -> None:
    """Each window has its file, its place in it, its frames, and the recording of the file."""
    found = make_files(3, 2)
    sound = take_windows(found, [found.clips[:2], found.clips[2:]], HOP_S)
    assert [clip.number for clip in sound.clips] == [0, 0, 1, 1, 2, 2]
    assert sound.starts_s == [0.0, CLIP_FRAMES * HOP_S] * 3
    assert [db[0, 0] for db in sound.db] == [0, CLIP_FRAMES] * 3
    assert (sound.recordings.tolist(), sound.n_recordings) == ([0, 0, 0, 0, 1, 1], 2)


def test_a_day_of_sound_is_thinned() -> None:
    """Of more than MAX_WINDOWS windows so many are kept, from the first to the last."""
    found = make_files(5, 1000)
    sound = take_windows(found, [[clip] for clip in found.clips], HOP_S)
    assert len(sound.clips) == len(sound.db) == MAX_WINDOWS
    assert (sound.clips[0].number, sound.clips[-1].number) == (0, 4)
