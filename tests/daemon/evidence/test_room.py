"""What evidence may take: quota, age, value, and privacy."""

import time
from pathlib import Path

import pytest

from aegan_monitor.config.evidence import EvidenceConfig
from aegan_monitor.evidence.folder import CASE, PICTURE, SOUNDS, WritableFolder
from aegan_monitor.evidence.room import MB
from aegan_monitor.evidence.writer import EvidenceWriter
from broker import wait_until
from evidence_part import clear, hear, make_alarm, raise_alarm, read_sound, writing
from evidence_writing import RATE_HZ, TIME, bundle, make_event, make_score


class NotingFolder(WritableFolder):
    """Notes the cases that are deleted."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.removed: list[str] = []

    def remove(self, machine: str, case_id: str) -> None:
        """See `WritableFolder`."""
        self.removed.append(case_id)
        super().remove(machine, case_id)


def is_whole(folder: WritableFolder, case_id: str) -> bool:
    """Whether the recording of a case has ended and is written."""
    case = folder.read("pump", case_id)
    return case is not None and case.sounds[0].is_whole


def test_privacy_keeps_no_sound(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Neither new sound, nor that of earlier cases; pictures and words stay. The log says what was deleted."""
    for privacy in (False, True):
        with writing(tmp_path, privacy=privacy) as writer:
            hear(writer, 0, 12)
            writer.take_message("pump", make_score(12 * RATE_HZ))
            raise_alarm(writer, f"case-{privacy}", 12)
    assert not list(tmp_path.rglob("*.flac"))
    folder = WritableFolder(tmp_path)
    assert {case.case_id: set(folder.files("pump", case.case_id)) for case in folder.cases()} == {
        "case-False": {PICTURE, CASE},
        "case-True": {PICTURE, CASE},
    }
    assert "privacy is on: 3 sound file(s) of earlier cases deleted" in caplog.text


def test_a_quota_of_one_megabyte_is_kept(tmp_path: Path) -> None:
    """Old cases go for new ones; the case of an alarm that goes on stays. Too much sound for the quota is left out, and said."""
    folder = WritableFolder(tmp_path)
    with writing(tmp_path, max_mb=1.0) as writer:
        for number in range(4):
            hear(writer, 0, 12)  # as after a reload
            raise_alarm(writer, f"case-{number}", 12)
            wait_until(lambda number=number: CASE in folder.files("pump", f"case-{number}"), "evidence")  # type: ignore[misc]
            assert folder.measure_bytes() <= MB
            if number < 3:
                clear(writer, f"case-{number}", 12)
        assert "case-3" in {case.case_id for case in folder.cases()}
        assert len(folder.cases()) < 4
        hear(writer, 12, 73)  # which is 2 MB
        wait_until(lambda: "evidence.max_mb" in writer.problem, "the problem")
    assert folder.measure_bytes() <= MB
    assert len(read_sound(folder, "case-3")) == 12 * RATE_HZ  # as it was


def test_the_evidence_of_an_active_alarm_outlasts_newer_cases(tmp_path: Path) -> None:
    """The quota takes those of another machine, though that of the active alarm is the oldest."""
    folder = NotingFolder(tmp_path)
    with writing(tmp_path, folder, max_mb=1.0) as writer:
        hear(writer, 0, 12)
        raise_alarm(writer, "active", 12)
        wait_until(lambda: CASE in folder.files("pump", "active"), "evidence of the active alarm")
        for number in range(4):
            hear(writer, 0, 12, "fan")  # as after a reload
            raise_alarm(writer, f"case-{number}", 12, "fan")
            wait_until(lambda number=number: CASE in folder.files("fan", f"case-{number}"), "evidence")  # type: ignore[misc]
            clear(writer, f"case-{number}", 12, "fan")
    assert folder.removed[:2] == ["case-0", "case-1"]
    assert "active" not in folder.removed
    assert set(folder.files("pump", "active")) >= {SOUNDS[0], PICTURE, CASE}
    assert folder.measure_bytes() <= MB


def test_a_smaller_quota_holds_from_the_start(tmp_path: Path) -> None:
    """A case that a person called a fault outlasts the others."""
    with writing(tmp_path) as writer:
        for number in range(3):
            hear(writer, 0, 16)  # as after a reload
            raise_alarm(writer, f"case-{number}", 16)
            clear(writer, f"case-{number}", 16)
        writer.take_message("pump", make_event("acknowledged", "case-0", case=make_verdict("case-0", "true_fault")))
    folder = WritableFolder(tmp_path)
    assert folder.measure_bytes() > MB
    with writing(tmp_path, max_mb=1.0):
        pass
    assert "case-0" in {case.case_id for case in folder.cases()}
    assert folder.measure_bytes() <= MB


def make_verdict(case_id: str, verdict: str) -> dict[str, object]:
    """A case with a verdict."""
    return {"id": case_id, "began_at": TIME, "verdict": verdict}


def test_a_verdict_is_stored_with_the_evidence(tmp_path: Path) -> None:
    """It comes with an event, right after the recording."""
    with writing(tmp_path) as writer:
        hear(writer, 0, 12)
        raise_alarm(writer, "one", 12)
        writer.take_message("pump", make_event("acknowledged", "one", case=make_verdict("one", "false_alarm")))
    assert [case.verdict for case in WritableFolder(tmp_path).cases()] == ["false_alarm"]


def test_a_case_that_is_written_does_not_go_for_itself(tmp_path: Path) -> None:
    """It is worth less than all others, which people have called faults: they go, because the newest evidence counts most."""
    folder = NotingFolder(tmp_path)
    for number in range(4):
        with writing(tmp_path, folder, max_mb=1.0) as writer:
            hear(writer, 0, 8)
            raise_alarm(writer, f"case-{number}", 8)
            hear(writer, 8, 9)
            clear(writer, f"case-{number}", 9)
            wait_until(lambda number=number: is_whole(folder, f"case-{number}"), "evidence")  # type: ignore[misc]
        assert set(folder.files("pump", f"case-{number}")) == {SOUNDS[0], PICTURE, CASE}
        assert f"case-{number}" not in folder.removed
        folder.mark("pump", f"case-{number}", "true_fault")
        assert folder.measure_bytes() <= MB
    assert folder.removed[0] == "case-0"


def test_old_cases_go_and_open_ones_stay(tmp_path: Path) -> None:
    """By the age of their files."""
    for case_id in ("one", "two"):
        with writing(tmp_path) as writer:
            hear(writer, 0, 2)
            raise_alarm(writer, case_id, 2)
    later = EvidenceWriter(
        WritableFolder(tmp_path), EvidenceConfig(min_free_mb=0), lambda _: bundle(), wall_clock=lambda: time.time() + 91 * 86_400
    )
    later.take_message("pump", make_alarm("two"))
    later.start()
    wait_until(lambda: "one" not in {case.case_id for case in WritableFolder(tmp_path).cases()}, "the end of the older case")
    later.stop()
    assert [case.case_id for case in WritableFolder(tmp_path).cases()] == ["two"]
