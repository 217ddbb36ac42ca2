"""Pictures computed once: the same numbers, whatever happens to the process, the folder or the disk."""

import contextlib
import io
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch

from aegan_monitor.audio.recording import read_recording
from aegan_monitor.detection.baselines import make_control_filterbank, mean_bands
from aegan_monitor.detection.features import FeatureParameters, LogMel, make_filterbank
from aegan_monitor.detection.segments import ClipParameters, Scaling
from aegan_monitor.errors import DataError
from aegan_train.dataset import SegmentSampler, Spectrograms
from aegan_train.recordings.cache import CachedPictures, default_folder, make_room, open_pictures
from aegan_train.recordings.survey import Picture, survey
from synthetic import write_wav

FEATURES = FeatureParameters()
LEAST_FRAMES = 128


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Five clips of noise, the fourth of which is the second once more, and the fifth too short."""
    folder = tmp_path_factory.mktemp("recordings")
    rng = np.random.default_rng(0)
    paths = [write_wav(folder / f"{number}.wav", 0.1 * rng.standard_normal(80_000)) for number in range(3)]
    paths.append(Path(shutil.copy(paths[1], folder / "3.wav")))
    paths.append(write_wav(folder / "4.wav", 0.1 * rng.standard_normal(16_000)))
    return paths


def look(folder: Path, paths: list[Path], features: FeatureParameters = FEATURES) -> CachedPictures:
    """What `fit` does."""
    return open_pictures(folder, paths, features, LEAST_FRAMES)


def find_entries(folder: Path) -> list[Path]:
    """The whole entries."""
    return [path for path in folder.iterdir() if path.is_dir() and path.suffix == ""]


def test_an_entry_holds_the_daemons_features(tmp_path: Path, recordings: list[Path]) -> None:
    """Frames side by side, mean control bands, and what was left out."""
    found = look(tmp_path, recordings)
    logmel = LogMel(FEATURES, make_filterbank(FEATURES), make_control_filterbank(FEATURES))
    frames = [logmel.transform_clip(read_recording(path, 16_000)) for path in recordings[:3]]
    np.testing.assert_array_equal(found.frames, np.concatenate([each.db for each in frames], axis=1).T)
    np.testing.assert_array_equal(found.control_bands, [mean_bands(each.control_db) for each in frames])
    assert [row.get("n_frames") for row in found.rows] == [157, 157, 157, None, None]
    assert found.rows[3] == {"same_as": 1}
    assert found.rows[4]["reason"].startswith("expected at least 4.06 s, found 1.00 s")


def test_a_second_look_computes_nothing(tmp_path: Path, recordings: list[Path], capsys: pytest.CaptureFixture[str]) -> None:
    """Names do not matter, only what is in the files and how they are looked at; it says what it is at."""
    first = look(tmp_path, recordings)
    (entry,) = find_entries(tmp_path)
    written_ns = (entry / "frames.f32").stat().st_mtime_ns
    renamed = [Path(shutil.copy(path, tmp_path / f"renamed_{path.name}")) for path in recordings]
    assert capsys.readouterr().out == "reading 5 recordings\ncomputing the features of 5 recordings\n"
    second = look(tmp_path, renamed)
    assert capsys.readouterr().out == "reading 5 recordings\n"
    assert (entry / "frames.f32").stat().st_mtime_ns == written_ns
    np.testing.assert_array_equal(first.frames, second.frames)


@pytest.mark.parametrize(
    "change",
    [
        lambda paths: (paths[:4], FEATURES),
        lambda paths: (paths[::-1], FEATURES),
        lambda paths: (paths, FeatureParameters(band_scale="linear")),
        lambda paths: (paths, FeatureParameters(top_db=80.0)),
    ],
    ids=["fewer", "reordered", "other bands", "limited range"],
)
def test_whatever_changes_a_number_is_another_entry(
    tmp_path: Path, recordings: list[Path], change: Callable[[list[Path]], tuple[list[Path], FeatureParameters]]
) -> None:
    """The key covers contents, order and every parameter."""
    look(tmp_path, recordings)
    look(tmp_path, *change(recordings))
    assert len(find_entries(tmp_path)) == 2


def test_several_processes_give_the_same_pictures(recordings: list[Path]) -> None:
    """In the same order, and the same bits."""
    one, two = (list(survey(recordings * 3, FEATURES, LEAST_FRAMES, n_processes)) for n_processes in (1, 2))
    assert len(one) == len(two) == 15
    for a, b in zip(one, two, strict=True):
        if isinstance(a, Picture) and isinstance(b, Picture):
            np.testing.assert_array_equal(a.frames, b.frames)
            assert a.sha256 == b.sha256
        else:
            assert a == b


@pytest.mark.parametrize("name", ["frames.f32", "controls.npy", "index.json"])
@pytest.mark.parametrize("damage", [lambda path: path.unlink(), lambda path: path.write_bytes(path.read_bytes()[:-9])], ids=["gone", "cut"])
def test_a_damaged_entry_is_computed_anew(tmp_path: Path, recordings: list[Path], name: str, damage: Callable[[Path], object]) -> None:
    """A file that is missing or cut does not end a training, and never gives other numbers."""
    expected = np.array(look(tmp_path, recordings).frames)
    (entry,) = find_entries(tmp_path)
    damage(entry / name)
    np.testing.assert_array_equal(look(tmp_path, recordings).frames, expected)


def test_two_at_once_fill_one_entry(tmp_path: Path, recordings: list[Path]) -> None:
    """The second waits for the first."""
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: np.array(look(tmp_path, recordings).frames), range(4)))
    assert len(find_entries(tmp_path)) == 1
    for each in found:
        np.testing.assert_array_equal(each, found[0])


FILL_FOR_EVER = """
import sys
from pathlib import Path
from aegan_monitor.detection.features import FeatureParameters
from aegan_train.recordings.cache import open_pictures
from aegan_train.recordings.survey import survey
paths = [Path(path) for path in sys.argv[2:]] * 200
if __name__ == "__main__":
    if sys.argv[1]:
        open_pictures(Path(sys.argv[1]), paths, FeatureParameters(), 128)
    for _ in survey(paths, FeatureParameters(), 128, 2):
        print(flush=True)
