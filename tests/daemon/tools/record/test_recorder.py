"""The recorder: clips are exact and never span a gap, on full disks and after kills too."""

import math
import resource
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from aegan_monitor.audio.flac import encode_clip, quantise
from aegan_monitor.audio.level import measure_level
from aegan_monitor.audio.recording import find_recording_id
from aegan_monitor.audio.ring import Ring
from aegan_monitor.audio.supervisor import CaptureSupervisor
from aegan_monitor.errors import CaptureError
from aegan_monitor.tools.record.clip_cutter import ClipCutter
from aegan_monitor.tools.record.clip_folder import ClipFolder, format_time
from aegan_monitor.tools.record.clip_writer import CLIP_S, ClipWriter
from aegan_monitor.tools.record.recorder import Recorder
from aegan_monitor.types import Block
from fakes import ScriptedCapture
from recording import CLIP, RATE_HZ, noise

KEY = "dev_data/pump/train"


def record(
    out: Path, blocks: list[Block], n_wanted: float = math.inf, keep_free_bytes: float = 0, clock: Callable[[], float] = time.monotonic
) -> tuple[int, list[str]]:
    """Exit code and output of a recording."""
    told: list[str] = []
    ring = Ring(10 * CLIP, 1)
    supervisor = CaptureSupervisor(
        "pump", ScriptedCapture([list(blocks)], RATE_HZ), ring, live=False, waits=True, no_data_s=9.0, retry_s=1.0
    )
    writer = ClipWriter(ClipFolder(out, "pump"), RATE_HZ, told.append, n_wanted=n_wanted, keep_free_bytes=keep_free_bytes)
    return Recorder(supervisor, ring, writer, RATE_HZ, told.append, clock=clock, now=lambda: 1.8e9).run(), told


def assert_whole(out: Path) -> int:
    """Assert that all clips are complete, carry their recording id, and are the only files; returns their number."""
    paths = sorted((out / KEY).glob("normal*"))
    assert sorted((out / KEY).iterdir()) == [out / KEY / ".lock", out / KEY / ".recording.json", *paths]
    assert all(soundfile.info(path).frames == CLIP for path in paths)
    assert all(find_recording_id(path).startswith("2027-01-15T08:00:00Z/") for path in paths)
    return len(paths)


def read_clips(out: Path) -> list[list[float]]:
    """The clips in order."""
    return [soundfile.read(path, dtype="float32")[0].tolist() for path in sorted((out / KEY).glob("*.flac"))]


@given(st.lists(st.tuples(st.integers(1, 40), st.booleans()), max_size=30))
def test_clips_never_span_a_gap(parts: list[tuple[int, bool]]) -> None:
    """Clips are the whole clips between two gaps, for any blocks; the rest is dropped."""
    cutter, at, clips, n_discarded = ClipCutter(25), 0, [], 0
    stretches: list[list[int]] = [[]]
    for n_samples, after_gap in parts:
        if after_gap:
            stretches.append([])
            n_discarded += cutter.restart()
        stretches[-1] += list(range(at, at + n_samples))
        clips += [clip.tolist() for clip in cutter.cut(np.arange(at, at + n_samples, dtype=np.float32))]
        at += n_samples
    assert clips == [stretch[i : i + 25] for stretch in stretches for i in range(0, len(stretch) - 24, 25)]
    assert n_discarded == sum(len(stretch) % 25 for stretch in stretches[:-1])
    assert cutter.n_begun_samples == len(stretches[-1]) % 25


def test_clips_hold_the_samples_bit_for_bit(tmp_path: Path) -> None:
    """Clips hold the exact samples, also after a gap; a partial clip is dropped."""
    first, second = noise(CLIP + 500, 1), noise(2 * CLIP + 7, 2)
    code, told = record(tmp_path, [Block(first, 0), Block(second, len(first) + 300, overflowed=True)])
    assert code == 0
    assert read_clips(tmp_path) == [clip.tolist() for clip in (first[:CLIP], second[:CLIP], second[CLIP : 2 * CLIP])]
    assert told[1] == "gap: sound was lost; 0.5 s of a begun clip discarded"
    assert find_summary(told).endswith(", 1 gap(s), 0.5 s discarded at them")
    assert told[-1] == "next: record more; training needs 8 clips at least, found 3"
    assert assert_whole(tmp_path) == 3


