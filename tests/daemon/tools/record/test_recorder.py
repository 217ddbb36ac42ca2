"""Clips are exact, never span a gap, and survive full disks and what a kill leaves (`test_recorder_kills.py` kills)."""

import csv
import os
import resource
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from aegan_monitor.audio.level import measure_level
from aegan_monitor.audio.ring import Ring
from aegan_monitor.audio.supervisor import Listener
from aegan_monitor.errors import CaptureError, DataError
from aegan_monitor.tools.record.clip_cutter import ClipCutter
from aegan_monitor.tools.record.clip_folder import ClipFolder, encode_clip, quantise
from aegan_monitor.tools.record.recorder import CLIP_S, Quota, Recorder
from aegan_monitor.types import Block, Run
from fakes import ScriptedCapture
from recording import CLIP, RATE_HZ, noise

KEY = "dev_data/pump/train"


def record(
    out: Path, blocks: list[Block], quota: Quota | None = None, clock: Callable[[], float] = time.monotonic, machine: str = "pump"
) -> tuple[int, list[str]]:
    """The exit code, and what was told."""
    told: list[str] = []
    ring = Ring(10 * CLIP, 1)
    listener = Listener("pump", ScriptedCapture([list(blocks)], RATE_HZ), ring, live=False, waits=True, no_data_s=9.0, retry_s=1.0)
    folder = ClipFolder(out, machine, RATE_HZ)
    recorder = Recorder(listener, ring, folder, RATE_HZ, quota or Quota(keep_free_bytes=0), told.append, clock=clock, now=lambda: 1.8e9)
    return recorder.run(), told


