"""File names and folders in DCASE layout."""

import os
from pathlib import Path

import numpy as np
import pytest
import soundfile

from aegan_monitor.audio.flac import encode_clip
from aegan_monitor.errors import DataError
from aegan_train.recordings.folder import EXPECTED_NAME, Clip, find_clips, parse_name, print_skipped, write_skipped

# (name, section, is_anomaly, number, domain, naming): the forms that the official data sets have
FORMS = [
    ("normal_id_00_00000012.wav", "00", False, 12, "", "dcase2020"),
    ("anomaly_id_06_00000003.flac", "06", True, 3, "", "dcase2020"),
    ("id_05_00000000.wav", "05", None, 0, "", "dcase2020"),
    ("section_01_target_train_normal_0000_f-n_C.wav", "01", False, 0, "target", "dcase2022"),
    ("section_00_source_test_anomaly_0003_vel_620_ac_0.08.wav", "00", True, 3, "source", "dcase2022"),
    ("section_00_source_train_normal_0028_car_C2_spd_31V_mic_1.wav", "00", False, 28, "source", "dcase2022"),
    ("section_00_target_test_anomaly_0015_car_A2_spd_6_mic_2.wav", "00", True, 15, "target", "dcase2022"),
    ("section_00_target_test_anomaly_0021_vel_8_loc_G.wav", "00", True, 21, "target", "dcase2022"),
    ("section_00_source_test_normal_0026_volt_1.5_wt_150.wav", "00", False, 26, "source", "dcase2022"),
    ("section_00_target_test_normal_0044_pat_03.wav", "00", False, 44, "target", "dcase2022"),
    ("section_02_source_train_normal_0001_noAttribute.wav", "02", False, 1, "source", "dcase2022"),
    ("section_04_source_test_normal_0001.wav", "04", False, 1, "source", "dcase2022"),
    ("section_03_source_test_0000.wav", "03", None, 0, "source", "dcase2022"),
    ("section_03_target_test_0007.wav", "03", None, 7, "target", "dcase2022"),
    ("section_03_test_0099.wav", "03", None, 99, "", "dcase2022"),
    ("section_00_0000.wav", "00", None, 0, "", "dcase2022"),
]


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form[0])
def test_names_say_section_label_number_and_domain(form: tuple[str, str, bool | None, int, str, str]) -> None:
    """File names of 2020, and of 2022 and later, give section, label, number and domain."""
    clip = parse_name(Path(form[0]), "test")
    assert clip is not None
    assert (clip.path.name, clip.section, clip.is_anomaly, clip.number, clip.domain, clip.naming) == form


@pytest.mark.parametrize(
    "name",
    [
        "pump1.wav",
        "normal_00_00000000.wav",
        "xnormal_id_00_0.wav",
        "normal_id_00_0_x.wav",
        "section_00_test_normal_0000.wav",
        "id_\u0661_0.wav",
    ],
)
def test_a_name_that_says_nothing_is_no_clip(name: str) -> None:
    """A name of no scheme gives no clip."""
    assert parse_name(Path(name), "train") is None


@pytest.mark.dataset
def test_every_official_name_parses(recordings: Path) -> None:
    """The names of DCASE 2023 are parsed."""
    names = sorted((recordings / "dcase2023_samples").glob("*.wav"))
    clips = [clip for path in names if (clip := parse_name(path.with_name(path.name.split("_", 2)[2]), "test"))]
    assert len(clips) == len(names) == 28
    assert [clip.is_anomaly for clip in clips].count(True) == 5
    assert [clip.is_anomaly for clip in clips].count(None) == 0
    assert {(clip.section, clip.domain, clip.naming) for clip in clips} == {
        ("00", "source", "dcase2022"),
        ("00", "target", "dcase2022"),
    }


def lay(data: Path, *names: str) -> Path:
    """Make empty files; only their names are read."""
    for name in names:
        (data / name).parent.mkdir(parents=True, exist_ok=True)
        (data / name).touch()
    return data


def places(clips: list[Clip], data: Path) -> list[str]:
    """The folders of the clips."""
    return [clip.path.relative_to(data).as_posix() for clip in clips]


