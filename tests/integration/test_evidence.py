"""Evidence of the running daemon: a recording that alarms, a full disk, and a folder that may not be written."""

import re
import sys
from pathlib import Path

import pytest

from aegan_monitor.audio.recording import read_recording
from aegan_monitor.demo.pump import Pump
from aegan_monitor.evidence.folder import CASE, NORMAL, PICTURE, SOUNDS, EvidenceFolder
from command_line import CommandLine, write_config
from small_disk import run_on_small_disk
from synthetic import write_wav

RATE_HZ, FAULT_S, LENGTH_S = 16_000, 15.0, 45
DISCARD_PORT = 9  # no broker
SMALL_BYTES = 500_000  # for the normal clip, the picture and the words, but not for the sound
LEFT = {f"evidence/pump/{name}" for name in (".normal/running.flac", f"ID/{PICTURE}", f"ID/{CASE}")}


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A daemon that hears a recording with a fault; `disk` in its folder is the place of evidence."""
    write_wav(tmp_path / "pump.wav", Pump(41, fault_from_s=FAULT_S).read(LENGTH_S * RATE_HZ))
    (tmp_path / "disk").mkdir()
    path = write_config(tmp_path, "{kind: file, paths: [pump.wav], pace: fast}", DISCARD_PORT)
    path.write_text(path.read_text() + "evidence: {path: disk/evidence, min_free_mb: 0}\n")
    return path


def test_an_alarm_leaves_evidence(aegan_monitor: CommandLine, config: Path, tmp_path: Path) -> None:
    """The sound of the case is a part of the recording, bit for bit, and all its files are there when the daemon has ended."""
    assert aegan_monitor("run", "--config", config).returncode == 0
    folder = EvidenceFolder(tmp_path / "disk" / "evidence")
    (case,) = folder.cases()
    assert set(folder.files("pump", case.case_id)) == {SOUNDS[0], PICTURE, NORMAL, CASE}
    heard = read_recording(tmp_path / "pump.wav", RATE_HZ)
    sound = read_recording(folder.path / "pump" / case.case_id / SOUNDS[0], RATE_HZ)
    found = folder.read("pump", case.case_id)
    assert found is not None
    (entry,) = found.sounds
    assert entry.duration_s == len(sound) / RATE_HZ > 25
    assert heard.tobytes().find(sound.tobytes()) == 4 * (len(heard) - len(sound))  # it goes on until the end of the recording


@pytest.mark.mount
@pytest.mark.parametrize(
    ("prepare", "reason", "left"),
    [
        ("true", "the disk is full: 0 MB (evidence.min_free_mb) stay free; free some room", LEFT),
        ("mount -o remount,ro DISK", "Read-only file system", set()),
    ],
    ids=["full", "read-only"],
)
def test_a_disk_that_refuses_holds_up_no_alarm(config: Path, tmp_path: Path, prepare: str, reason: str, left: set[str]) -> None:
    """The alarm is raised, one log line says what is wrong, and nothing half-written stays."""
    disk = tmp_path / "disk"
    command = ["bash", "-c", f'{prepare.replace("DISK", str(disk))}; exec "$@"', "bash", sys.executable, "-m", "aegan_monitor.cli"]
    done = run_on_small_disk(disk, SMALL_BYTES, [*command, "run", "--config", config])
    assert done.returncode == 0, done.stderr
    assert "pump: alarm raised" in done.stderr
    assert f"evidence: {disk}/evidence: {reason}; alarms have no new sound" in done.stderr
    assert done.stderr.count(reason) <= 2  # at the start, and again if something small was written meanwhile
    files = [line.removeprefix(f"{disk}/") for line in done.stderr.splitlines() if line.startswith(f"{disk}/")]
    assert {re.sub("pump/[0-9a-f-]{36}", "pump/ID", name) for name in files} == left
