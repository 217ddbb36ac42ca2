"""The manifest's file, whose ends alone are read for each clip."""

from pathlib import Path

import pytest

from aegan_monitor.tools.record.manifest import COLUMNS, LINE_BYTES, MANIFEST, Manifest

HEADER = ",".join(COLUMNS) + "\n"
ROW = {"path": "dev_data/pump/train/b.wav", "flight": "f"}
LINE = "dev_data/pump/train/b.wav,f,,,,\n"


@pytest.mark.parametrize("n_bytes", [0, 1, LINE_BYTES - len(LINE), LINE_BYTES, 5 * LINE_BYTES])
def test_a_line_may_be_longer_than_what_is_read_at_once(tmp_path: Path, n_bytes: int) -> None:
    """A header with columns of somebody's, a whole line and what a power cut has torn: each is found, and what is torn goes."""
    path, more = tmp_path / MANIFEST, "x" * n_bytes
    header, whole = f"path,flight,{more}\n", f"a.wav,f,{more}\n"
    for torn in ("", more, "\0" * n_bytes, f"\0{more}\n"):
        path.write_text(header + whole + torn)
        Manifest(tmp_path).append(ROW)
        assert path.read_text() == header + whole + "dev_data/pump/train/b.wav,f,\n"


@pytest.mark.parametrize("n_lines", range(0, 400, 57))
def test_a_line_comes_behind_any_number_of_them(tmp_path: Path, n_lines: int) -> None:
    """Wherever the borders of what is read fall."""
    path = tmp_path / MANIFEST
    path.write_text(HEADER + LINE * n_lines)
    for _ in range(3):
        Manifest(tmp_path).append(ROW)
    assert path.read_text() == HEADER + LINE * (n_lines + 3)