def find_summary(told: list[str]) -> str:
    """The line of the summary with the counts."""
    return next(line for line in told if line.startswith("recorded: "))


def test_numbering_goes_on(tmp_path: Path) -> None:
    """Numbering continues after the last clip, and no clip is overwritten."""
    for _ in range(2):
        record(tmp_path, [Block(noise(CLIP), 0)])
    (tmp_path / KEY / "normal_id_00_00000001.flac").unlink()
    (tmp_path / KEY / "normal_id_00_00000006.wav").write_bytes(b"")
    record(tmp_path, [Block(noise(CLIP), 0)])
    assert sorted(path.name[-13:] for path in (tmp_path / KEY).glob("normal*")) == ["00000000.flac", "00000007.flac", "_00000006.wav"]


@pytest.mark.parametrize(("value", "told"), [(0.0, "digital silence: muted?"), (0.25, "constant at -12.0 dBFS: a dead device?")])
def test_what_is_no_sound_is_not_kept(tmp_path: Path, value: float, told: str) -> None:
    """Digital silence is not kept; it is reported once and counted."""
    flat = np.full(2 * CLIP, value, np.float32)
    code, lines = record(tmp_path, [Block(np.concatenate([flat, noise(CLIP)]), 0)])
    assert (code, lines[0]) == (0, f"{told}  not kept; waiting for sound")
    assert len(read_clips(tmp_path)) == 1
    assert find_summary(lines).endswith(", 2 without sound not kept")


def test_quotas_end_it(tmp_path: Path) -> None:
    """Quotas of clips and of free disk space end the recording."""
    sound = [Block(noise(3 * CLIP), 0)]
    assert "enough: that was the quota" in record(tmp_path, sound, 2)[1]
    code, told = record(tmp_path, sound, keep_free_bytes=1e18)
    assert code == 1
    assert told[0].endswith("1e+12 MB stay free (--keep-free-mb); free some space, or record elsewhere")
    assert assert_whole(tmp_path) == 2


def test_no_clip_is_a_failure(tmp_path: Path) -> None:
    """A recording without a clip ends with a failure, and the next start prints the remedy."""
    code, told = record(tmp_path, [Block(noise(10), 0)])
    assert (code, told[-1]) == (1, "next: record more; training needs 8 clips at least, found 0")


def test_the_advice_counts_the_clips_that_are_there(tmp_path: Path) -> None:
    """Deleted clips do not count in the advice."""
    record(tmp_path, [Block(noise(8 * CLIP), 0)])
    (tmp_path / KEY / "normal_id_00_00000003.flac").unlink()
    _, told = record(tmp_path, [Block(noise(10), 0)])
    assert told[-1] == "next: record more; training needs 8 clips at least, found 7"


