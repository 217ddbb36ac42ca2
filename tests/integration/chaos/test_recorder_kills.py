"""Recorders are killed at every step and at random moments of their writing, and lose their power: the next start mends what is left."""

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest
import soundfile

from aegan_monitor.audio.level import measure_level
from aegan_monitor.tools.record.clip_folder import ClipFolder, encode_clip, quantise
from aegan_monitor.tools.record.recorder import CLIP_S
from broker import wait_until
from chaos import IS_FULL, scaled
from platter import Killed, Moment, Platter
from prepared import Child, Prepared
from recorded import assert_mended, count_own, find_own, mend, read_rows, tell_leftover
from recording import CLIP, RATE_HZ, noise

MACHINES = ["pump", "fan"]  # a lane each; both record into one folder, with one manifest
N_STEPS = scaled(70, at_least=12)  # calls of the system: from an empty folder to its second clip and beyond
N_MOMENTS = scaled(30)  # in each lane
LONGEST_S = 0.15  # from a recorder's start, or its first clip, on
N_COMMANDS = scaled(5)
COMMAND_RATE_HZ = 16_000
LONGEST_COMMAND_S = 0.4  # behind its first clip
N_CUTS = scaled(200)
N_RECORDINGS, N_CALLS = scaled(8, at_least=2), 120  # that are cut; in each of them a kill before one of so many calls
DEADLINE_S = 60.0

Told = dict[str, dict[str, bytes]]  # of each machine


