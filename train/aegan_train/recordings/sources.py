"""Finds the recordings that `--data` names: a folder in DCASE layout, or files of any names."""

import re
from collections.abc import Sequence
from pathlib import Path

from aegan_monitor.audio.recording import find_recording_id
from aegan_monitor.errors import DataError
from aegan_train.config import SetName
from aegan_train.recordings.folder import (
    MANIFEST,
    SETS,
    SUFFIXES,
    Clip,
    FoundClips,
    Skipped,
    find_clips,
    find_folders,
    parse_name,
    read_manifest,
)


def find_sources(data: Sequence[Path], machine_type: str, sets: Sequence[SetName] | None) -> tuple[FoundClips, bool]:
    """The normal recordings in `data`, and whether they are in DCASE layout.

    `data` is one folder in DCASE layout, or files and folders of files with any names: all of these are normal, but those named anomaly.

    Raises:
        DataError: As `find_clips`, or nothing is found.
    """
    first = data[0]
    has_layout = any(find_folders(first, machine_type, "train", name) for name in SETS)
    has_files = first.is_file() or (first.is_dir() and any(path.suffix.lower() in SUFFIXES for path in first.iterdir()))
    if len(data) == 1 and (has_layout or not has_files):
        return find_clips(first, machine_type, "train", sets), True
    return find_files(data), False


def find_files(data: Sequence[Path]) -> FoundClips:
    """The files in `data`, and those in the folders in it, in natural order of their names (2 before 10).

    A manifest in a folder says which files belong to one recording, and so do the tags of `aegan-monitor record`.

    Raises:
        DataError: A path does not exist, or none is a recording.
    """
    clips: list[Clip] = []
    skipped: list[Skipped] = []
    for place in data:
        if not place.exists():
            raise DataError(f"{place}: no such file or folder; --data takes recordings, or the folder that holds them")
        recordings = read_manifest(place)
        paths = sorted(place.iterdir(), key=natural_order) if place.is_dir() else [place]
        for path in (path for path in paths if path.name != MANIFEST and not path.name.startswith(".")):
            named = parse_name(path, "train")
            if named and named.is_anomaly:
                skipped.append((path, "an anomaly among normal recordings"))
            elif place.is_dir() and (path.suffix.lower() not in SUFFIXES or not path.is_file()):
                skipped.append((path, "expected a WAV or FLAC recording"))
            else:
                recording = recordings.get(path.name, "") or (find_recording_id(path) if path.suffix.lower() == ".flac" else "")
                clips.append(Clip(path, "train", "00", False, len(clips), recording))
    if not clips:
        raise DataError(f"{data[0]}: no normal recording in it; put WAV or FLAC recordings there")
    return FoundClips(clips, skipped)


def natural_order(path: Path) -> list[str | int]:
    """A key that sorts names by the numbers in them."""
    return [int(part) if place % 2 else part for place, part in enumerate(re.split("([0-9]+)", path.name))]