def test_the_coverage_counts_what_was_heard(tmp_path: Path) -> None:
    """Two clips and a half in 50 s are a coverage of 50 %."""
    times = iter([0.0])
    _, told = record(tmp_path, [Block(noise(5 * CLIP // 2), 0)], clock=lambda: next(times, 5.0 * CLIP_S))
    assert find_summary(told) == "recorded: 2 clips, 0.01 h, coverage 50.0 %"


def test_one_recorder_has_a_folder(tmp_path: Path) -> None:
    """A second recorder in one folder is refused until the first has ended."""
    folder, second = ClipFolder(tmp_path, "pump"), ClipFolder(tmp_path, "pump")
    folder.open()
    message = f"{tmp_path / KEY}: another aegan-monitor record writes into it; end that one, or choose another --out"
    with pytest.raises(CaptureError) as caught:
        second.open()
    assert str(caught.value) == message
    folder.close()
    second.close()
    second.open()
    second.close()


def test_a_full_disk_is_reported_in_one_line(tmp_path: Path) -> None:
    """A full disk gives one line, leaves no part of the last clip, and keeps the others."""
    record(tmp_path, [Block(noise(CLIP), 0)])
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (5000, before[1]))
    try:
        code, told = record(tmp_path, [Block(noise(CLIP), 0)])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert code == 1
    assert told[0] == f"stopped: {tmp_path / KEY}: File too large; all clips before are whole, free some space and start again"
    assert told[1].startswith("recorded: 0 clips, 0.00 h, ")
    assert assert_whole(tmp_path) == 1


def test_a_clip_that_was_cut_off_is_removed(tmp_path: Path) -> None:
    """The next start removes the hidden file of a kill, and says so."""
    record(tmp_path, [Block(noise(2 * CLIP), 0)])
    (tmp_path / KEY / ".normal_id_00_00000002.flac.tmp").write_bytes(b"fL")
    lines = record(tmp_path, [Block(noise(10), 0)])[1]
    assert lines[0] == f"{tmp_path / KEY}: 1 unfinished clip(s) of an earlier recording removed"
    assert assert_whole(tmp_path) == 2


def test_a_short_recording_is_called_a_trial(tmp_path: Path) -> None:
    """A short recording is called a trial at its start and end, with level and verdict."""
    told = record(tmp_path, [Block(noise(9 * CLIP), 0)], 9)[1]
    assert told[0].startswith("2 min of normal sound: a trial, ")
    assert told[-4].startswith("level -17 dBFS (-37 to -12 is good): ")
    assert "the machine switched off" in told[-2]
    assert told[-3].startswith(f"{tmp_path / KEY}: 2 min of normal sound: a trial, ")
    assert told[-1].startswith("next: aegan-train fit --data ")


class Waiting(ScriptedCapture):
    """A microphone that is missing twice and then delivers a clip."""

    def read(self) -> Block | None:
        """Read as scripted; the quota ends the recording."""
        return super().read() or Block(np.zeros(0, np.float32), 0)


def test_it_says_that_it_waits(tmp_path: Path) -> None:
    """A missing microphone is reported at once, and so is its return."""
    told: list[str] = []
    ring = Ring(10 * CLIP, 1)
    capture = Waiting([[CaptureError("no microphone found; plug one in")], [Block(noise(CLIP), 0)]], RATE_HZ)
    supervisor = CaptureSupervisor("pump", capture, ring, live=True, waits=False, no_data_s=9.0, retry_s=2.0, first_retry_s=2.0)
    writer = ClipWriter(ClipFolder(tmp_path, "pump"), RATE_HZ, told.append, n_wanted=1, keep_free_bytes=0)
    assert Recorder(supervisor, ring, writer, RATE_HZ, told.append).run() == 0
    assert told[1] == "WAITING, nothing is recorded: no microphone found; plug one in"
    assert told[2].startswith("recording goes on after ")


def test_a_clip_says_what_it_is(tmp_path: Path) -> None:
    """A clip's tags hold recording id and date, and its samples have 16 bits."""
    square = np.where(np.arange(100) % 2, 0.5, -0.5).astype(np.float32)
    (tmp_path / "a.flac").write_bytes(encode_clip(quantise(square), RATE_HZ, "monday/003", format_time(1.8e9)))
    with soundfile.SoundFile(tmp_path / "a.flac") as file:
        assert (file.title, file.date) == ("monday/003", "2027-01-15T08:00:00Z")
        assert file.read(dtype="float32").tolist() == square.tolist()
    assert find_recording_id(tmp_path / "a.flac") == "monday/003"
    soundfile.write(tmp_path / "b.flac", square, RATE_HZ)
    assert find_recording_id(tmp_path / "b.flac") == ""
    assert quantise(np.array([1.5, -1.5, 0.25], np.float32)).tolist() == [32767, -32768, 8192]


def test_levels() -> None:
    """Samples at full scale are clipped; a square wave is 3 dB above a sine of its peak (AES17)."""
    square = np.where(np.arange(100) % 2, 0.5, -0.5).astype(np.float32)
    assert str(measure_level(square)) == "  -3.0 dBFS  peak   -6.0 dBFS"
    assert str(measure_level(2 * square)) == "   3.0 dBFS  peak    0.0 dBFS  CLIPPED 100 samples"
