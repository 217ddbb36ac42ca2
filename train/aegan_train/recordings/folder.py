"""DCASE-style folders and file names: finds the recordings, and reads label, section and domain from their names.

Sources: DCASE challenge, task 2, descriptions of the data sets of 2020 to 2023; docs/reference/dcase.md lists the accepted names.
"""

import csv
import re
import shlex
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal

from aegan_monitor.audio.recording import find_recording_id
from aegan_monitor.errors import DataError
from aegan_train.config import SetName

Split = Literal["train", "test"]
Naming = Literal["dcase2020", "dcase2022"]
Skipped = tuple[Path, str]  # a file that is no clip here, and the reason
SKIPPED = "skipped.csv"  # the list of skipped files in a run
MAX_PRINTED = 20  # skipped files that are printed; skipped.csv lists all

SETS: dict[SetName, str] = {"dev": "dev_data", "eval": "eval_data", "additional": "additional_data"}
SPLITS: dict[Split, tuple[str, ...]] = {"train": ("train",), "test": ("test", "source_test", "target_test")}  # the last two in 2021
SUFFIXES = {".wav", ".flac"}
MANIFEST = "manifest.csv"
FFMPEG = re.compile(r"ffmpeg -i IN(.*?) OUT")  # the advice of `read_recording`
NAMES: tuple[tuple[Naming, str], ...] = (
    ("dcase2020", "(?P<label>normal|anomaly)_id_(?P<section>[0-9]+)_(?P<number>[0-9]+)"),
    ("dcase2020", "id_(?P<section>[0-9]+)_(?P<number>[0-9]+)"),
    (
        "dcase2022",
        "section_(?P<section>[0-9]+)_(?P<domain>source|target)_(?:train|test)_(?P<label>normal|anomaly)_(?P<number>[0-9]+)(?:_.*)?",
    ),
    ("dcase2022", "section_(?P<section>[0-9]+)_(?:(?P<domain>source|target)_)?test_(?P<number>[0-9]+)"),
    ("dcase2022", "section_(?P<section>[0-9]+)_(?P<number>[0-9]+)"),
)
EXPECTED_NAME = (
    "expected a name like normal_id_00_00000000.wav or section_00_source_train_normal_0000_x.wav; rename it, "
    "or train on files of any name: --data FILE ..."
)


@dataclass(frozen=True, slots=True)
class Clip:
    """One recording.

    Attributes:
        path: The file.
        split: `train` or `test`.
        section: Machine id (2020) or section (2022), as in the name.
        is_anomaly: Its label, which only `evaluate` reads; None when the name has none (test clips of the challenge).
        number: Running number in the name.
        recording: The recording it was cut from, by the manifest or the tags of `aegan-monitor record`; empty when unknown.
        domain: `source` or `target`, or empty when the name has none.
        naming: The scheme that the name follows.
        begins_s: Where it begins in the recording it was cut from; None for a file as it was found.
    """

    path: Path
    split: Split
    section: str
    is_anomaly: bool | None
    number: int
    recording: str = ""
    domain: str = ""
    naming: Naming = "dcase2020"
    begins_s: float | None = None


@dataclass(frozen=True, slots=True)
class FoundClips:
    """The files in the folders of a machine type: clips, and skipped files with the reason."""

    clips: list[Clip]
    skipped: list[Skipped]


def parse_name(path: Path, split: Split, recording: str = "") -> Clip | None:
    """The clip with this file name; None when the name follows no scheme."""
    for naming, pattern in NAMES:
        if match := re.fullmatch(pattern, path.stem):
            said = match.groupdict()
            is_anomaly = None if said.get("label") is None else said["label"] == "anomaly"
            return Clip(path, split, said["section"], is_anomaly, int(said["number"]), recording, said.get("domain") or "", naming)
    return None


def find_folders(data: Path, machine_type: str, split: Split, name: SetName) -> list[Path]:
    """The existing folders of one set: in the challenge's layout, in that of the 2023 baseline, and (for `dev`) directly in `data`."""
    places = [data / SETS[name] / machine_type, data / SETS[name] / "raw" / machine_type, *([data / machine_type] if name == "dev" else [])]
    return [folder for place in places for leaf in SPLITS[split] if (folder := place / leaf).is_dir()]