def test_wrong_folders_are_reported(tmp_path: Path) -> None:
    """A missing folder is reported with the folders that exist."""
    with pytest.raises(DataError, match="no such folder; --data takes the folder that holds dev_data/pump/train$"):
        find_clips(tmp_path / "none", "pump", "train")
    with pytest.raises(DataError, match="no folder dev_data/pump/train; there is none of dev_data, eval_data, additional_data in it$"):
        find_clips(tmp_path, "pump", "train")
    (tmp_path / "dev_data" / "fan" / "train").mkdir(parents=True)
    (tmp_path / "eval_data" / "raw" / "valve" / "train").mkdir(parents=True)
    with pytest.raises(DataError, match="no folder dev_data/pump/train; machine types there: fan, valve$"):
        find_clips(tmp_path, "pump", "train")
    with pytest.raises(DataError, match="/fan/train: no normal clip of fan in it; put recordings there, e.g. normal_id_00_00000000.wav$"):
        find_clips(tmp_path, "fan", "train")


def test_sets_are_taken_together_or_apart(tmp_path: Path) -> None:
    """All existing sets are used, or the configured ones; a missing configured set is an error."""
    dev, evaluation = "dev_data/fan/train/normal_id_00_00000001.wav", "eval_data/fan/train/normal_id_01_00000000.wav"
    more = "additional_data/fan/train/normal_id_01_00000001.wav"
    data = lay(tmp_path, dev, evaluation, more)
    assert places(find_clips(data, "fan", "train").clips, data) == [dev, evaluation, more]
    assert places(find_clips(data, "fan", "train", ["dev", "eval"]).clips, data) == [dev, evaluation]
    assert places(find_clips(data, "fan", "train", ["additional"]).clips, data) == [more]
    (data / evaluation).unlink()
    (data / evaluation).parent.rmdir()
    assert places(find_clips(data, "fan", "train", ["dev", "eval"]).clips, data) == [dev, more]  # as the challenges hand it out
    (data / more).unlink()
    (data / more).parent.rmdir()
    with pytest.raises(
        DataError, match=r"no folder eval_data/fan/train; there is dev_data; add it \(the archive of the additional training"
    ):
        find_clips(data, "fan", "train", ["dev", "eval"])


def test_folders_as_archives_unpack_are_found(tmp_path: Path) -> None:
    """Layouts of the 2023 baseline (raw), of 2021 (by domain) and without dev_data are found."""
    names = [
        "dev_data/fan/source_test/section_00_source_test_normal_0000.wav",
        "dev_data/fan/target_test/section_00_target_test_normal_0000.wav",
        "dev_data/raw/fan/test/section_00_source_test_normal_0001_m-n_W.wav",
        "fan/test/section_00_source_test_normal_0002_m-n_W.wav",
        "eval_data/raw/fan/test/section_03_test_0000.wav",
    ]
    data = lay(tmp_path, *names)
    assert places(find_clips(data, "fan", "test").clips, data) == names
    assert places(find_clips(data, "fan", "test", ["dev"]).clips, data) == names[:4]


