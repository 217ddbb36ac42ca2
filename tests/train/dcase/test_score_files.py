"""The score files of the challenge."""

import os
from pathlib import Path

from aegan_train.dcase.protocols import PROTOCOLS
from aegan_train.dcase.score_files import make_folder, write_score_files
from aegan_train.recordings.folder import parse_name


def test_each_id_or_section_has_its_files(tmp_path: Path) -> None:
    """Each id or section has a file of lines file,value, from 2022 on also one of decisions."""
    clips = [clip for name in ("id_05_00000001", "normal_id_00_00000000") if (clip := parse_name(Path("x", f"{name}.wav"), "test"))]
    write_score_files(tmp_path, PROTOCOLS["dcase2020"], "fan", clips, [0.1, 2.0], 1.0)
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {
        "anomaly_score_fan_id_00.csv": "normal_id_00_00000000.wav,2.0\n",
        "anomaly_score_fan_id_05.csv": "id_05_00000001.wav,0.1\n",
    }
    clips = [clip for name in ("section_03_test_0000", "section_03_test_0001") if (clip := parse_name(Path(f"{name}.wav"), "test"))]
    make_folder(tmp_path / "new")
    write_score_files(tmp_path / "new", PROTOCOLS["dcase2022"], "bearing", clips, [1.0, 1.5], 1.0)
    assert {path.name: path.read_text() for path in (tmp_path / "new").iterdir()} == {
        "anomaly_score_bearing_section_03.csv": "section_03_test_0000.wav,1.0\nsection_03_test_0001.wav,1.5\n",
        "decision_result_bearing_section_03.csv": "section_03_test_0000.wav,0\nsection_03_test_0001.wav,1\n",
    }


def test_names_are_written_byte_for_byte(tmp_path: Path) -> None:
    """File names in score files keep their bytes, also when they are not UTF-8."""
    clip = parse_name(Path(os.fsdecode(b"section_00_source_test_normal_0000_L\xfcfter.wav")), "test")
    assert clip is not None
    write_score_files(tmp_path, PROTOCOLS["dcase2022"], "fan", [clip], [1.0], 1.0)
    expected = b"section_00_source_test_normal_0000_L\xfcfter.wav,1.0\n"
    assert (tmp_path / "anomaly_score_fan_section_00.csv").read_bytes() == expected
