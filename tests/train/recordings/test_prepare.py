"""Preparing recordings: the length of a clip, and what is cut and joined."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from aegan_monitor.audio.recording import read_recording
from aegan_train.config import load_config
from aegan_train.recordings.prepare import FOLDER, choose_clip, prepare
from aegan_train.recordings.windows import find_windows, read_windows
from synthetic import RATE_HZ, write_wav

CONFIG = load_config("tiny", None, "robust")
STEP = 2.0**-22  # from sample to sample; clips that were cut have 24 bits
LEVEL = 0.2  # from recording to recording


def write_flights(data: Path, lengths_s: dict[str, list[int]]) -> None:
    """Clips of some recordings, in turn: each sample tells its recording by its level and its place by a rising ramp."""
    lines, number = ["path,flight"], 0
    longest = max(map(len, lengths_s.values()))
    n_before = dict.fromkeys(lengths_s, 0)
    for turn in range(longest):
        for place, (flight, lengths) in enumerate(lengths_s.items()):
            if turn < len(lengths):
                n = lengths[turn] * RATE_HZ
                samples = LEVEL * place + STEP * np.arange(n_before[flight], n_before[flight] + n)
                n_before[flight] += n
                path = f"dev_data/pump/train/normal_id_00_{number}.wav"  # not padded: 10 comes after 9
                write_wav(data / path, samples, subtype="FLOAT")
                lines.append(f"{path},{flight}")
                number += 1
    (data / "manifest.csv").write_text("\n".join(lines) + "\n")


FLIGHTS = st.lists(st.lists(st.integers(1, 9), min_size=1, max_size=4), min_size=3, max_size=4)


@settings(max_examples=6, deadline=None, phases=[Phase.generate], suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lengths=FLIGHTS)
def test_every_window_lies_within_one_recording_and_in_order(tmp_path_factory: pytest.TempPathFactory, lengths: list[list[int]]) -> None:
    """Whatever short clips there are: a window is one unbroken stretch of one recording, and no sound is lost."""
    folder = tmp_path_factory.mktemp("flights")
    flights = {f"flight {place}": [5, 5, *each] for place, each in enumerate(lengths)}
    write_flights(folder, flights)
    n_samples = dict.fromkeys(range(len(flights)), 0)
    with prepare([folder], "pump", CONFIG, folder / "run") as prepared:
        assert prepared.skipped == []
        assert prepared.config.clip_frames <= CONFIG.clip_frames
        for clip in prepared.clips:
            windows = find_windows(1 + len(read_recording(clip.path, RATE_HZ)) // CONFIG.features.hop_samples, prepared.config.clip_frames)
            for window in read_windows(clip.path, CONFIG.features, windows):
                (place,) = set(np.floor(window / LEVEL + 1e-5).astype(int).tolist())
                np.testing.assert_allclose(np.diff(window), STEP, atol=STEP * 0.6)
                assert clip.recording == f"flight {place}"
            n_samples[place] += len(read_recording(clip.path, RATE_HZ))
    assert not (folder / "run" / FOLDER).exists()
    assert list(n_samples.values()) == [sum(each) * RATE_HZ for each in flights.values()]


def test_clips_as_long_as_the_monitors_are_taken_as_they_are(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing is cut, joined or printed where all clips are long enough."""
    write_flights(tmp_path, {"one": [10] * 4, "two": [10] * 4})
    with prepare([tmp_path], "pump", CONFIG, tmp_path / "run") as prepared:
        assert {clip.path.parent for clip in prepared.clips} == {tmp_path / "dev_data" / "pump" / "train"}
        assert prepared.config == CONFIG
        assert not (tmp_path / "run").exists()
    assert capsys.readouterr().out == ""


def test_few_long_files_in_layout_are_cut(tmp_path: Path) -> None:
    """Fewer files than a training needs are cut, and what an earlier, killed training has left is removed."""
    write_flights(tmp_path, {"": [50], "two": [40]})
    leftover = tmp_path / "run" / FOLDER / "0" / "old.flac"
    leftover.parent.mkdir(parents=True)
    leftover.touch()
    with prepare([tmp_path], "pump", CONFIG, tmp_path / "run") as prepared:
        names = [clip.recording for clip in prepared.clips]
        assert not leftover.exists()
    first = str(tmp_path / "dev_data" / "pump" / "train" / "normal_id_00_0.wav")
    assert names == [first] * 5 + ["two"] * 4


@pytest.mark.parametrize(
    ("lengths", "expected", "reason"),
    [
        ([304] * 8, 304, ""),
        ([157] * 24, 157, "no longer one fits into every recording"),
        ([157, *[400] * 18], 157, "no longer one fits into every recording"),
        ([157, *[400] * 19], 304, ""),
        ([140, 157, *[400] * 30, 150, 150], 150, "no longer one fits into every recording (1 even shorter ones aside)"),
        ([157] * 2 + [100] * 50, 128, "of longer ones there are no 8"),
        ([313] * 4, 156, "of longer ones there are no 8"),
        ([20], 304, ""),
    ],
)
def test_the_longest_clip_that_nearly_all_recordings_have(
    lengths: list[int], expected: int, reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """One recording of twenty may be shorter than the clip, those under a segment do not count, and eight clips must be left."""
    assert choose_clip(CONFIG, lengths).clip_frames == expected
    (line,) = capsys.readouterr().out.splitlines() or [""]
    if reason:
        start, _, end = line.partition(": ")
        assert start == f"the monitor will score clips of {expected * 0.032:.1f} s in place of 9.7 s"
        assert end == reason
    assert bool(line) == bool(reason)


def test_what_a_file_says_of_the_clip_is_taken(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file with clip_frames is obeyed; one without, or with shorten_clip, lets recordings shorten it; the published method keeps it."""
    (tmp_path / "clip.yaml").write_text("clip_frames: 304\n")
    (tmp_path / "both.yaml").write_text("clip_frames: 250\nshorten_clip: true\n")
    assert choose_clip(load_config("tiny", tmp_path / "clip.yaml", "robust"), [157] * 24).clip_frames == 304
    assert capsys.readouterr().out == ""
    assert choose_clip(load_config("tiny", tmp_path / "both.yaml", "robust"), [157] * 24).clip_frames == 157
    assert choose_clip(CONFIG, [157] * 24).clip_frames == 157
    assert choose_clip(load_config("tiny", None, "reference"), [157] * 24).clip_frames == 304