def rows_of(out: Path) -> list[dict[str, str]]:
    """The manifest's lines."""
    with (out / "manifest.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def assert_whole(out: Path) -> int:
    """Every clip is whole and stands in the manifest once, and nothing else is there; how many there are."""
    paths = sorted(path.relative_to(out).as_posix() for path in (out / KEY).glob("*") if not path.name.startswith("."))
    assert sorted(row["path"] for row in rows_of(out)) == paths
    assert all(None not in row.values() and row["flight"] and row["clipped_samples"] for row in rows_of(out))
    assert all(soundfile.info(out / path).frames == CLIP for path in paths)
    assert not list((out / KEY).glob(".*.tmp"))
    return len(paths)


@given(st.lists(st.tuples(st.integers(1, 40), st.booleans()), max_size=30))
def test_clips_never_span_a_gap(parts: list[tuple[int, bool]]) -> None:
    """However samples come, clips are the whole clips of each stretch between two gaps, and the rest of a stretch is thrown away."""
    cutter, at, clips = ClipCutter(25), 0, []
    stretches: list[list[int]] = [[]]
    for n_samples, after_gap in parts:
        samples = np.arange(at, at + n_samples, dtype=np.float32)
        if after_gap:
            stretches.append([])
        stretches[-1] += list(range(at, at + n_samples))
        clips += [clip.tolist() for clip in cutter.cut(Run(samples, at, after_gap))]
        at += n_samples
    assert clips == [stretch[i : i + 25] for stretch in stretches for i in range(0, len(stretch) - 24, 25)]
    assert cutter.thrown_samples_total == sum(len(stretch) % 25 for stretch in stretches[:-1])
    assert cutter.n_begun_samples == len(stretches[-1]) % 25


def test_clips_hold_the_samples_bit_for_bit(tmp_path: Path) -> None:
    """Also after a gap; the last part of a clip is not kept."""
    first, second = noise(CLIP + 500, 1), noise(2 * CLIP + 7, 2)
    code, told = record(tmp_path, [Block(first, 0), Block(second, len(first) + 300, overflowed=True)])
    assert code == 0
    found = [soundfile.read(tmp_path / row["path"], dtype="float32")[0] for row in rows_of(tmp_path)]
    assert [clip.tolist() for clip in found] == [clip.tolist() for clip in (first[:CLIP], second[:CLIP], second[CLIP : 2 * CLIP])]
    assert told[1] == "gap: sound was lost; 0.5 s of a begun clip thrown away"
    assert told[-2].endswith(", 1 gap(s), 0.5 s thrown away at them")
    assert told[-1] == "next: record more; training needs 8 clips at least, found 3"
    assert assert_whole(tmp_path) == 3


def test_numbering_goes_on(tmp_path: Path) -> None:
    """Behind the files and behind the manifest, whichever is further; nothing is overwritten."""
    for _ in range(2):
        record(tmp_path, [Block(noise(CLIP), 0)])
    (tmp_path / KEY / "normal_id_00_00000001.flac").unlink()
    (tmp_path / KEY / "normal_id_00_00000006.wav").write_bytes(b"")
    record(tmp_path, [Block(noise(CLIP), 0)])
    assert sorted(path.name[-13:] for path in (tmp_path / KEY).glob("normal*")) == ["00000000.flac", "00000007.flac", "_00000006.wav"]


@pytest.mark.parametrize(("value", "told"), [(0.0, "digital silence: muted?"), (0.25, "constant at -12.0 dBFS: a dead device?")])
def test_what_is_no_sound_is_not_kept(tmp_path: Path, value: float, told: str) -> None:
    """Told once, and counted."""
    flat = np.full(2 * CLIP, value, np.float32)
    code, lines = record(tmp_path, [Block(np.concatenate([flat, noise(CLIP)]), 0)])
    assert (code, lines[0]) == (0, f"{told}  not kept; waiting for sound")
    assert len(rows_of(tmp_path)) == 1
    assert lines[-2].endswith(", 2 without sound not kept")


def test_quotas_end_it(tmp_path: Path) -> None:
    """Clips of this start, bytes of the folder, and room that others need."""
    sound = [Block(noise(3 * CLIP), 0)]
    assert record(tmp_path, sound, Quota(2, keep_free_bytes=0))[1][2] == "enough: that was the quota"
    size = sum(path.stat().st_size for path in (tmp_path / KEY).glob("*.flac"))
    code, told = record(tmp_path, sound, Quota(max_bytes=size + 10, keep_free_bytes=0))
    assert (code, told[0]) == (0, f"enough: {tmp_path / KEY} holds 0.0 MB, at most {(size + 10) / 1e6:g} MB (--max-mb)")
    code, told = record(tmp_path, sound, Quota(keep_free_bytes=1e18))
    assert code == 1
    assert told[0].endswith("1e+12 MB stay free (--keep-free-mb); free some space, or record elsewhere")
    assert assert_whole(tmp_path) == 2


def test_no_clip_is_a_failure(tmp_path: Path) -> None:
    """Whoever waits for data shall notice; the next start has the remedy."""
    code, told = record(tmp_path, [Block(noise(10), 0)])
    assert (code, told[-1]) == (1, "next: record more; training needs 8 clips at least, found 0")


def test_the_advice_counts_the_clips_that_are_there(tmp_path: Path) -> None:
    """Not the lines of those that were deleted."""
    record(tmp_path, [Block(noise(8 * CLIP), 0)])
    (tmp_path / KEY / "normal_id_00_00000003.flac").unlink()
    _, told = record(tmp_path, [Block(noise(10), 0)])
    assert told[-1] == "next: record more; training needs 8 clips at least, found 7"


def test_a_clip_without_room_was_heard(tmp_path: Path) -> None:
    """Coverage says what was heard, not what fitted."""
    times = iter([0.0])
    sound = noise(3 * CLIP)
    n_bytes = len(encode_clip(quantise(sound[:CLIP]), RATE_HZ, "2027-01-15T08:00:00Z/000", "2027-01-15T08:00:00Z"))
    _, told = record(tmp_path, [Block(sound, 0)], Quota(max_bytes=2.5 * n_bytes, keep_free_bytes=0), lambda: next(times, 3.0 * CLIP_S))
    assert told[-2].startswith("recorded: 2 clips, 0.01 h, coverage 100.0 %, ")


def test_one_recorder_has_a_folder(tmp_path: Path) -> None:
    """A second one is refused in one line; after the first has ended it may."""
    folder, second = ClipFolder(tmp_path, "pump", RATE_HZ), ClipFolder(tmp_path, "pump", RATE_HZ)
    folder.open()
    message = f"{tmp_path / KEY}: another aegan-monitor record writes into it; end that one, or choose another --out"
    with pytest.raises(CaptureError) as caught:
        second.open()
    assert str(caught.value) == message
    folder.close()
    second.close()
    second.open()
    second.close()


CUTS: list[tuple[str, Callable[[Path], object], str]] = [
    ("tmp", lambda out: (out / KEY / ".normal_id_00_00000002.flac.tmp").write_bytes(b"fL"), "1 unfinished clip(s) removed"),
    (
        "cut",
        lambda out: os.truncate(out / "manifest.csv", (out / "manifest.csv").stat().st_size - 9),
        "1 cut line(s) of the manifest removed, 1 clip(s) entered in the manifest",
    ),
    (
        "header",
        lambda out: os.truncate(out / "manifest.csv", 8),
        "1 cut line(s) of the manifest removed, 2 clip(s) entered in the manifest",
    ),
    ("none", lambda out: (out / "manifest.csv").unlink(), "2 clip(s) entered in the manifest"),
    (
        "zeros",
        lambda out: zero(out / "manifest.csv", -30, None),
        "1 cut line(s) of the manifest removed, 1 clip(s) entered in the manifest",
    ),
    ("hole", lambda out: zero(out / "manifest.csv", -60, -5), "1 cut line(s) of the manifest removed, 1 clip(s) entered in the manifest"),
    (
        "twice",
        lambda out: tear_twice(out / "manifest.csv"),
        "2 cut line(s) of the manifest removed, 1 clip(s) entered in the manifest",
    ),
    (
        "no header",
        lambda out: zero(out / "manifest.csv", 0, None),
        "1 cut line(s) of the manifest removed, 2 clip(s) entered in the manifest",
    ),
]


def tear_twice(path: Path) -> None:
    """The start after a power cut has cut a line off and written it anew, as the power went again."""
    zero(path, -60, -5)
    path.write_bytes(path.read_bytes() + bytes(40))


def zero(path: Path, start: int, stop: int | None) -> None:
    """A part that never reached the disk, whose size did."""
    content = bytearray(path.read_bytes())
    content[start:stop] = bytes(len(content[start:stop]))
    path.write_bytes(content)


@pytest.mark.parametrize(("cut", "told"), [case[1:] for case in CUTS], ids=[case[0] for case in CUTS])
def test_what_a_kill_leaves_is_mended(tmp_path: Path, cut: Callable[[Path], object], told: str) -> None:
    """Whatever was lost of the manifest, the clips tell it."""
    record(tmp_path, [Block(noise(2 * CLIP), 0)])
    before = (tmp_path / "manifest.csv").read_text()
    cut(tmp_path)
    lines = record(tmp_path, [Block(noise(10), 0)])[1]
    assert lines[0] == f"{tmp_path / KEY}: an earlier recording was cut off: {told}"
    assert (tmp_path / "manifest.csv").read_text() == before
    assert assert_whole(tmp_path) == 2


def test_what_anothers_kill_leaves_does_not_spoil_the_next_line(tmp_path: Path) -> None:
    """Torn within its last field it has all of them; whose clip it was enters it again."""
    record(tmp_path, [Block(noise(2 * CLIP), 0)], machine="fan")
    whole = (tmp_path / "manifest.csv").read_text()
    os.truncate(tmp_path / "manifest.csv", len(whole) - 2)
    pump = ClipFolder(tmp_path, "pump", RATE_HZ)
    pump.open()
    assert (tmp_path / "manifest.csv").read_text() == "".join(whole.splitlines(keepends=True)[:2])
    os.truncate(tmp_path / "manifest.csv", len(whole.partition("\n")[0]) + 40)  # now while the pump is recorded
    pump.write(encode_clip(quantise(noise(CLIP)), RATE_HZ, "f", "t"), measure_level(noise(CLIP)), "f", "t")
    pump.close()
    assert [row["path"] for row in rows_of(tmp_path)] == [f"{KEY}/normal_id_00_00000000.flac"]
    record(tmp_path, [Block(noise(10), 0)], machine="fan")
    assert [row["path"] for row in rows_of(tmp_path)[1:]] == [f"dev_data/fan/train/normal_id_00_{n:08d}.flac" for n in range(2)]


def test_somebodys_manifest_keeps_its_columns(tmp_path: Path) -> None:
    """And a last line without its end, which is whole."""
    (tmp_path / "manifest.csv").write_text("label,path,flight\nnormal,dev_data/fan/train/a.wav,f1")
    record(tmp_path, [Block(noise(CLIP), 0)])
    lines = (tmp_path / "manifest.csv").read_text().splitlines()
    assert lines[1:] == ["normal,dev_data/fan/train/a.wav,f1", f",{KEY}/normal_id_00_00000000.flac,2027-01-15T08:00:00Z/000"]


def test_a_full_disk_is_told_in_one_line(tmp_path: Path) -> None:
    """The clip that did not fit leaves nothing behind; what was there stays whole."""
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


def test_a_line_that_did_not_fit_is_entered_later(tmp_path: Path) -> None:
    """The clip is there, its line is not: told, and mended once there is room; until then nobody records."""
    manifest = tmp_path / "manifest.csv"
    manifest.write_text("path,flight\n" + "dev_data/fan/train/a.wav,f\n" * 2000)  # larger than a clip
    size, before = manifest.stat().st_size, resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 9, before[1]))
    try:
        code, told = record(tmp_path, [Block(noise(CLIP), 0)])
        with pytest.raises(DataError) as caught:
            record(tmp_path, [Block(noise(CLIP), 0)])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert (code, manifest.stat().st_size) == (1, size)
    assert told[0].startswith(f"stopped: {tmp_path / KEY}: File too large; ")
    assert str(caught.value) == f"{tmp_path / KEY}: cannot be recorded into (File too large); free some space, or choose another --out"
    _, told = record(tmp_path, [Block(noise(10), 0)])
    assert told[0].endswith(": 1 clip(s) entered in the manifest")
    assert [row for row in rows_of(tmp_path) if "fan" not in row["path"]] == [
        {"path": f"{KEY}/normal_id_00_00000000.flac", "flight": "2027-01-15T08:00:00Z/000"}
    ]


def test_levels() -> None:
    """What reaches full scale is clipped; a square wave is 3 dB over a sine of its peak (AES17)."""
    square = np.where(np.arange(100) % 2, 0.5, -0.5).astype(np.float32)
    assert str(measure_level(square)) == "  -3.0 dBFS  peak   -6.0 dBFS"
    assert str(measure_level(2 * square)) == "   3.0 dBFS  peak    0.0 dBFS  CLIPPED 100 samples"
    assert quantise(np.array([1.5, -1.5, 0.25], np.float32)).tolist() == [32767, -32768, 8192]
    assert encode_clip(quantise(square), RATE_HZ, "f", "t")[:4] == b"fLaC"
