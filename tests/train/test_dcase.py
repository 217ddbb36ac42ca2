"""File names and folders in DCASE layout."""

from pathlib import Path

import pytest

from aegan_monitor.errors import DataError
from aegan_train.dcase import find_clips, parse_name, read_manifest


@pytest.mark.parametrize(
    ("name", "section", "is_anomaly", "number"),
    [
        ("normal_id_00_00000012.wav", "00", False, 12),
        ("anomaly_id_06_00000003.flac", "06", True, 3),
        ("section_01_target_train_normal_0000_f-n_C.wav", "01", False, 0),
        ("section_00_source_test_anomaly_0003_vel_620_ac_0.08.wav", "00", True, 3),
    ],
)
def test_names_say_section_label_and_number(name: str, section: str, is_anomaly: bool, number: int) -> None:
    """Of 2020 and of 2022 and later."""
    clip = parse_name(Path(name), "test")
    assert (clip.section, clip.is_anomaly, clip.number) == (section, is_anomaly, number)


def test_a_name_that_says_nothing_is_refused() -> None:
    """With what was expected."""
    with pytest.raises(
        DataError, match=r"^x/pump1\.wav: expected a name like normal_id_00_00000000\.wav or .*, found pump1\.wav; rename or remove it$"
    ):
        parse_name(Path("x/pump1.wav"), "train")


@pytest.mark.dataset
def test_every_official_name_parses(recordings: Path) -> None:
    """The names that DCASE 2023 really uses, behind the prefix that these samples carry."""
    names = sorted((recordings / "dcase2023_samples").glob("*.wav"))
    clips = [parse_name(path.with_name(path.name.split("_", 2)[2]), "test") for path in names]
    assert len(clips) == 28
    assert sum(clip.is_anomaly for clip in clips) == 5


def test_wrong_folders_are_told(tmp_path: Path) -> None:
    """What is there instead, or what belongs there."""
    with pytest.raises(DataError, match="no such folder; --data takes the folder that holds dev_data/pump/train$"):
        find_clips(tmp_path / "none", "pump", "train")
    with pytest.raises(DataError, match="no folder dev_data/pump/train; there is neither dev_data nor eval_data in it$"):
        find_clips(tmp_path, "pump", "train")
    (tmp_path / "dev_data" / "fan" / "train").mkdir(parents=True)
    with pytest.raises(DataError, match="no folder dev_data/pump/train; machine types there: fan$"):
        find_clips(tmp_path, "pump", "train")
    with pytest.raises(DataError, match="no WAV or FLAC recording in it; put normal clips there, e.g. normal_id_00_00000000.wav$"):
        find_clips(tmp_path, "fan", "train")


def test_the_manifest_tells_recordings_and_nothing_else(tmp_path: Path) -> None:
    """Columns path and flight; a manifest without them is refused."""
    assert read_manifest(tmp_path) == {}
    (tmp_path / "manifest.csv").write_text("path,label,flight\na.wav,anomaly,f1\n")
    assert read_manifest(tmp_path) == {"a.wav": "f1"}
    (tmp_path / "manifest.csv").write_text("path,label\na.wav,anomaly\n")
    with pytest.raises(DataError, match=r"manifest.csv: column missing: flight; expected path and flight$"):
        read_manifest(tmp_path)


def test_a_manifest_from_a_spreadsheet_is_read(tmp_path: Path) -> None:
    """With the mark that some programs put first; one in another encoding is one line."""
    (tmp_path / "manifest.csv").write_bytes("\ufeffpath,flight\na.wav,f1\nb.wav\n".encode())
    assert read_manifest(tmp_path) == {"a.wav": "f1", "b.wav": ""}
    (tmp_path / "manifest.csv").write_bytes("path,flight\nl\xfcfter.wav,f1\n".encode("latin-1"))
    with pytest.raises(DataError, match=r"manifest\.csv: expected CSV in UTF-8, with commas: .*; save it again as such$"):
        read_manifest(tmp_path)
