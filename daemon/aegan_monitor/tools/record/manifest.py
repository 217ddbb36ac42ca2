"""The manifest of a folder of recordings: a line a clip, whole after a kill at any moment, shared by all who record into the folder."""

import csv
import fcntl
import io
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from aegan_monitor.errors import DataError
from aegan_monitor.files import sync_folder

MANIFEST = "manifest.csv"
COLUMNS = ("path", "flight", "time", "level_dbfs", "peak_dbfs", "clipped_samples")
LINE_BYTES = 4096  # read at once: more than any line that a recorder writes, and nothing of a manifest that has grown for years
_REQUIRED = ("path", "flight")  # what training reads


class Manifest:
    """`DIR/manifest.csv`; one that somebody else began keeps its columns."""

    def __init__(self, data: Path) -> None:
        self.path = data / MANIFEST
        self._is_named = False  # for certain, after a power cut: another recorder may have made it and been killed

    def append(self, row: Mapping[str, str]) -> None:
        """Add a line; it stands there whole, and on the disk, or not at all, whatever another recorder's kill has left.

        Raises:
            DataError: Somebody's manifest lacks a column.
            OSError: The disk is full.
        """
        with self._locked() as descriptor:
            self._mend(descriptor, row["path"])
            _append_text(descriptor, _line([row.get(column, "") for column in self._columns(descriptor)]))

    def mend(self, prefix: str) -> int:
        """How many torn lines had to go from its end, of paths that begin with `prefix` or of anybody's.

        Raises:
            DataError: As `append`.
        """
        if not self.path.exists():
            return 0
        with self._locked() as descriptor:
            return self._mend(descriptor, prefix)

    def flights(self) -> dict[str, str]:
        """The flight of each path."""
        if not self.path.exists():
            return {}
        with self._locked() as descriptor:
            self._columns(descriptor)
            rows = csv.DictReader(io.StringIO(_read(descriptor).decode("utf-8-sig", errors="replace"), newline=""))
            return {row["path"] or "": row["flight"] or "" for row in rows}

    def _mend(self, descriptor: int, prefix: str) -> int:
        """Cut off what a kill or power cut has torn: a line, or two where the start after one was cut as well."""
        n_torn = 0
        while self._cut_torn_line(descriptor, prefix):
            n_torn += 1
        return n_torn

    def _cut_torn_line(self, descriptor: int, prefix: str) -> bool:
        """Whether the last line was torn and is gone, since its clip tells what it said; one whose writer has not ended it gets its end.

        Torn is one with zeros in it (what never reached the disk), and one without its end that lacks fields, or is of a path that
        begins with `prefix`, or is a recorder's because all lines are.
        """
        start, last = _read_last_line(descriptor)
        is_ended, has_zeros = last.endswith(b"\n"), b"\0" in last
        if not last or (is_ended and not has_zeros):
            return False
        if start == 0:  # the header itself
            is_torn = _line(list(COLUMNS)).startswith(last.rstrip(b"\0"))
        else:
            columns, fields = self._columns(descriptor), next(csv.reader([last.decode(errors="replace")]))
            is_ours = columns == list(COLUMNS) or len(fields) != len(columns) or fields[columns.index("path")].startswith(prefix)
            is_torn = has_zeros or is_ours
        if is_torn:
            os.ftruncate(descriptor, start)
        elif not is_ended:
            _append_text(descriptor, b"\n")
        return is_torn

    @contextmanager
    def _locked(self) -> Iterator[int]:
        """The file, which nobody else changes meanwhile."""
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o666)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            if not self._is_named:
                sync_folder(self.path.parent)
                self._is_named = True
            yield descriptor
        finally:
            os.close(descriptor)

    def _columns(self, descriptor: int) -> list[str]:
        """Those of the first line, which is written where there is none."""
        first = _read_first_line(descriptor)
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


def _read_first_line(descriptor: int) -> bytes:
    """Without its end."""
    n_bytes = LINE_BYTES
    while b"\n" not in (text := os.pread(descriptor, n_bytes, 0)) and len(text) == n_bytes:
        n_bytes *= 2
    return text.partition(b"\n")[0]


def _read_last_line(descriptor: int) -> tuple[int, bytes]:
    """Where it begins, and the line with its end, if it has one."""
    size, n_bytes = os.fstat(descriptor).st_size, LINE_BYTES
    while True:
        start = max(0, size - n_bytes)
        text = os.pread(descriptor, size - start, start)
        place = text.removesuffix(b"\n").rfind(b"\n") + 1
        if place or start == 0:
            return start + place, text[place:]
        n_bytes *= 2


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
