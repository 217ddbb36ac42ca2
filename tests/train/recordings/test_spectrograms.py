"""Spectrograms of recordings equal the daemon's, and survive errors of process, folder and disk."""

import contextlib
import io
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from aegan_monitor.audio.recording import read_recording
from aegan_monitor.detection.baselines import make_baseline_filterbank
from aegan_monitor.detection.features import FeatureParameters, LogMel, make_filterbank
from aegan_monitor.detection.segments import ClipParameters, Scaling
from aegan_monitor.detection.views import BandSummary, summarise
from aegan_train.recordings.folder import Clip
from aegan_train.recordings.spectrograms import Spectrograms, compute_spectrograms
from aegan_train.recordings.survey import Picture, survey
from aegan_train.run_folder import WriteError
from aegan_train.sampler import SegmentSampler
from fakes import make_bands
from synthetic import write_wav

FEATURES, CLIP = FeatureParameters(), ClipParameters()
BANDS = make_bands(12, 0)


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Five recordings of noise: the third is long, the fourth equals the second, and the fifth is too short."""
    folder = tmp_path_factory.mktemp("recordings")
    rng = np.random.default_rng(0)
    paths = [write_wav(folder / f"{n}.wav", 0.1 * rng.standard_normal(size)) for n, size in enumerate((80_000, 80_000, 480_000))]
    paths.append(Path(shutil.copy(paths[1], folder / "3.wav")))
    paths.append(write_wav(folder / "4.wav", 0.1 * rng.standard_normal(16_000)))
    return paths


def make_clips(paths: list[Path]) -> list[Clip]:
    """A normal clip for each path."""
    return [Clip(path, "train", "00", False, number) for number, path in enumerate(paths)]


def assert_equal_bands(found: BandSummary, expected: BandSummary) -> None:
    """Each array of the summaries is equal."""
    for part in fields(BandSummary):
        np.testing.assert_array_equal(getattr(found, part.name), getattr(expected, part.name))


def test_spectrograms_are_the_daemons_features(tmp_path: Path, recordings: list[Path], capsys: pytest.CaptureFixture[str]) -> None:
    """Frames, baseline bands, levels and skipped files are right, and no file stays."""
    found = compute_spectrograms(make_clips(recordings), FEATURES, CLIP, tmp_path)
    logmel = LogMel(FEATURES, make_filterbank(FEATURES), make_baseline_filterbank(FEATURES))
    frames = [logmel.transform_clip(read_recording(path, 16_000)) for path in recordings[:3]]
    np.testing.assert_array_equal(found.frames, np.concatenate([each.db for each in frames], axis=1).T)
    assert (found.n_frames, list(map(len, found.bands)), found.n_windows) == ([157, 157, 938], [1, 1, 3], 5)
    assert_equal_bands(found.bands[0][0], summarise(frames[0].baseline_db))
    assert_equal_bands(found.bands[2][1], summarise(frames[2].baseline_db[:, 317 : 317 + 304]))
    np.testing.assert_array_equal(found.cut()[3], frames[2].db[:, 317 : 317 + 304])
    assert found.levels_dbfs == pytest.approx([-16.99] * 3, abs=0.1)
    assert [(path.name, reason[:26]) for path, reason in found.skipped] == [
        ("3.wav", "the same samples as 1.wav;"),
        ("4.wav", "expected at least 4.06 s, "),
    ]
    assert list(tmp_path.iterdir()) == []
    assert capsys.readouterr().out == "computing the features of 5 recordings\n"
    some = found.select(found.clips[1:])
    np.testing.assert_array_equal(some.db[1], frames[2].db)
    assert (some.n_windows, some.digests) == (4, found.digests[1:])


@given(n_windows=st.lists(st.integers(1, 12), min_size=1, max_size=12), bound=st.integers(1, 40))
def test_a_week_of_sound_is_thinned(n_windows: list[int], bound: int) -> None:
    """So many windows are left at most, as many of each recording as it has or as of any other; under the bound nothing changes."""
    clips = make_clips([Path(f"{number}.wav") for number in range(len(n_windows))])
    windows = [[slice(304 * place, 304 * (place + 1)) for place in range(n)] for n in n_windows]
    bands, none = [BANDS[:n] for n in n_windows], [0] * len(clips)
    whole = Spectrograms(np.zeros((0, 1), np.float32), none, none, bands, [""] * len(clips), clips, none, windows=windows)
    found = whole.thin(bound)
    if sum(n_windows) <= bound:
        assert found is whole
        return
    kept = [whole.clips.index(clip) for clip in found.clips]
    assert kept == sorted(set(kept))
    assert len(kept) == min(len(clips), bound)
    left = list(map(len, found.windows))
    assert left == [min(n_windows[place], max(left)) for place in kept]
    assert sum(left) == found.n_windows <= bound
    if len(kept) == len(clips):  # one more of each would be too many
        assert sum(min(n, max(left) + 1) for n in n_windows) > bound
    for place, slices, summaries in zip(kept, found.windows, found.bands, strict=True):
        numbers = [each.start // 304 for each in slices]
        assert slices == [windows[place][number] for number in numbers]
        assert [id(each) for each in summaries] == [id(bands[place][number]) for number in numbers]
        gaps = np.diff([-1 - numbers[0], *numbers, 2 * n_windows[place] - 1 - numbers[-1]])
        assert gaps.max() - gaps.min() <= 2  # evenly spread: as far from the ends as from each other


def test_windows_are_placed_in_the_recording_that_was_cut() -> None:
    """Clips of one recording have places in it; a file as it was found has places of its own."""
    cut = [Clip(Path(f"{n}.flac"), "train", "00", False, n, "day", begins_s=10.0 * n) for n in range(2)]
    clips = [*cut, Clip(Path("found.wav"), "train", "00", False, 2, "day")]
    windows = [[slice(0, 304)], [slice(6, 310)], [slice(0, 304)]]
    found = Spectrograms(np.zeros((0, 4), np.float32), [0] * 3, [0] * 3, [[]] * 3, [""] * 3, clips, windows=windows)
    wholes, begins_s, ends_s = zip(*found.find_spans(0.032), strict=True)
    assert wholes == ("day", "day", Path("found.wav"))
    assert begins_s == pytest.approx((0, 10.192, 0))
    assert ends_s == pytest.approx((9.728, 19.92, 9.728))


def test_of_many_short_recordings_some_are_left() -> None:
    """Of recordings of one window each some are left, from the first to the last."""
    clips = make_clips([Path(f"{number}.wav") for number in range(10)])
    none, bands, windows = [0] * 10, [BANDS[:1]] * 10, [[slice(0, 304)]] * 10
    found = Spectrograms(np.zeros((0, 1), np.float32), none, none, bands, [""] * 10, clips, none, windows=windows).thin(4)
    assert [clip.number for clip in found.clips] == [0, 3, 6, 9]


def test_several_processes_give_the_same_pictures(recordings: list[Path]) -> None:
    """Several processes give the same pictures in the same order."""
    one, two = (list(survey(recordings * 3, FEATURES, CLIP, n_processes)) for n_processes in (1, 2))
    assert len(one) == len(two) == 15
    for a, b in zip(one, two, strict=True):
        if isinstance(a, Picture) and isinstance(b, Picture):
            np.testing.assert_array_equal(a.frames, b.frames)
            assert a.sha256 == b.sha256
        else:
            assert a == b


SURVEY_FOR_EVER = """
import sys
from pathlib import Path
from aegan_monitor.detection.features import FeatureParameters
from aegan_monitor.detection.segments import ClipParameters
from aegan_train.recordings.survey import survey
if __name__ == "__main__":
    for _ in survey([Path(path) for path in sys.argv[1:]] * 200, FeatureParameters(), ClipParameters(), 2):
        print(flush=True)
