"""The recordings that `--data` names."""

from pathlib import Path

import numpy as np
import pytest

from aegan_monitor.errors import DataError
from aegan_train.recordings.sources import find_sources
from synthetic import write_wav


def test_files_of_any_name_are_recordings(tmp_path: Path) -> None:
    """A folder's WAV and FLAC files are recordings in natural order, other files and anomalies are skipped, and the manifest is read."""
    for name in ("Takt 10.WAV", "Takt 2.wav", "normal_id_00_00000000.flac", "anomaly_id_00_00000001.wav"):
        write_wav(tmp_path / name, np.zeros(100))
    (tmp_path / "notes.txt").touch()
    (tmp_path / "more").mkdir()
    (tmp_path / ".DS_Store").touch()
    (tmp_path / "manifest.csv").write_text("path,flight\nTakt 2.wav,one\n")
    found, has_layout = find_sources([tmp_path], "pump", None)
    assert not has_layout
    assert [(clip.path.name, clip.recording) for clip in found.clips] == [
        ("Takt 2.wav", "one"),
        ("Takt 10.WAV", ""),
        ("normal_id_00_00000000.flac", ""),
    ]
    assert [(path.name, reason) for path, reason in found.skipped] == [
        ("anomaly_id_00_00000001.wav", "an anomaly among normal recordings"),
        ("more", "expected a WAV or FLAC recording"),
        ("notes.txt", "expected a WAV or FLAC recording"),
    ]


def test_several_paths_are_taken_as_they_come(tmp_path: Path) -> None:
    """Files and folders can be named together; a named file may have any suffix, and a missing path is one line."""
    one, other = write_wav(tmp_path / "a" / "1.wav", np.zeros(100)), write_wav(tmp_path / "b" / "2.w64", np.zeros(100))
    found, has_layout = find_sources([tmp_path / "a", other], "pump", None)
    assert ([clip.path for clip in found.clips], has_layout) == ([one, other], False)
    with pytest.raises(DataError, match=r"none\.wav: no such file or folder; --data takes recordings, or the folder that holds them$"):
        find_sources([one, tmp_path / "none.wav"], "pump", None)
    with pytest.raises(DataError, match=r"b: no normal recording in it; put WAV or FLAC recordings there$"):
        find_sources([tmp_path / "b", tmp_path / "b"], "pump", None)


def test_a_layout_is_a_layout(tmp_path: Path) -> None:
    """A folder with dev_data/NAME/train is in layout even where recordings lie beside it; a folder without any says what is expected."""
    clip = write_wav(tmp_path / "dev_data" / "pump" / "train" / "normal_id_00_00000000.wav", np.zeros(100))
    write_wav(tmp_path / "beside.wav", np.zeros(100))
    found, has_layout = find_sources([tmp_path], "pump", None)
    assert ([each.path for each in found.clips], has_layout) == ([clip], True)
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="empty: no folder dev_data/pump/train; "):
        find_sources([tmp_path / "empty"], "pump", None)
