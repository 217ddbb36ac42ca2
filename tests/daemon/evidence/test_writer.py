"""Evidence as a part of the daemon: sound and messages go in, files come out, and nothing holds up the worker."""

import json
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from aegan_monitor.evidence.folder import CASE, NORMAL, PICTURE, SOUNDS, WritableFolder
from broker import wait_until
from evidence_part import NOISE, clear, hear, raise_alarm, read_sound, writing
from evidence_writing import RATE_HZ, TIME, make_event, make_score

N_ALARMS = 8  # of 5 s, each written twice


class HangingFolder(WritableFolder):
    """A disk that hangs while `works` is not set."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.works = threading.Event()

    def write(self, machine: str, case_id: str, name: str, content: bytes) -> None:
        """See `WritableFolder`."""
        self.works.wait()
        super().write(machine, case_id, name, content)


def test_the_file_has_the_samples_that_were_heard(tmp_path: Path) -> None:
    """Bit for bit, 45 s before the alarm and until its end, with the scores around it."""
    with writing(tmp_path) as writer:
        folder = WritableFolder(tmp_path)
        hear(writer, 0, 10)
        for second in range(11, 56):
            hear(writer, second - 1, second)
            writer.take_message("pump", make_score(second * RATE_HZ, second / 10))
        raise_alarm(writer, "one", 55)
        wait_until(lambda: CASE in folder.files("pump", "one"), "evidence while the alarm goes on")
        assert np.array_equal(read_sound(folder, "one"), NOISE[10 * RATE_HZ : 55 * RATE_HZ])
        hear(writer, 55, 67)
        clear(writer, "one", 67)
    assert np.array_equal(read_sound(folder, "one"), NOISE[10 * RATE_HZ : 67 * RATE_HZ])
    case = folder.read("pump", "one")
    assert case is not None
    (entry,) = case.sounds
    assert (entry.alarm_at_s, entry.duration_s, entry.is_whole) == (45.0, 57.0, True)
    assert (entry.began_at - TIME).total_seconds() == 10.0
    assert case.scores.score == tuple(second / 10 for second in range(11, 56))
    assert case.cause == make_event().cause
    assert case.explanation == make_event().explanation
    assert set(folder.files("pump", "one")) == {SOUNDS[0], PICTURE, NORMAL, CASE}
    assert writer.problem == ""


def test_an_alarm_that_comes_back_adds_one_sound(tmp_path: Path) -> None:
    """The second alarm of a case has a sound of its own, the third has none."""
    with writing(tmp_path) as writer:
        for number, start in enumerate((0, 30, 60)):
            hear(writer, start, start + 25)
            raise_alarm(writer, "one", start + 25, event_id=f"event-{number}")
            hear(writer, start + 25, start + 30)
            clear(writer, "one", start + 30)
    assert writer.problem == ""
    folder = WritableFolder(tmp_path)
    case = folder.read("pump", "one")
    assert case is not None
    assert [(entry.file, entry.event_id) for entry in case.sounds] == [(SOUNDS[0], "event-0"), (SOUNDS[1], "event-1")]
    assert np.array_equal(read_sound(folder, "one"), NOISE[: 30 * RATE_HZ])
    assert np.array_equal(read_sound(folder, "one", SOUNDS[1]), NOISE[10 * RATE_HZ : 60 * RATE_HZ])


def test_a_stop_writes_what_there_is(tmp_path: Path) -> None:
    """The alarm goes on when the daemon stops."""
    with writing(tmp_path) as writer:
        hear(writer, 0, 12)
        raise_alarm(writer, "one", 12)
        hear(writer, 12, 15)
    assert len(read_sound(WritableFolder(tmp_path), "one")) == 15 * RATE_HZ


def test_a_slow_disk_never_holds_up_the_worker(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Sound that waits is bounded; what is lost is counted; when the disk works again, so does evidence."""
    folder = HangingFolder(tmp_path)
    with writing(tmp_path, folder, waiting_s=30.0) as writer:
        for number in range(N_ALARMS):
            hear(writer, 0, 5)
            raise_alarm(writer, f"case-{number}", 5)
            clear(writer, f"case-{number}", 5)
        folder.works.set()
        wait_until(lambda: "its disk is too slow" in caplog.text, "the problem")
        wait_until(lambda: len(folder.cases()) > 2, "room for more sound")
        hear(writer, 5, 7)
        raise_alarm(writer, "last", 7)
        wait_until(lambda: CASE in folder.files("pump", "last"), "evidence")
        wait_until(lambda: not writer.problem, "the end of the problem")
    assert len(folder.cases()) < N_ALARMS