"""


def test_processes_end_with_the_one_that_began_them(tmp_path: Path, recordings: list[Path]) -> None:
    """The processes of the pool end when the parent is killed."""
    (tmp_path / "look.py").write_text(SURVEY_FOR_EVER)
    command = [sys.executable, str(tmp_path / "look.py"), *map(str, recordings)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()  # the first picture is there, so its process is
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        process.send_signal(signal.SIGKILL)
    assert len(children) >= 2
    deadline = time.monotonic() + 60
    while (alive := [pid for pid in children if Path("/proc", pid).exists()]) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not alive


class ClosedPipe(io.StringIO):
    """The output of a program whose reader has gone away, as `head` does."""

    def write(self, text: str) -> int:
        raise BrokenPipeError(text)


def test_a_reader_that_goes_away_is_no_fault_of_the_disk(tmp_path: Path, recordings: list[Path]) -> None:
    """A closed output pipe ends the command like any other, and no file stays."""
    with contextlib.redirect_stdout(ClosedPipe()), pytest.raises(BrokenPipeError):
        compute_spectrograms(make_clips(recordings), FEATURES, CLIP, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_is_no_folder_is_one_line(tmp_path: Path, recordings: list[Path]) -> None:
    """A path that is no folder gives one line with the remedy."""
    (tmp_path / "file").touch()
    with pytest.raises(WriteError, match=r"file: the features cannot be stored: Not a directory; make it writable$"):
        compute_spectrograms(make_clips(recordings), FEATURES, CLIP, tmp_path / "file")


def test_a_data_set_need_not_fit_into_memory(tmp_path: Path) -> None:
    """Reading batches from 512 MB of frames enlarges the process's own memory by a hundredth of that."""
    n_clips, n_frames = 100, 10_000
    frames = np.memmap(tmp_path / "frames.f32", np.float32, "w+", shape=(n_clips * n_frames, 128))
    pictures = Spectrograms(frames, range(0, len(frames), n_frames), [n_frames] * n_clips, [], [], [])

    def own_memory_mb() -> float:
        line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("RssAnon"))
        return int(line.split()[1]) / 1024

    before_mb = own_memory_mb()
    sampler = SegmentSampler(pictures, Scaling((0.0,), (1.0,)), ClipParameters(segment_hop_frames=16), 32, torch.device("cpu"))
    batches = sampler.epoch(torch.Generator().manual_seed(0))
    most_mb = max(own_memory_mb() for starts in batches[:200] if sampler.slice(starts) is not None)
    assert most_mb - before_mb < 64
