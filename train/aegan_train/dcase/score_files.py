"""Writes the files that the challenge's evaluators read: a score (and from 2022 a decision) for each test clip."""

from collections.abc import Sequence
from pathlib import Path

from aegan_monitor.errors import DataError
from aegan_train.dcase.protocols import Protocol
from aegan_train.recordings.folder import Clip
from aegan_train.run_folder import write_atomically


def make_folder(folder: Path) -> None:
    """Make the folder for the files; called before the scoring, which takes long.

    Raises:
        DataError: It cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"{folder}: the folder cannot be made: {error.strerror}; choose another --csv") from error


def write_score_files(
    folder: Path, protocol: Protocol, machine_type: str, clips: Sequence[Clip], scores: Sequence[float], threshold: float
) -> list[Path]:
    """Write `anomaly_score_<type>_<unit>_<nn>.csv` (and `decision_result_...`, 1 above `threshold`); returns the paths."""
    columns: dict[str, list[str]] = {"anomaly_score": [repr(score) for score in scores]}
    if protocol.has_decisions:
        columns["decision_result"] = [str(int(score > threshold)) for score in scores]
    written = []
    for section in sorted({clip.section for clip in clips}):
        for kind, values in columns.items():
            path = folder / f"{kind}_{machine_type}_{protocol.unit}_{section}.csv"
            _write_lines(path, [f"{clip.path.name},{value}" for clip, value in zip(clips, values, strict=True) if clip.section == section])
            written.append(path)
    return written


def _write_lines(path: Path, lines: Sequence[str]) -> None:
    text = "\n".join(lines) + "\n"
    write_atomically(path, lambda partial: partial.write_bytes(text.encode("utf-8", "surrogateescape")))  # keeps the bytes of file names
