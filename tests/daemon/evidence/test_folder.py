"""The folder of evidence: what is shown, what is refused, and what a kill leaves."""

import os
import time
from pathlib import Path

import pytest

from aegan_monitor.config.evidence import EvidenceConfig
from aegan_monitor.evidence.case_writer import CaseWriter
from aegan_monitor.evidence.folder import CASE, FILES, NORMAL, PICTURE, SOUNDS, VERDICT, EvidenceFolder, WritableFolder, find_path
from aegan_monitor.evidence.recent_sound import Stretch
from aegan_monitor.evidence.recorder import NormalClip
from aegan_monitor.evidence.room import Room
from evidence_writing import RATE_HZ, bundle, make_noise, make_recording, make_score


def write(path: Path, *case_ids: str, machine: str = "pump") -> WritableFolder:
    """Write these cases."""
    folder = WritableFolder(path)
    folder.prepare()
    writer = CaseWriter(folder, Room(folder, EvidenceConfig(min_free_mb=0), set), privacy=False)
    for case_id in case_ids:
        writer.write_recording(make_recording(case_id, machine=machine))
    return folder


def test_a_case_has_its_files(tmp_path: Path) -> None:
    """Sound, picture and words; a normal clip where one was kept before."""
    folder = write(tmp_path / "evidence", "one")
    assert set(folder.files("pump", "one")) == {SOUNDS[0], PICTURE, CASE}
    clip = NormalClip("pump", bundle(), make_score(10 * RATE_HZ, operating_state="running"), Stretch(make_noise(10)))
    CaseWriter(folder, Room(folder, EvidenceConfig(min_free_mb=0), set), privacy=False).write_normal(clip)
    write(folder.path, "two")
    assert set(folder.files("pump", "two")) == {SOUNDS[0], PICTURE, CASE, NORMAL}
    case = folder.read("pump", "two")
    assert case is not None
    assert case.normal_state == "running"
    assert {stored.key for stored in folder.cases()} == {("pump", "one"), ("pump", "two")}


def test_the_normal_clip_is_of_the_same_operating_state(tmp_path: Path) -> None:
    """Else the newest of any state."""
    folder = WritableFolder(tmp_path)
    for state in ("running_1", "running_2", None):
        folder.write_normal("pump", state, str(state).encode())
        newest = tmp_path / "pump" / ".normal" / f"{state or 'any'}.flac"
    os.utime(newest, (2e9, 2e9))
    found = [folder.find_normal("pump", state) for state in ("running_1", None, "off")]
    assert [each[:2] for each in found if each] == [(b"running_1", "running_1"), (b"None", None), (b"None", None)]
    assert folder.find_normal("fan", None) is None


@pytest.mark.parametrize("name", ["..", ".", "", "../pump", "one/../one", "/etc", "one\0", "ONE/", "x" * 300])
def test_no_name_leads_out_of_the_folder(tmp_path: Path, name: str) -> None:
    """Machine, case and file are names that are known or plain: nothing else is opened, listed or marked."""
    folder = write(tmp_path / "evidence", "one")
    (tmp_path / "secret").write_text("secret")
    for machine, case_id, file in [(name, "one", CASE), ("pump", name, CASE), ("pump", "one", name), ("pump", "one", f"{name}/secret")]:
        with pytest.raises(FileNotFoundError):
            folder.open(machine, case_id, file)
    folder.mark("pump", name, "true_fault")
    assert folder.files(name, "one") == folder.files("pump", name) == {}


def test_what_the_daemon_keeps_for_itself_is_not_shown(tmp_path: Path) -> None:
    """The verdict is in the history, the normal clip belongs to the cases."""
    folder = write(tmp_path, "one")
    folder.mark("pump", "one", "true_fault")
    folder.write_normal("pump", None, b"")
    for case_id, name in [("one", VERDICT), (".normal", "any.flac"), ("one", ".case.json.tmp")]:
        with pytest.raises(FileNotFoundError):
            folder.open("pump", case_id, name)
    assert VERDICT not in FILES


def test_an_open_file_stays_as_it_is(tmp_path: Path) -> None:
    """Somebody listens while the file is replaced, and while its case is deleted."""
    folder = write(tmp_path, "one")
    with folder.open("pump", "one", SOUNDS[0]) as file:
        content = (tmp_path / "pump" / "one" / SOUNDS[0]).read_bytes()
        folder.write("pump", "one", SOUNDS[0], b"more")
        assert folder.files("pump", "one")[SOUNDS[0]] == 4
        folder.remove("pump", "one")
        assert folder.cases() == []
        assert file.read() == content