"""


def test_a_kill_leaves_nothing_that_looks_whole(tmp_path: Path, recordings: list[Path]) -> None:
    """kill -9 while an entry is filled: it is no entry, and the next that is filled clears it away."""
    command = [sys.executable, "-c", FILL_FOR_EVER, str(tmp_path), *map(str, recordings)]
    with subprocess.Popen(command) as process:
        deadline = time.monotonic() + 60
        while not list(tmp_path.glob("*.partial/frames.f32")) and time.monotonic() < deadline:
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
    assert list(tmp_path.glob("*.partial/frames.f32"))
    look(tmp_path, recordings)
    assert not list(tmp_path.glob("*.partial"))
    assert len(find_entries(tmp_path)) == 1


def test_processes_end_with_the_one_that_began_them(tmp_path: Path, recordings: list[Path]) -> None:
    """Even if it is killed, and cannot tell them."""
    (tmp_path / "fill.py").write_text(FILL_FOR_EVER)
    command = [sys.executable, str(tmp_path / "fill.py"), "", *map(str, recordings)]
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


class Head(io.StringIO):
    """A reader of our output that goes away behind the first line, as `head -1` does."""

    def write(self, text: str) -> int:
        if "\n" in self.getvalue():
            raise BrokenPipeError
        return super().write(text)


def test_a_reader_that_goes_away_is_no_fault_of_the_disk(tmp_path: Path, recordings: list[Path]) -> None:
    """Whoever runs the command knows what to do then, and the next look finds nothing half done."""
    with contextlib.redirect_stdout(Head()), pytest.raises(BrokenPipeError):
        look(tmp_path, recordings)
    assert not find_entries(tmp_path)
    assert len(look(tmp_path, recordings).rows) == 5


def test_a_full_disk_is_one_line(tmp_path: Path, recordings: list[Path]) -> None:
    """A file may not grow past a limit, as on a disk with no room; nothing is left of the entry."""
    code = (
        "import resource, sys; from pathlib import Path; from aegan_monitor.detection.features import FeatureParameters;"
        "from aegan_monitor.program import run_command; from aegan_train.recordings.cache import open_pictures;"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000));"
        "paths = [Path(path) for path in sys.argv[2:]];"
        "run_command('x', lambda: open_pictures(Path(sys.argv[1]), paths, FeatureParameters(), 128))"
    )
    done = subprocess.run([sys.executable, "-c", code, tmp_path, *recordings], capture_output=True, text=True, check=False)
    assert done.stderr == (
        f"x: {tmp_path}: the features cannot be stored: File too large; make it writable, or name another folder in XDG_CACHE_HOME\n"
    )
    assert not list(tmp_path.glob("*.partial"))


def test_a_place_that_is_no_folder_is_one_line(tmp_path: Path, recordings: list[Path]) -> None:
    """With what to do."""
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match=r"file/features: the features cannot be stored: Not a directory; make it writable, or name anot"):
        look(tmp_path / "file" / "features", recordings)


def test_what_was_not_used_for_longest_makes_room(tmp_path: Path) -> None:
    """Whole entries, oldest first, never the newest; a map of a deleted one stays good."""
    for age, name in enumerate(("newest", "used", "old", "oldest")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "frames.f32").write_bytes(bytes(100))
        os.utime(tmp_path / name, (1000 - age, 1000 - age))
    mapped = np.memmap(tmp_path / "oldest" / "frames.f32", np.uint8, "r")
    make_room(tmp_path, tmp_path / "newest", max_bytes=250)
    assert {path.name for path in tmp_path.iterdir()} == {"newest", "used"}
    assert mapped.sum() == 0
    make_room(tmp_path, tmp_path / "newest", max_bytes=0)
    assert {path.name for path in tmp_path.iterdir()} == {"newest"}


def test_the_cache_lies_where_caches_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """$XDG_CACHE_HOME, or ~/.cache; a relative path counts as none, as the XDG specification has it."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_folder() == tmp_path / "aegan-monitor" / "features"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    assert default_folder() == Path.home() / ".cache" / "aegan-monitor" / "features"


def test_a_data_set_need_not_fit_into_memory(tmp_path: Path) -> None:
    """Batches are read through the map: over 512 MB of frames the process's own memory grows by a hundredth of that."""
    n_clips, n_frames = 100, 10_000
    frames = np.memmap(tmp_path / "frames.f32", np.float32, "w+", shape=(n_clips * n_frames, 128))
    pictures = Spectrograms(frames, range(0, len(frames), n_frames), [n_frames] * n_clips, np.zeros((n_clips, 2, 128)), [], [])

    def own_memory_mb() -> float:
        line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("RssAnon"))
        return int(line.split()[1]) / 1024

    before_mb = own_memory_mb()
    sampler = SegmentSampler(pictures, Scaling.from_extremes(-1.0, 1.0), ClipParameters(segment_hop_frames=16), 32, torch.device("cpu"))
    batches = sampler.epoch(torch.Generator().manual_seed(0))
    most_mb = max(own_memory_mb() for starts in batches[:200] if sampler.slice(starts) is not None)
    assert most_mb - before_mb < 64