def find_clips(data: Path, machine_type: str, split: Split, sets: Sequence[SetName] | None = None) -> FoundClips:
    """The clips of a machine type, of `sets` or (None) of all existing sets, in the order of sets and names.

    In `train` only files named normal are clips, because training uses normal sound alone.

    Raises:
        DataError: There is no such folder, a set of `sets` is missing, or no file in the folders is a clip.
    """
    if not data.is_dir():
        raise DataError(f"{data}: no such folder; --data takes the folder that holds dev_data/{machine_type}/train")
    found = {name: find_folders(data, machine_type, split, name) for name in sets or SETS}
    if split == "train" and sets and "additional" not in sets and not found.get("eval", [Path()]):
        found["eval"] = find_folders(data, machine_type, split, "additional")  # the challenge names it "additional training data set"
    if lacking := [SETS[name] for name, folders in found.items() if not folders and (sets or not any(found.values()))]:
        raise DataError(f"{data}: no folder {lacking[0]}/{machine_type}/{split}; {_hint(data, machine_type, split)}")
    recordings = read_manifest(data)
    folders = [folder for each in found.values() for folder in each]
    clips: list[Clip] = []
    skipped: list[Skipped] = []
    n_named = 0
    for path in (path for folder in folders for path in sorted(folder.iterdir()) if not path.name.startswith(".")):
        named = recordings.get(path.relative_to(data).as_posix(), "")
        n_named += bool(named)
        clip = parse_name(path, split, named or (find_recording_id(path) if path.suffix.lower() == ".flac" else ""))
        if reason := _refuse(path, clip, split):
            skipped.append((path, reason))
        elif clip:
            clips.append(clip)
    if not clips:
        kind = "normal clip" if split == "train" else "clip"
        first = f" ({len(skipped)} skipped, the first {skipped[0][0].name}: {skipped[0][1]})" if skipped else ""
        raise DataError(f"{folders[0]}: no {kind} of {machine_type} in it{first}; put recordings there, e.g. normal_id_00_00000000.wav")
    if recordings and split == "train" and not n_named:
        raise DataError(
            f"{data / MANIFEST}: names a flight for none of {len(clips)} training clips; its column path begins at {data}, as in "
            f"{clips[0].path.relative_to(data).as_posix()}; mend it, or remove the file"
        )
    return FoundClips(clips, skipped)


def _refuse(path: Path, clip: Clip | None, split: Split) -> str:
    """The reason why a file is no clip of this split; empty when it is one."""
    if path.is_dir():
        return f"a folder; recordings are taken from {path.parent.name} itself, not from folders in it: move them up"
    if path.suffix.lower() not in SUFFIXES or not path.is_file():
        return "expected a WAV or FLAC recording"
    if clip is None:
        return EXPECTED_NAME
    if split == "train" and clip.is_anomaly is not False:
        return "an anomaly among training clips" if clip.is_anomaly else "expected a name that says normal among training clips"
    return ""


def _hint(data: Path, machine_type: str, split: Split) -> str:
    """The end of the message about a missing folder: which folders exist."""
    if there := [SETS[name] for name in SETS if find_folders(data, machine_type, split, name)]:
        archive = " (the archive of the additional training data set, as additional_data, does)" if split == "train" else ""
        return f"there is {' and '.join(there)}; add it{archive}, or take its set out of the configuration's sets"
    places = [place for folder in SETS.values() for place in (data / folder, data / folder / "raw")]
    types = sorted({path.parent.name for place in [data, *places] for path in place.glob("*/train")})
    return f"machine types there: {', '.join(types)}" if types else f"there is none of {', '.join(SETS.values())} in it"


def print_skipped(skipped: Sequence[Skipped]) -> None:
    """List skipped files on stderr, with a shell loop for several files that ffmpeg can convert."""
    if skipped:
        print(f"{len(skipped)} {'file' if len(skipped) == 1 else 'files'} skipped:", file=sys.stderr)
    for path, reason in skipped[:MAX_PRINTED]:
        print(f"  {path}: {reason}".encode("utf-8", "backslashreplace").decode(), file=sys.stderr)
    if len(skipped) > MAX_PRINTED:
        print(f"  and {len(skipped) - MAX_PRINTED} more", file=sys.stderr)
    convertible = Counter((path.parent, match[1]) for path, reason in skipped if (match := FFMPEG.search(reason)))
    for (folder, options), n in convertible.items():
        if n > 1:
            convert = f'ffmpeg -i "$f"{options} "OUT/$(basename "${{f%.*}}").wav"'
            print(f"  {n} of them at once: mkdir OUT; for f in {shlex.quote(str(folder))}/*; do {convert}; done", file=sys.stderr)


def write_skipped(skipped: Sequence[Skipped], path: Path) -> None:
    """Write the skipped files as CSV, or no file without any. Names that are not UTF-8 are written with backslashes."""
    path.unlink(missing_ok=True)
    if skipped:
        with path.open("w", encoding="utf-8", errors="backslashreplace", newline="") as file:
            csv.writer(file).writerows([("path", "reason"), *skipped])


def read_manifest(data: Path) -> dict[str, str]:
    """Recording (column `flight`) of each path in `data`/manifest.csv, or nothing when there is none; no other column is read.

    Raises:
        DataError: The file lacks a column, or is no CSV in UTF-8.
    """
    path = data / MANIFEST
    if not path.is_file():
        return {}
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:  # spreadsheets write a mark before the first column's name
            rows = csv.DictReader(file)
            lacking = {"path", "flight"} - set(rows.fieldnames or ())
            if lacking:
                found = "; found semicolons between them, save it with commas" if ";" in "".join(rows.fieldnames or ()) else ""
                raise DataError(f"{path}: column missing: {', '.join(sorted(lacking))}; expected path and flight{found}")
            return {PurePosixPath((row["path"] or "").replace("\\", "/")).as_posix(): row["flight"] or "" for row in rows}
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: expected CSV in UTF-8, with commas: {error}; save it again as such") from error
