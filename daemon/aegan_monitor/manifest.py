"""The manifest of a folder of recordings: a line a clip, whole after a kill at any moment, shared by all who record into the folder."""

import csv
import fcntl
import io
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from aegan_monitor.errors import DataError

MANIFEST = "manifest.csv"
COLUMNS = ("path", "flight", "time", "level_dbfs", "peak_dbfs", "clipped_samples")
_REQUIRED = ("path", "flight")  # what training reads


class Manifest:
    """`DIR/manifest.csv`; one that somebody else began keeps its columns."""

    def __init__(self, data: Path) -> None:
        self.path = data / MANIFEST

    def append(self, row: Mapping[str, str]) -> None:
        """Add a line; it stands there whole, and on the disk, or not at all.

        Raises:
            DataError: Somebody's manifest lacks a column.
            OSError: The disk is full.
        """
        with self._locked() as descriptor:
            _append_text(descriptor, _line([row.get(column, "") for column in self._columns(descriptor)]))

    def mend(self, prefix: str) -> bool:
        """Whether a cut last line had to go.

        Only a line that lacks its end is looked at: one of a path that begins with `prefix` is cut (the clip tells what it said); any
        other with all its fields lacks the end because its writer left it out.

        Raises:
            DataError: As `append`.
        """
        if not self.path.exists():
            return False
        with self._locked() as descriptor:
            text = _read(descriptor)
            last = text.rpartition(b"\n")[2]
            if not last:
                return False
            if last == text:  # the header itself
                if not _line(list(COLUMNS)).startswith(text):
                    _append_text(descriptor, b"\n")
                    return False
            else:
                fields = next(csv.reader([last.decode(errors="replace")]))
                columns = self._columns(descriptor)
                place = columns.index("path")
                if len(fields) == len(columns) and not fields[place].startswith(prefix):
                    _append_text(descriptor, b"\n")
                    return False
            os.ftruncate(descriptor, len(text) - len(last))
            return True

    def flights(self) -> dict[str, str]:
        """The flight of each path."""
        if not self.path.exists():
            return {}
        with self._locked() as descriptor:
            self._columns(descriptor)
            rows = csv.DictReader(io.StringIO(_read(descriptor).decode("utf-8-sig", errors="replace"), newline=""))
            return {row["path"] or "": row["flight"] or "" for row in rows}

    @contextmanager
    def _locked(self) -> Iterator[int]:
        """The file, which nobody else changes meanwhile."""
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o666)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield descriptor
        finally:
            os.close(descriptor)

    def _columns(self, descriptor: int) -> list[str]:
        """Those of the first line, which is written where there is none."""
        first, _, _ = _read(descriptor).partition(b"\n")
        if not first:
            _append_text(descriptor, _line(list(COLUMNS)))
            return list(COLUMNS)
        columns = next(csv.reader([first.decode("utf-8-sig", errors="replace").rstrip("\r")]))
        if lacking := [column for column in _REQUIRED if column not in columns]:
            raise DataError(f"{self.path}: column missing: {', '.join(lacking)}; expected path and flight, mend it or record elsewhere")
        return columns


def _line(fields: list[str]) -> bytes:
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerow(fields)
    return out.getvalue().encode()


def _read(descriptor: int) -> bytes:
    size = os.fstat(descriptor).st_size
    return os.pread(descriptor, size, 0)


def _append_text(descriptor: int, text: bytes) -> None:
    """All of it, or (disk full) nothing."""
    size = os.fstat(descriptor).st_size
    written = 0
    try:
        while written < len(text):
            written += os.write(descriptor, text[written:])
        os.fsync(descriptor)
    except OSError:
        os.ftruncate(descriptor, size)
        raise