def break_picture(tmp_path: Path) -> None:
    """The place of the picture is a folder."""
    (tmp_path / "pump" / "one" / PICTURE).mkdir(parents=True)


def break_case(tmp_path: Path) -> None:
    """The place of the case is a file."""
    (tmp_path / "pump" / "one").write_text("")


@pytest.mark.parametrize(("spoil", "shown"), [(break_picture, {SOUNDS[0], CASE}), (break_case, set())])
def test_what_cannot_be_written_keeps_nothing_else_back(
    spoil: Callable[[Path], None], shown: set[str], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The rest of the case is written, and health says why something is missing; one log line."""
    with writing(tmp_path) as writer:
        hear(writer, 0, 2)
        raise_alarm(writer, "before", 2)
        wait_until(lambda: CASE in WritableFolder(tmp_path).files("pump", "before"), "evidence")
        spoil(tmp_path)
        hear(writer, 2, 3)
        raise_alarm(writer, "one", 3)
        wait_until(lambda: bool(caplog.records), "the problem")
        assert str(tmp_path) in caplog.messages[-1]
        hear(writer, 3, 5)
        raise_alarm(writer, "two", 5)
        wait_until(lambda: CASE in WritableFolder(tmp_path).files("pump", "two"), "evidence of the next alarm")
    assert set(WritableFolder(tmp_path).files("pump", "one")) == shown


def test_a_machine_without_a_bundle_has_no_evidence(tmp_path: Path) -> None:
    """It has left the configuration: its sound is not kept, its case is no longer open."""
    with writing(tmp_path) as writer:
        hear(writer, 0, 3, machine="gone")
        raise_alarm(writer, "one", 3, machine="gone")
        writer.take_message("gone", make_event("removed", "one"))
    assert WritableFolder(tmp_path).cases() == []


def test_case_json_is_plain(tmp_path: Path) -> None:
    """Other programs read it: the schema comes first, and times are RFC 3339."""
    with writing(tmp_path) as writer:
        hear(writer, 0, 3)
        raise_alarm(writer, "one", 3)
    with WritableFolder(tmp_path).open("pump", "one", CASE) as file:
        found = json.loads(file.read())
    assert next(iter(found.items())) == ("schema", "aegan.evidence/1")
    assert found["sounds"][0]["began_at"] == "2026-01-31T08:15:00.000Z"


@pytest.mark.parametrize("min_free_mb", [0.0, 1e6])
def test_a_picture_of_each_case_is_published(tmp_path: Path, min_free_mb: float) -> None:
    """Small ones, of the case when it is raised and when its sound is complete, also where the disk has no room for evidence."""
    published: list[tuple[str, bytes]] = []
    with writing(tmp_path, publish_picture=lambda *picture: published.append(picture), min_free_mb=min_free_mb) as writer:
        hear(writer, 0, 30)
        raise_alarm(writer, "one", 30)
        wait_until(lambda: published, "the first picture")
        hear(writer, 30, 42)
        clear(writer, "one", 42)
    assert [machine for machine, _ in published] == ["pump"] * 2
    assert all(content.startswith(b"\x89PNG") and len(content) <= 100_000 for _, content in published)
    assert bool(WritableFolder(tmp_path).cases()) == (not min_free_mb)
