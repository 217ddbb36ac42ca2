"""Replayed recordings: the position of alarms, refused files, and silence."""

import io
import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soxr

from aegan_monitor.config.alarm import AlarmConfig
from aegan_monitor.demo.pump import Pump
from aegan_monitor.detection.bundle import Bundle, demo_bundle, load_bundle
from aegan_monitor.errors import AeganError, CaptureError
from aegan_monitor.inference.onnx_runtime import OrtSession
from aegan_monitor.tools.joined_recordings import JoinedRecordings
from aegan_monitor.tools.progress import Progress
from aegan_monitor.tools.replay import Replay
from aegan_monitor.types import FloatArray
from sound_files import RATE_HZ, noise, set_data_size, write
from synthetic import learn_state


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    """The demo bundle."""
    return load_bundle(demo_bundle())


@pytest.fixture(scope="module")
def session(bundle: Bundle) -> OrtSession:
    """A session of the demo bundle."""
    return OrtSession(bundle)


class Result:
    """The result of a replay."""

    def __init__(self, bundle: Bundle, session: OrtSession, paths: list[Path], channel: int | None = None, *, clips: bool = False) -> None:
        self.reported: list[str] = []
        self.warned: list[str] = []
        self.lines: list[dict[str, Any]] = []

        def warn(error: AeganError) -> None:
            self.warned.append(str(error))

        def record(line: str) -> None:
            self.lines.append(json.loads(line))

        settings = AlarmConfig()
        replay = Replay(
            bundle, session, bundle.record.score, settings, channel, self.reported.append, warn, record, Progress(io.StringIO())
        )
        self.code = replay.clips(paths) if clips else replay.stream(paths)


def make_pump(duration_s: float, fault_from_s: float = 1e9) -> FloatArray:
    """A pump whose bearing fails."""
    sound: FloatArray = Pump(41, RATE_HZ, fault_from_s).read(round(duration_s * RATE_HZ))
    return sound


def test_an_alarm_names_file_and_offset(bundle: Bundle, session: OrtSession, tmp_path: Path) -> None:
    """An alarm names file and offset in the text and in --jsonl, however the stream is cut into files."""
    sound = make_pump(80, 40)
    a, b = write(tmp_path / "a.wav", sound[: 35 * RATE_HZ]), write(tmp_path / "b.wav", sound[35 * RATE_HZ :])
    result = Result(bundle, session, [a, b])
    raised = next(line for line in result.reported if "alarm raised" in line)
    first = next(line for line in result.lines if line["state"] == "alarm")
    minutes, seconds = divmod(int(first["offset_s"]), 60)
    assert raised.startswith(f"{first['stream_s']:9.2f} s  {b} at {minutes}:{seconds:02d}  alarm raised: ")
    assert (first["file"], first["lasting_share"] > 0, first["operating_state"], first["in_grace"]) == (str(b), True, "running", False)
    assert all(abs(line["stream_s"] - line["offset_s"] - (0 if line["file"] == str(a) else 35)) < 1e-9 for line in result.lines)
    assert result.code == 0


def test_silence_is_a_fault_of_the_sensor_and_not_scored(bundle: Bundle, session: OrtSession, tmp_path: Path) -> None:
    """Digital silence gives a line with its start, and no decision or alarm, as in `run`."""
    silence = np.zeros(30 * RATE_HZ, np.float32)
    path = write(tmp_path / "a.wav", np.concatenate([make_pump(20), silence, make_pump(20)]))
    result = Result(bundle, session, [path])
    assert result.reported[0].startswith(f"    20.00 s  {path} at 0:20  sensor silent")
    assert "0 alarms" in result.reported[-1]
    ends = np.array([line["stream_s"] for line in result.lines])
    assert ((ends <= 20) | (ends > 59)).all()
    assert (ends > 59).sum() > 5


def test_a_fault_of_the_microphone_is_reported_and_not_judged(bundle: Bundle, session: OrtSession, tmp_path: Path) -> None:
    """A level far below normal sound gives a line with its place, and no decision, as in `run`."""
    sound = make_pump(60)
    record = bundle.record.model_copy(update={"normal_sound": [learn_state(sound)]})
    sound[20 * RATE_HZ : 35 * RATE_HZ] *= np.float32(0.05)
    result = Result(replace(bundle, record=record), session, [write(tmp_path / "a.wav", sound)])
    begun, ended, summary = result.reported[-3:]
    assert begun.startswith(f"    28.00 s  {tmp_path / 'a.wav'} at 0:28  sensor level_low: ")
    assert ended.endswith("sensor ok")
    assert "0 alarms" in summary
    assert "clips not judged" in summary
    assert not [line for line in result.lines if 23 < line["stream_s"] < 45]


def test_silence_alone_is_not_called_sound(bundle: Bundle, session: OrtSession, tmp_path: Path) -> None:
    """A recording that is long enough, but silent, is refused with how much sound it has."""
    path = write(tmp_path / "a.wav", np.zeros(30 * RATE_HZ, np.float32))
    with pytest.raises(CaptureError, match=r"found 0\.00 s \(length 30\.00 s\)"):
        Result(bundle, session, [path])


