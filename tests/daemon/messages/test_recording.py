"""How far a recording is: one that has ended, or was killed, never counts as one that goes on."""

import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from aegan_monitor.messages.recording import LOCK, STATE, RecordingState, find_clips, read_recording, take_lock, write_state

SAID = RecordingState(began_at=datetime(2026, 1, 31, 8, tzinfo=UTC), hours=1.5, verdict=["level -28 dBFS: good"])
RECORD = """
import sys
from pathlib import Path
from aegan_monitor.messages.recording import take_lock
assert take_lock(Path(sys.argv[1])) is not None
print("locked", flush=True)
sys.stdin.read()
"""


def make_folder(data: Path) -> Path:
    """An empty folder of clips."""
    folder = find_clips(data, "pump")
    folder.mkdir(parents=True)
    return folder


@pytest.mark.process
def test_a_killed_recording_has_ended(tmp_path: Path) -> None:
    """Nothing but its lock says that it goes on, and the kernel takes that from it."""
    folder = make_folder(tmp_path)
    assert read_recording(tmp_path, "pump").state == "none"
    with subprocess.Popen([sys.executable, "-c", RECORD, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"locked\n"
        assert read_recording(tmp_path, "pump").state == "none"  # it has not said anything yet
        write_state(folder, SAID)
        found = read_recording(tmp_path, "pump")
        assert (found.state, found.hours, found.verdict) == ("recording", 1.5, SAID.verdict)
        write_state(folder, SAID.model_copy(update={"waiting": "no such device"}))
        assert read_recording(tmp_path, "pump").state == "waiting"
        process.kill()
    assert read_recording(tmp_path, "pump").state == "ended"
    assert read_recording(tmp_path, "fan").state == "none"


def test_reading_takes_no_lock_from_a_recording(tmp_path: Path) -> None:
    """A recording that starts while a page looks is not refused; a second recording is."""
    folder = make_folder(tmp_path)
    write_state(folder, SAID)
    for _ in range(20):
        assert read_recording(tmp_path, "pump").state == "ended"
        lock = take_lock(folder)
        assert lock is not None
        assert take_lock(folder) is None
        os.close(lock)


def test_a_torn_file_is_none(tmp_path: Path) -> None:
    """As a power cut may leave it; and without the lock's file nothing goes on."""
    folder = make_folder(tmp_path)
    for torn in (b"", b'{"hours": 1', b'{"hours": "many"}', b"\xff"):
        (folder / STATE).write_bytes(torn)
        assert read_recording(tmp_path, "pump").state == "none"
    write_state(folder, SAID)
    assert not (folder / LOCK).exists()
    assert read_recording(tmp_path, "pump").state == "ended"