@pytest.mark.parametrize("left", [".sound.flac.tmp", ".case.json.tmp"])
def test_a_half_written_case_is_not_shown_and_goes(tmp_path: Path, left: str) -> None:
    """Neither a case without case.json nor a file under its temporary name."""
    folder = write(tmp_path, "one", "two")
    (tmp_path / "pump" / "one" / left).write_bytes(b"half")
    (tmp_path / "pump" / "two" / CASE).unlink()
    assert [case.case_id for case in folder.cases()] == ["one"]
    assert folder.files("pump", "two") == {}
    with pytest.raises(FileNotFoundError):
        folder.open("pump", "two", SOUNDS[0])
    assert folder.prepare() == 2
    assert sorted(path.name for path in (tmp_path / "pump").iterdir()) == ["one"]
    assert not (tmp_path / "pump" / "one" / left).exists()
    assert folder.prepare() == 0


def test_files_of_others_are_left_alone(tmp_path: Path) -> None:
    """Somebody names a folder that has more in it, such as the one of his recordings: nothing of it is deleted, or counted."""
    others = [
        tmp_path / name for name in ("song.flac", "music/song.flac", "music/album/song.flac", "music/album/.half.tmp", "pump/notes/a.txt")
    ]
    for path in others:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"theirs" * 1000)
    folder = write(tmp_path, "one")
    assert folder.prepare() == 0
    assert folder.measure_bytes() == sum(case.n_bytes for case in folder.cases())
    assert folder.remove_sound() == 1
    assert all(path.read_bytes() == b"theirs" * 1000 for path in others)


def test_a_verdict_is_kept_with_its_case(tmp_path: Path) -> None:
    """Any process marks; what is no verdict counts as none, and a case without evidence is left out."""
    folder = write(tmp_path, "one")
    reader = EvidenceFolder(tmp_path)
    reader.mark("pump", "one", "true_fault")
    assert [case.verdict for case in folder.cases()] == ["true_fault"]
    reader.mark("pump", "one", None)
    assert [case.verdict for case in folder.cases()] == [None]
    (tmp_path / "pump" / "one" / VERDICT).write_bytes(b"\xff")
    assert [case.verdict for case in folder.cases()] == [None]  # damaged: the case is still in the quota, and can be deleted
    reader.mark("pump", "gone", "true_fault")
    assert not (tmp_path / "pump" / "gone").exists()


def test_machines_with_a_common_cause_share_a_verdict(tmp_path: Path) -> None:
    """The case of each is kept as long as that of the others."""
    for machine in ("fan", "pump"):
        write(tmp_path, "one", machine=machine)
    folder = write(tmp_path, "two")
    EvidenceFolder(tmp_path).mark_all("one", "true_fault")
    assert {case.key: case.verdict for case in folder.cases()} == {
        ("fan", "one"): "true_fault",
        ("pump", "one"): "true_fault",
        ("pump", "two"): None,
    }
    EvidenceFolder(tmp_path / "nowhere").mark_all("one", "true_fault")


def test_the_order_of_cases_outlasts_a_clock_that_is_set_back(tmp_path: Path) -> None:
    """The second case is written a day earlier by the clock, and counts as the newer one all the same."""
    folder = write(tmp_path, "one")
    tomorrow_s = time.time() + 86_400
    os.utime(tmp_path / "pump" / "one" / CASE, (tomorrow_s, tomorrow_s))
    write(tmp_path, "two", "three")
    order = sorted(folder.cases(), key=lambda case: case.written_s)
    assert [case.case_id for case in order] == ["one", "two", "three"]


def test_a_file_of_a_newer_version_is_no_error(tmp_path: Path) -> None:
    """Its fields are not known; its files are listed."""
    folder = write(tmp_path, "one")
    (tmp_path / "pump" / "one" / CASE).write_text('{"schema": "aegan.evidence/9"}')
    assert folder.read("pump", "one") is None
    assert CASE in folder.files("pump", "one")


def test_the_folder_is_beside_the_outbox() -> None:
    """Where nothing else is configured."""
    assert find_path(None, None, "hall", {"STATE_DIRECTORY": "/var/lib/aegan-monitor"}) == Path("/var/lib/aegan-monitor/evidence-hall")
    assert find_path(None, Path("/state/outbox.sqlite"), "hall") == Path("/state/evidence-hall")
    assert find_path(Path("/evidence"), Path("/outbox.sqlite"), "hall") == Path("/evidence")


def test_a_new_folder_is_for_its_user_alone(tmp_path: Path) -> None:
    """People may be heard in it. One that was there before keeps its mode: somebody has shared it."""
    (tmp_path / "shared").mkdir(mode=0o755)
    for name in ("new", "shared"):
        WritableFolder(tmp_path / name).prepare()
    assert [(tmp_path / name).stat().st_mode & 0o777 for name in ("new", "shared")] == [0o700, 0o755]


def test_a_folder_that_is_not_there_is_empty() -> None:
    """A daemon that has never written any."""
    assert EvidenceFolder(Path("/nowhere")).cases() == []
