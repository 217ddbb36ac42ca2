"""DCASE-style folders and file names: which clips there are, and what their names say.

Sources: DCASE 2020 and 2022 challenge, task 2, descriptions of their data sets.
"""

import csv
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from aegan_monitor.errors import DataError

Split = Literal["train", "test"]
Skipped = tuple[Path, str]  # a file that is no clip here, and why
MAX_TOLD = 20  # skipped files that are told one by one; the run's list has all
SETS = ("dev_data", "eval_data")
SUFFIXES = {".wav", ".flac"}
NAME_2020 = re.compile(r"(?P<label>normal|anomaly)_id_(?P<section>\d+)_(?P<number>\d+)")
NAME_2022 = re.compile(
    r"section_(?P<section>\d+)_(?P<domain>source|target)_(?:train|test)_(?P<label>normal|anomaly)_(?P<number>\d+)(?:_(?P<attributes>.*))?"
)


@dataclass(frozen=True, slots=True)
class Clip:
    """One recording.

    Attributes:
        path: Where it lies.
        split: `train` or `test`.
        section: Machine id (2020) or section (2022), as in the name.
        is_anomaly: Its label; only ever read by `evaluate`.
        number: Running number in the name.
        recording: What it was cut from (a flight, a shift), or empty when the folder does not say.
    """

    path: Path
    split: Split
    section: str
    is_anomaly: bool
    number: int
    recording: str = ""


def parse_name(path: Path, split: Split, recording: str = "") -> Clip:
    """The clip that a file name stands for.

    Raises:
        DataError: The name follows neither scheme.
    """
    match = NAME_2020.fullmatch(path.stem) or NAME_2022.fullmatch(path.stem)
    if not match:
        raise DataError(
            f"{path}: expected a name like normal_id_00_00000000.wav or section_00_source_train_normal_0000_x.wav, "
            f"found {path.name}; rename or remove it"
        )
    return Clip(path, split, match["section"], match["label"] == "anomaly", int(match["number"]), recording)


def find_clips(data: Path, machine_type: str, split: Split) -> list[Clip]:
    """All clips of a machine type in `data`/{dev_data,eval_data}/`machine_type`/`split`, in the order of their names.

    Raises:
        DataError: There is no such folder, or no recording in it, or a name that says nothing.
    """
    if not data.is_dir():
        raise DataError(f"{data}: no such folder; --data takes the folder that holds dev_data/{machine_type}/train")
    folders = [folder for name in SETS if (folder := data / name / machine_type / split).is_dir()]
    if not folders:
        types = sorted({path.name for name in SETS for path in (data / name).glob("*") if path.is_dir()})
        hint = f"machine types there: {', '.join(types)}" if types else "there is neither dev_data nor eval_data in it"
        raise DataError(f"{data}: no folder dev_data/{machine_type}/{split}; {hint}")
    recordings = read_manifest(data)
    paths = [path for folder in folders for path in sorted(folder.iterdir()) if path.suffix.lower() in SUFFIXES]
    clips = [parse_name(path, split, recordings.get(path.relative_to(data).as_posix(), "")) for path in paths]
    if not clips:
        raise DataError(f"{folders[0]}: no WAV or FLAC recording in it; put normal clips there, e.g. normal_id_00_00000000.wav")
    return clips


def tell_skipped(skipped: Sequence[Skipped]) -> None:
    """Count and list on stderr what is left out, a line each: nothing is dropped in silence."""
    if skipped:
        print(f"{len(skipped)} {'file' if len(skipped) == 1 else 'files'} skipped:", file=sys.stderr)
    for path, reason in skipped[:MAX_TOLD]:
        print(f"  {path}: {reason}", file=sys.stderr)
    if len(skipped) > MAX_TOLD:
        print(f"  and {len(skipped) - MAX_TOLD} more", file=sys.stderr)


def write_skipped(skipped: Sequence[Skipped], path: Path) -> None:
    """All of them as CSV; no file where there is none."""
    path.unlink(missing_ok=True)
    if skipped:
        with path.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([("path", "reason"), *skipped])


def read_manifest(data: Path) -> dict[str, str]:
    """Recording (column `flight`) of each path in `data`/manifest.csv, or nothing when there is none; no other column is read.

    Raises:
        DataError: The file lacks a column, or is no CSV in UTF-8.
    """
    path = data / "manifest.csv"
    if not path.is_file():
        return {}
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:  # spreadsheets write a mark before the first column's name
            rows = csv.DictReader(file)
            lacking = {"path", "flight"} - set(rows.fieldnames or ())
            if lacking:
                raise DataError(f"{path}: column missing: {', '.join(sorted(lacking))}; expected path and flight")
            return {row["path"]: row["flight"] or "" for row in rows}
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: expected CSV in UTF-8, with commas: {error}; save it again as such") from error
