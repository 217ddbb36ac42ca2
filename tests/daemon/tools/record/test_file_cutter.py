"""`record --from` cuts long recordings into clips for training, without mixing files or microphones."""

import math
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aegan_monitor.audio.recording import find_recording_id, read_recording
from aegan_monitor.tools.record.clip_folder import ClipFolder
from aegan_monitor.tools.record.clip_writer import CLIP_S, ClipWriter
from aegan_monitor.tools.record.file_cutter import FileCutter
from sound_files import noise, set_data_size, write

RATE_HZ = 1000
CLIP = CLIP_S * RATE_HZ
KEY = "dev_data/pump/train"


def cut(out: Path, *paths: Path, channel: int | None = None, n_wanted: float = math.inf) -> tuple[int, list[str], list[str]]:
    """Exit code, standard output and standard error of a cut."""
    reported: list[str] = []
    warned: list[str] = []
    writer = ClipWriter(ClipFolder(out, "pump"), RATE_HZ, reported.append, n_wanted=n_wanted, keep_free_bytes=0)
    return FileCutter(paths, channel, writer, RATE_HZ, reported.append, warned.append).run(), reported, warned


def read_clips(out: Path) -> list[np.ndarray]:
    """The clips in order."""
    return [read_recording(path, RATE_HZ) for path in sorted((out / KEY).glob("normal*"))]


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.integers(1, 35_000), min_size=1, max_size=4))
def test_no_clip_spans_two_files(tmp_path_factory: pytest.TempPathFactory, lengths: list[int]) -> None:
    """The clips are the exact whole clips of each file, and each file is a separate recording."""
    folder = tmp_path_factory.mktemp("cut")
    parts = [noise(n_samples, seed) for seed, n_samples in enumerate(lengths)]
    paths = [write(folder / f"{chr(97 + i)}.wav", part, RATE_HZ) for i, part in enumerate(parts)]
    expected = [part[i : i + CLIP] for part in parts for i in range(0, len(part) - CLIP + 1, CLIP)]
    code, reported, warned = cut(folder / "out", *paths)
    assert [clip.tolist() for clip in read_clips(folder / "out")] == [clip.tolist() for clip in expected]
    assert (code, warned) == (0 if expected else 1, [])
    for path, part in zip(paths, parts, strict=True):
        assert f"{path}: {len(part) // CLIP} clips of 10 s; {len(part) % CLIP / RATE_HZ:.1f} s at its end are left over" in reported
    ids = [find_recording_id(path) for path in sorted((folder / "out" / KEY).glob("normal*"))]
    assert [each.partition(" ")[0] for each in ids] == [
        f"{chr(97 + i)}.wav" for i, part in enumerate(parts) for _ in range(len(part) // CLIP)
    ]


def test_one_long_file_has_parts_that_training_can_hold_out(tmp_path: Path) -> None:
    """A long file becomes several recordings of neighbouring clips, so that training can hold some out."""
    path = write(tmp_path / "hour.wav", noise(40 * CLIP), RATE_HZ)
    os.utime(path, (0, 0))
    cut(tmp_path / "out", path)
    ids = [find_recording_id(path) for path in sorted((tmp_path / "out" / KEY).glob("normal*"))]
    assert ids == sorted(ids)
    assert [each.removeprefix("hour.wav 1970-01-01T00:00:00Z/") for each in ids[:5]] == ["000"] * 2 + ["001"] * 2 + ["002"]


def test_files_of_one_name_are_recordings_of_their_own(tmp_path: Path) -> None:
    """A recorder gives the files of each day the same names: each is known by its time, too."""
    for day in (0, 1):
        (tmp_path / str(day)).mkdir()
        os.utime(write(tmp_path / str(day) / "001.WAV", noise(CLIP, day), RATE_HZ), (86_400 * day, 86_400 * day))
        cut(tmp_path / "out", tmp_path / str(day) / "001.WAV")
    ids = [find_recording_id(path) for path in sorted((tmp_path / "out" / KEY).glob("normal*"))]
    assert ids == ["001.WAV 1970-01-01T00:00:00Z/000", "001.WAV 1970-01-02T00:00:00Z/000"]


@pytest.mark.parametrize("rate_hz", [8000, 44_100, 48_000])
def test_another_rate_is_resampled(tmp_path: Path, rate_hz: int) -> None:
    """A file of another rate is resampled as by soxr in one call, for any block size."""
    sound = (0.1 * noise(25 * rate_hz)).astype(np.float32)
    path = write(tmp_path / "a.wav", sound, rate_hz, subtype="FLOAT")
    code, reported, _ = cut(tmp_path / "out", path)
    expected = soxr.resample(sound, rate_hz, RATE_HZ)
    assert code == 0
    assert any("2 clips of 10 s; 5.0 s at its end" in line for line in reported)
    np.testing.assert_allclose(np.concatenate(read_clips(tmp_path / "out")), expected[: 2 * CLIP], atol=2 / 32768)


def test_one_microphone_of_an_array(tmp_path: Path) -> None:
    """`--channel` takes one channel; without it a file with several channels is refused alone."""
    sound = noise(CLIP, n_channels=8)
    array, mono = write(tmp_path / "array.wav", sound, RATE_HZ), write(tmp_path / "mono.wav", noise(CLIP), RATE_HZ)
    assert cut(tmp_path / "a", array, channel=3)[0] == 0
    np.testing.assert_array_equal(read_clips(tmp_path / "a")[0], sound[:, 3])
    code, reported, warned = cut(tmp_path / "b", array, mono)
    assert (code, len(warned), len(read_clips(tmp_path / "b"))) == (1, 1, 1)
    assert "--channel N" in warned[0]
    assert any(line.startswith("recorded: 1 clips, 0.00 h, 1 file(s) refused") for line in reported)


def test_a_file_with_an_odd_name_or_header_is_cut(tmp_path: Path) -> None:
    """A name that is not UTF-8 and an unfinished header are accepted."""
    path = set_data_size(write(tmp_path / os.fsdecode(b"L\xfcfter.wav"), noise(CLIP), RATE_HZ), 0)
    assert cut(tmp_path / "out", path)[0] == 0
    assert find_recording_id(tmp_path / "out" / KEY / "normal_id_00_00000000.flac").startswith(r"L\udcfcfter.wav 2")


def test_a_quota_ends_it(tmp_path: Path) -> None:
    """A quota ends the cut within a file, with exit code 0."""
    code, reported, _ = cut(tmp_path / "out", write(tmp_path / "a.wav", noise(5 * CLIP), RATE_HZ), n_wanted=2)
    assert (code, len(read_clips(tmp_path / "out"))) == (0, 2)
    assert "enough: that was the quota" in reported


def test_a_rate_of_a_damaged_header_is_refused(tmp_path: Path) -> None:
    """An impossible sample rate is refused."""
    code, _, warned = cut(tmp_path / "out", write(tmp_path / "a.wav", noise(100), 7))
    assert (code, len(warned)) == (1, 1)
    assert "expected a rate from 1000 to 1000000 Hz, found 7" in warned[0]


@pytest.mark.process
def test_the_command_cuts_for_training(tmp_path: Path) -> None:
    """The command cuts to 16 kHz and prints the next step; conflicting options are refused."""
    sound = write(tmp_path / "hour.flac", (0.1 * noise(85 * 8000)).astype(np.float32), 8000)
    command = [
        sys.executable,
        "-m",
        "aegan_monitor.cli",
        "record",
        "--out",
        str(tmp_path / "out"),
        "--keep-free-mb",
        "1",
        "--from",
        str(sound),
    ]
    done = subprocess.run([*command, "--machine", "pump"], capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert "a recording at 8000 Hz has no sound above 4000 Hz" in done.stderr
    assert done.stdout.splitlines()[-1].startswith("next: aegan-train fit --data ")
    paths = sorted((tmp_path / "out" / KEY).glob("normal*"))
    assert [(soundfile.info(path).frames, soundfile.info(path).samplerate) for path in paths] == [(160_000, 16_000)] * 8
    done = subprocess.run([*command, "--device", "x"], capture_output=True, text=True, check=False)
    assert (done.returncode, "leave out --config and --device" in done.stderr) == (2, True)