def test_short_pauses_are_sound(tmp_path: Path) -> None:
    """Zeros of less than a second, also across files, change no sample."""
    sound = noise(3 * RATE_HZ)
    sound[:5000] = sound[20_000:30_000] = sound[40_000:] = 0
    paths = [write(tmp_path / "a.wav", sound[:25_000]), write(tmp_path / "b.wav", np.concatenate([sound[25_000:], noise(100, 1)]))]
    runs = list(JoinedRecordings(paths, RATE_HZ, None, print).read(print))
    np.testing.assert_array_equal(np.concatenate([run.samples for run in runs]), np.concatenate([sound, noise(100, 1)]))
    assert [run.start_sample for run in runs] == np.cumsum([0, *(len(run.samples) for run in runs)])[:-1].tolist()
    assert not any(run.after_gap for run in runs)


def test_after_silence_a_stretch_begins_where_it_lies(tmp_path: Path) -> None:
    """After silence the first run is marked as a gap, and samples keep their index."""
    sound = noise(5 * RATE_HZ)
    sound[RATE_HZ : 3 * RATE_HZ + 123] = 0
    reported: list[str] = []
    runs = list(JoinedRecordings([write(tmp_path / "a.wav", sound)], RATE_HZ, None, print).read(reported.append))
    for run in runs:
        np.testing.assert_array_equal(run.samples, sound[run.start_sample : run.start_sample + len(run.samples)])
    assert [run.start_sample for run in runs if run.after_gap] == [3 * RATE_HZ + 123]
    assert len(reported) == 1


@pytest.mark.parametrize("clips", [False, True])
def test_one_odd_file_does_not_end_the_others(bundle: Bundle, session: OrtSession, tmp_path: Path, clips: bool) -> None:
    """Each bad file gives one line and exit code 1, and the rest is processed."""
    good = write(tmp_path / os.fsdecode(b"L\xfcfter.wav"), make_pump(12), format="WAV")
    unfinished = set_data_size(write(tmp_path / "crash.wav", make_pump(12)), 0)
    (tmp_path / "x.raw").write_bytes(bytes(1000))
    stereo = write(tmp_path / "stereo.wav", noise(20_000, n_channels=2))
    damaged = make_pump(12)
    damaged[100_000] = np.nan
    nan = write(tmp_path / "nan.wav", damaged, subtype="FLOAT")
    result = Result(bundle, session, [tmp_path / "none.wav", good, tmp_path / "x.raw", stereo, nan, unfinished], clips=clips)
    assert (result.code, len(result.warned)) == (1, 4)
    assert all(line.isprintable() for line in [*result.reported, *result.warned])
    assert {line["file"] for line in result.lines} >= {str(good), str(unfinished)}
    if clips:
        assert result.lines[0]["scores"] == result.lines[1]["scores"]


@pytest.mark.parametrize("clips", [False, True])
def test_a_recording_of_a_higher_rate_is_replayed_as_any_other(bundle: Bundle, session: OrtSession, tmp_path: Path, clips: bool) -> None:
    """A recording of 48 kHz gives the decisions, places and scores of the same recording after a conversion to 16 kHz."""
    sound = Pump(41, 48_000).read(14 * 48_000)
    fast = write(tmp_path / "a.wav", sound, 48_000, subtype="FLOAT")
    converted = write(tmp_path / "b.wav", soxr.resample(sound, 48_000, RATE_HZ), subtype="FLOAT")
    one, other = (Result(bundle, session, [path], clips=clips) for path in (converted, fast))
    assert (len(one.lines), other.code, other.warned) == (1 if clips else 5, 0, [])
    for line, expected in zip(other.lines, one.lines, strict=True):
        assert line["scores"] == pytest.approx(expected["scores"], rel=1e-3)
        assert {key: line[key] for key in ("sample", "offset_s") if key in line} == {
            key: expected[key] for key in ("sample", "offset_s") if key in expected
        }


def test_all_odd_is_one_line_each(bundle: Bundle, session: OrtSession, tmp_path: Path) -> None:
    """Only bad files give one line each and nothing else."""
    result = Result(bundle, session, [tmp_path / "a.wav", tmp_path / "b.wav"])
    assert (result.code, result.reported, len(result.warned)) == (1, [], 2)


def test_a_channel_is_replayed_alone(bundle: Bundle, session: OrtSession, tmp_path: Path) -> None:
    """One channel gives the result of a file with that channel alone."""
    sound = make_pump(12)
    mono, array = write(tmp_path / "a.wav", sound), write(tmp_path / "b.wav", np.stack([noise(len(sound)), sound], axis=1))
    one, other = Result(bundle, session, [mono], clips=True), Result(bundle, session, [array], 1, clips=True)
    assert one.lines[0]["scores"] == other.lines[0]["scores"]
