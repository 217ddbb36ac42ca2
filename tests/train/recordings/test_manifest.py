"""The manifest of a data set: which clips belong to one recording."""

from pathlib import Path

import pytest

from aegan_monitor.errors import DataError
from aegan_train.recordings.folder import find_clips, read_manifest
from synthetic import write_dcase2020


def test_the_manifest_tells_recordings_and_nothing_else(tmp_path: Path) -> None:
    """Only the columns path and flight are read, and a manifest without them is refused."""
    assert read_manifest(tmp_path) == {}
    (tmp_path / "manifest.csv").write_text("path,label,flight\na.wav,anomaly,f1\n")
    assert read_manifest(tmp_path) == {"a.wav": "f1"}
    (tmp_path / "manifest.csv").write_text("path,label\na.wav,anomaly\n")
    with pytest.raises(DataError, match=r"manifest.csv: column missing: flight; expected path and flight$"):
        read_manifest(tmp_path)
    (tmp_path / "manifest.csv").write_text("path;flight\na.wav;f1\n")
    with pytest.raises(DataError, match=r"column missing: flight, path; .*; found semicolons between them, save it with commas$"):
        read_manifest(tmp_path)


def test_a_manifest_from_a_spreadsheet_is_read(tmp_path: Path) -> None:
    """A byte order mark is accepted, and another encoding gives one line."""
    (tmp_path / "manifest.csv").write_bytes("\ufeffpath,flight\na.wav,f1\nb.wav\n".encode())
    assert read_manifest(tmp_path) == {"a.wav": "f1", "b.wav": ""}
    (tmp_path / "manifest.csv").write_bytes("path,flight\nl\xfcfter.wav,f1\n".encode("latin-1"))
    with pytest.raises(DataError, match=r"manifest\.csv: expected CSV in UTF-8, with commas: .*; save it again as such$"):
        read_manifest(tmp_path)


def test_a_manifest_that_names_no_clip_is_reported(tmp_path: Path) -> None:
    """Backslashes and a leading ./ are accepted; a manifest that names no clip is an error."""
    data = write_dcase2020(tmp_path / "data")
    path = find_clips(data, "fan", "train").clips[0].path.relative_to(data).as_posix()
    for spelt in (path, f"./{path}", path.replace("/", "\\")):
        (data / "manifest.csv").write_text(f"path,flight\n{spelt},one\n")
        assert find_clips(data, "fan", "train").clips[0].recording == "one"
    (data / "manifest.csv").write_text(f"path,flight\n/elsewhere/{path},one\n")
    with pytest.raises(DataError, match=r"manifest\.csv: names a flight for none of \d+ training clips; its column path begins at "):
        find_clips(data, "fan", "train")
