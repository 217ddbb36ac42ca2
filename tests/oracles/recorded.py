"""What a folder of recordings has to be after every start, whatever ended the recording before."""

import csv
import fcntl
from pathlib import Path

import soundfile

from aegan_monitor.audio.level import measure_level
from aegan_monitor.tools.record.clip_folder import ClipFolder
from aegan_train.recordings.folder import find_clips, read_manifest
from recording import CLIP, RATE_HZ

Row = dict[str, str]


def folder_of(out: Path, machine: str) -> Path:
    """Where its clips lie."""
    return out / "dev_data" / machine / "train"


def find_own(out: Path, machine: str) -> dict[str, bytes]:
    """Its clips, by the manifest's path, and what they hold."""
    return {path.relative_to(out).as_posix(): path.read_bytes() for path in folder_of(out, machine).glob("n*")}


def count_own(out: Path, machine: str) -> int:
    """How many they are."""
    return len(list(folder_of(out, machine).glob("n*")))


def read_rows(out: Path, machine: str) -> list[Row]:
    """Its lines of the manifest, which another recorder may be about to change."""
    path = out / "manifest.csv"
    if not path.exists():
        return []
    with path.open(newline="") as file:
        fcntl.flock(file, fcntl.LOCK_SH)
        return [row for row in csv.DictReader(file) if f"/{machine}/" in row["path"]]


def tell_leftover(out: Path, machine: str) -> str:
    """What a kill has left, in a word or two."""
    folder = folder_of(out, machine)
    listed = {row["path"] for row in read_rows(out, machine)}
    manifest = out / "manifest.csv"
    cases = {
        "no folder": not folder.is_dir(),
        "unfinished clip": bool(list(folder.glob(".n*"))),
        "no header": manifest.exists() and manifest.stat().st_size == 0,
        "clip without a line": any(path not in listed for path in find_own(out, machine)),
    }
    return next((name for name, applies in cases.items() if applies), "nothing")


def mend(out: Path, machine: str, sample_rate_hz: int = RATE_HZ) -> str:
    """The next start; what it tells."""
    folder = ClipFolder(out, machine, sample_rate_hz)
    told = str(folder.open())
    folder.close()
    return told


def assert_mended(out: Path, machine: str, kept: dict[str, bytes], clip_samples: int = CLIP) -> dict[str, bytes]:
    """All that was `kept` is there and its numbers go on; every clip is whole, with one line that says what it says; training takes it."""
    found = find_own(out, machine)
    assert found.items() >= kept.items()
    prefix = folder_of(out, machine).relative_to(out).as_posix()
    assert sorted(found) == [f"{prefix}/normal_id_00_{number:08d}.flac" for number in range(len(found))]
    assert not list(folder_of(out, machine).glob(".n*"))
    rows = {row["path"]: row for row in read_rows(out, machine)}
    assert sorted(row["path"] for row in read_rows(out, machine)) == sorted(found)
    for path in found.keys() - kept.keys():
        assert rows[path] == read_clip(out, path, clip_samples)
    if found:
        clips, skipped = (taken := find_clips(out, machine, "train")).clips, taken.skipped
        assert (len(clips), skipped) == (len(found), [])
        assert all(clip.recording for clip in clips)
        assert set(read_manifest(out)) >= set(found)
    return found


def read_clip(out: Path, path: str, clip_samples: int) -> Row:
    """The line of a whole clip, from the clip."""
    with soundfile.SoundFile(out / path) as file:
        flight, time, samples = file.title, file.date, file.read(dtype="float32")
    assert len(samples) == clip_samples
    level = measure_level(samples)
    levels = {"level_dbfs": f"{level.rms_dbfs:.1f}", "peak_dbfs": f"{level.peak_dbfs:.1f}", "clipped_samples": str(level.n_clipped)}
    return {"path": path, "flight": flight, "time": time, **levels}
