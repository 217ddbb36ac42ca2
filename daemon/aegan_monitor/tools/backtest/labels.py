"""Labels of a backtest: the parts of recordings in which a fault is known."""

import csv
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from aegan_monitor.errors import AeganError
from aegan_monitor.files import show_path

COLUMNS = ("file", "start_s", "end_s", "what")


@dataclass(frozen=True, slots=True)
class Label:
    """A known fault, from `start_s` to `end_s` in the recording `path`."""

    path: Path
    start_s: float
    end_s: float
    what: str


def read_labels(path: Path, recordings: Sequence[Path]) -> list[Label]:
    """The labels in a CSV file with the columns of COLUMNS; `file` is a name, or the end of a path, of one of the `recordings`.

    Raises:
        AeganError: The file cannot be read, or lines of it are wrong; one line a problem.
    """
    try:
        lines = list(csv.DictReader(path.read_text(encoding="utf-8-sig").splitlines(), skipinitialspace=True))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise AeganError(f"{show_path(path)}: cannot be read: {reason}; expected CSV with a first line {','.join(COLUMNS)}") from error
    labels, problems = list[Label](), list[str]()
    for number, line in enumerate(lines, start=2):
        try:
            labels.append(_read_label(line, recordings))
        except ValueError as error:
            problems.append(f"{show_path(path)}: line {number}: {error}")
    if problems or not labels:
        raise AeganError(
            "\n".join(problems) or f"{show_path(path)}: expected a first line {','.join(COLUMNS)} and a line a fault, found none"
        )
    return labels


def _read_label(line: dict[str, str], recordings: Sequence[Path]) -> Label:
    """One label.

    Raises:
        ValueError: The line is wrong.
    """
    if any(not line.get(column) for column in COLUMNS):
        raise ValueError(f"expected the columns {','.join(COLUMNS)}, found {','.join(str(value) for value in line.values())}")
    try:
        start_s, end_s = float(line["start_s"]), float(line["end_s"])
    except ValueError:
        start_s = end_s = math.nan
    if not 0 <= start_s < end_s < math.inf:
        raise ValueError(f"expected 0 <= start_s < end_s in seconds, found {line['start_s']} and {line['end_s']}")
    parts = Path(line["file"]).parts
    found = [path for path in recordings if path.parts[-len(parts) :] == parts]
    if len(found) != 1:
        remedy = "name one that is given" if not found else f"{len(found)} have this name, name the folder, too"
        raise ValueError(f"file: expected one of the recordings, found {line['file']!r}; {remedy}")
    return Label(found[0], start_s, end_s, line["what"])