@pytest.fixture(scope="module")
def prepared() -> Iterator[Prepared]:
    """A process that has the recorder loaded."""
    with Prepared("recording") as process:
        yield process


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A loop in which no clip is like the one before."""
    path = tmp_path_factory.mktemp("sound") / "loop.wav"
    soundfile.write(path, noise(round(3.7 * CLIP)), RATE_HZ, "PCM_16")
    return path


def start(prepared: Prepared, out: Path, machine: str, sound: Path, n_calls: int = 0) -> Child:
    """A recorder that records until it is killed, or until right before its n-th call of the system."""
    child = prepared.start("recording", "record_for_ever", [str(out), machine, str(sound), n_calls])
    child.stdin.close()
    return child


def finish(child: Child) -> None:
    """Wait for its end, which was a kill."""
    child.wait(DEADLINE_S)
    with child.stderr as told:
        text = told.read().decode()
    assert "Traceback" not in text, text


def tell(figure: Callable[[str], None], n_kills: int, began_s: float, found: Counter[str]) -> None:
    """What the kills have left."""
    figure(f"{n_kills} kills in {time.monotonic() - began_s:.0f} s left: {dict(found.most_common())}")


def test_a_kill_before_any_step_is_mended(prepared: Prepared, sound: Path, tmp_path: Path, figure: Callable[[str], None]) -> None:
    """And so is one of the start that mends it."""
    dice, began_s, found, mended = random.Random(1), time.monotonic(), Counter[str](), Counter[str]()
    for step in range(1, N_STEPS + 1):
        out = tmp_path / str(step)
        finish(start(prepared, out, "pump", sound, step))
        leftover = tell_leftover(out, "pump")
        kept = find_own(out, "pump")
        if step % 2:
            finish(start(prepared, out, "pump", sound, dice.randrange(1, N_STEPS)))
        mended[mend(out, "pump")] += 1
        assert_mended(out, "pump", kept)
        assert mend(out, "pump") == ""
        found[leftover] += 1
    tell(figure, N_STEPS + N_STEPS // 2, began_s, found)
    assert not IS_FULL or found.keys() == {"no folder", "unfinished clip", "no header", "clip without a line", "nothing"}, found
    assert not IS_FULL or {"1 unfinished clip(s) removed", "1 clip(s) entered in the manifest", ""} <= mended.keys(), mended


def test_kills_at_random_moments_lose_nothing(prepared: Prepared, sound: Path, tmp_path: Path, figure: Callable[[str], None]) -> None:
    """While another records into the same folder, and is killed too."""
    began_s = time.monotonic()

    def kill_again_and_again(machine: str) -> tuple[Counter[str], int]:
        dice, found = random.Random(machine), Counter[str]()
        kept: dict[str, bytes] = {}
        for number in range(N_MOMENTS):
            child = start(prepared, tmp_path, machine, sound)
            if number % 2:
                wait_until(lambda n=len(kept): count_own(tmp_path, machine) > n, "a clip", DEADLINE_S)  # type: ignore[misc]  # noqa: B008
            time.sleep(dice.uniform(0.0, LONGEST_S))
            child.kill()
            finish(child)
            found[tell_leftover(tmp_path, machine)] += 1
            kept |= find_own(tmp_path, machine)
            mend(tmp_path, machine)
            kept = assert_mended(tmp_path, machine, kept)
        return found, len(kept)

    with ThreadPoolExecutor(len(MACHINES)) as pool:
        lanes = list(pool.map(kill_again_and_again, MACHINES))
    tell(figure, N_MOMENTS * len(MACHINES), began_s, sum((found for found, _ in lanes), Counter[str]()))
    assert all(n_clips >= N_MOMENTS // 2 for _, n_clips in lanes), lanes


def test_the_command_is_killed(tmp_path: Path, figure: Callable[[str], None]) -> None:
    """`aegan-monitor record` itself, at random moments; it says what it mends, and at last ends in order."""
    dice, began_s, found = random.Random(2), time.monotonic(), Counter[str]()
    soundfile.write(tmp_path / "loop.wav", noise(37 * COMMAND_RATE_HZ), COMMAND_RATE_HZ, "PCM_16")
    capture = "{kind: file, paths: [loop.wav], pace: fast, loop: true}"
    (tmp_path / "monitor.yaml").write_text(f"machines: [{{name: pump, bundle: none, capture: {capture}}}]\n")
    out, clip = tmp_path / "out", CLIP_S * COMMAND_RATE_HZ
    command = [sys.executable, "-m", "aegan_monitor.cli", "record", "--config", str(tmp_path / "monitor.yaml"), "--out", str(out)]
    command += ["--keep-free-mb", "1"]
    kept: dict[str, bytes] = {}
    leftover = "nothing"
    for number in range(N_COMMANDS + 1):
        n_before = len(kept)
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            try:
                wait_until(lambda n=n_before: count_own(out, "pump") > n, "a clip", DEADLINE_S)  # type: ignore[misc]
                time.sleep(dice.uniform(0.0, LONGEST_COMMAND_S))
                process.send_signal(signal.SIGKILL if number < N_COMMANDS else signal.SIGINT)
                told, _ = process.communicate(timeout=DEADLINE_S)
            finally:
                process.kill()
        assert ("an earlier recording was cut off" in told) == (leftover != "nothing"), (leftover, told)
        kept = find_own(out, "pump") if number < N_COMMANDS else assert_mended(out, "pump", kept, clip)
        leftover = tell_leftover(out, "pump")
        found[leftover] += number < N_COMMANDS
    tell(figure, N_COMMANDS, began_s, found)


def write(folder: ClipFolder, seed: int) -> None:
    """A clip, as a recorder writes it."""
    samples, flight, began = noise(CLIP, seed), f"2027-01-15T08:00:00Z/{seed:03d}", f"2027-01-15T08:00:{seed % 60:02d}Z"
    folder.write(encode_clip(quantise(samples), RATE_HZ, flight, began), measure_level(samples), flight, began)


def try_to(act: Callable[[], object], folder: ClipFolder) -> None:
    """Act; a recorder that is killed meanwhile starts again."""
    try:
        act()
    except Killed:
        folder.close()
        folder.open()


def watch_recording(data: Path, monkeypatch: pytest.MonkeyPatch, n_clips: int, n_calls: int, told: Told) -> list[Moment[Told]]:
    """Two recorders write into one folder in turn, one is killed once; each moment notes which clips were told of by then."""
    told = dict(told)
    platter = Platter(data, lambda: dict(told))
    with monkeypatch.context() as patches:
        platter.watch(patches, n_calls)
        folders = {machine: ClipFolder(data / "out", machine, RATE_HZ) for machine in MACHINES}
        for folder in folders.values():
            try_to(folder.open, folder)
        for machine in MACHINES * n_clips:
            clips = find_own(data / "out", machine)
            try_to(partial(write, folders[machine], len(clips)), folders[machine])
            told[machine] = find_own(data / "out", machine)
        for folder in folders.values():
            folder.close()
    return platter.moments


def tell_tail(manifest: Path) -> str:
    """What a power cut has left of its end."""
    text = manifest.read_bytes() if manifest.exists() else b""
    return "zeros" if b"\0" in text else "cut line" if text and not text.endswith(b"\n") else "whole manifest"


def test_a_power_cut_loses_the_clip_that_was_being_made_at_most(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, figure: Callable[[str], None]
) -> None:
    """What was synced is there, all else is as the disk happened to have it; the start after one cut is cut off as well."""
    dice, began_s, found = random.Random(3), time.monotonic(), Counter[str]()
    monkeypatch.setattr(os, "fsync", os.fstat)  # the platter stands for the disk
    moments = []
    for n_calls in range(5, N_CALLS, N_CALLS // N_RECORDINGS):
        (data := tmp_path / f"whole{n_calls}").mkdir()
        moments += watch_recording(data, monkeypatch, 3, n_calls, {machine: {} for machine in MACHINES})
    torn = [moment for moment in moments if moment.has_torn_files]
    for number in range(N_CUTS):
        moment, place = dice.choice(torn if number % 2 else moments), tmp_path / f"cut{number}"
        moment.cut(place, dice)
        if number % 5 == 0:
            moment = dice.choice(watch_recording(place, monkeypatch, 1, dice.randrange(1, N_CALLS // 2), moment.note))
            place = tmp_path / f"second{number}"
            moment.cut(place, dice)
        out, told = place / "out", moment.note
        found.update([tell_leftover(out, "pump"), tell_tail(out / "manifest.csv")])
        for machine in dice.sample(MACHINES, 2):  # the second one's lines are there without its start
            assert {row["path"] for row in read_rows(out, machine)} >= told[machine].keys(), f"cut {number}"
            mend(out, machine)
            assert_mended(out, machine, told[machine])
            assert mend(out, machine) == ""
    figure(f"{N_CUTS} cuts in {time.monotonic() - began_s:.0f} s left: {dict(found.most_common())}")
    assert not IS_FULL or {"unfinished clip", "clip without a line", "no folder", "zeros", "cut line"} <= found.keys(), found