def test_what_is_no_clip_is_counted_and_listed_with_the_reason(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Wrong names, other files and anomalies among training clips are listed with the reason."""
    folder = "dev_data/fan/train"
    lay(
        tmp_path,
        *(f"{folder}/{name}" for name in ("normal_id_00_00000000.wav", ".DS_Store", "fan 1.wav", "notes.txt", "id_05_00000000.wav")),
    )
    lay(tmp_path, f"{folder}/anomaly_id_00_00000000.wav", f"{folder}/more.wav/x")
    found = find_clips(tmp_path, "fan", "train")
    assert places(found.clips, tmp_path) == [f"{folder}/normal_id_00_00000000.wav"]
    assert [(path.name, reason) for path, reason in found.skipped] == [
        ("anomaly_id_00_00000000.wav", "an anomaly among training clips"),
        ("fan 1.wav", EXPECTED_NAME),
        ("id_05_00000000.wav", "expected a name that says normal among training clips"),
        ("more.wav", "a folder; recordings are taken from train itself, not from folders in it: move them up"),
        ("notes.txt", "expected a WAV or FLAC recording"),
    ]
    print_skipped(found.skipped)
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "5 files skipped:"
    assert lines[1] == f"  {tmp_path}/{folder}/anomaly_id_00_00000000.wav: an anomaly among training clips"
    print_skipped([])
    assert capsys.readouterr().err == ""


def test_a_folder_of_recordings_to_convert_is_one_loop(capsys: pytest.CaptureFixture[str]) -> None:
    """Several files of a folder that need one conversion give a shell loop; a single file does not."""
    advice = "found OGG; convert it: ffmpeg -i IN -ac 1 -ar 16000 OUT"
    print_skipped([(Path("my sound/a.wav"), advice), (Path("my sound/b.wav"), advice), (Path("c.wav"), advice), (Path("d.wav"), "silent")])
    assert capsys.readouterr().err.splitlines()[5:] == [
        '  2 of them at once: mkdir OUT; for f in \'my sound\'/*; do ffmpeg -i "$f" -ac 1 -ar 16000 "OUT/$(basename "${f%.*}").wav"; done'
    ]


def test_folders_below_are_named(tmp_path: Path) -> None:
    """Subfolders with recordings are listed as not searched."""
    lay(tmp_path, "dev_data/fan/train/monday.wav/normal_id_00_00000001.wav", "dev_data/fan/train/normal_id_00_00000000.wav")
    ((path, reason),) = find_clips(tmp_path, "fan", "train").skipped
    assert (path.name, reason[:8]) == ("monday.wav", "a folder")
    assert "move them up" in reason


def test_a_name_that_is_not_utf8_is_listed_like_any_other(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A name that is not UTF-8 is listed on stderr and in the run's list, which stays UTF-8."""
    odd = Path(os.fsdecode(b"L\xfcfter.txt"))
    lay(tmp_path, "dev_data/fan/train/normal_id_00_00000000.wav").joinpath("dev_data", "fan", "train", odd).touch()
    found = find_clips(tmp_path, "fan", "train")
    write_skipped(found.skipped, tmp_path / "skipped.csv")
    assert "L\\udcfcfter.txt,expected a WAV or FLAC recording" in (tmp_path / "skipped.csv").read_text(encoding="utf-8")
    print_skipped(found.skipped)
    assert "1 file skipped:" in capsys.readouterr().err


def test_a_folder_of_wrong_names_alone_is_an_error(tmp_path: Path) -> None:
    """A folder of wrong names alone is an error that names the first."""
    lay(tmp_path, "dev_data/fan/train/a.wav", "dev_data/fan/train/b.wav", "dev_data/fan/test/c.wav")
    ending = "; put recordings there, e.g. normal_id_00_00000000.wav"
    with pytest.raises(DataError) as failure:
        find_clips(tmp_path, "fan", "train")
    assert str(failure.value) == (
        f"{tmp_path}/dev_data/fan/train: no normal clip of fan in it (2 skipped, the first a.wav: {EXPECTED_NAME}){ending}"
    )
    with pytest.raises(DataError) as failure:
        find_clips(tmp_path, "fan", "test")
    assert str(failure.value) == f"{tmp_path}/dev_data/fan/test: no clip of fan in it (1 skipped, the first c.wav: {EXPECTED_NAME}){ending}"


def test_the_tags_of_a_recorded_clip_say_what_it_was_cut_from(tmp_path: Path) -> None:
    """The recording comes from the manifest, else from the tags of `aegan-monitor record`."""
    folder = tmp_path / "dev_data" / "fan" / "train"
    folder.mkdir(parents=True)
    pcm = np.arange(100, dtype=np.int16)
    for number in range(2):
        (folder / f"normal_id_00_0000000{number}.flac").write_bytes(encode_clip(pcm, 16_000, "monday/000", ""))
    with soundfile.SoundFile(folder / "normal_id_00_00000002.flac", "w", 16_000, 1) as file:
        file.title = "Greatest Hits"
    assert [clip.recording for clip in find_clips(tmp_path, "fan", "train").clips] == ["monday/000", "monday/000", ""]
    (tmp_path / "manifest.csv").write_text("path,flight\ndev_data/fan/train/normal_id_00_00000001.flac,one\n")
    assert [clip.recording for clip in find_clips(tmp_path, "fan", "train").clips] == ["monday/000", "one", ""]


def test_a_skipped_name_that_is_not_utf_8_is_listed(tmp_path: Path) -> None:
    """A skipped file with a name that is not UTF-8 does not end the training."""
    write_skipped([(Path(os.fsdecode(b"L\xfcfter.txt")), "expected a WAV or FLAC recording")], tmp_path / "skipped.csv")
    assert (tmp_path / "skipped.csv").read_text().splitlines()[1] == r"L\udcfcfter.txt,expected a WAV or FLAC recording"
