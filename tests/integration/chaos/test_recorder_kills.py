"""A recorder killed at any step leaves only complete clips under final names, and numbering continues."""

import random
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import soundfile

from aegan_monitor.tools.record.clip_writer import CLIP_S
from broker import wait_until
from chaos import IS_FULL, scaled
from prepared import Child, Prepared
from recorded import assert_whole, count_own, find_own, folder_of, restart
from recording import RATE_HZ, noise

N_STEPS = scaled(50, at_least=12)  # calls of the system: from an empty folder to its second clip and beyond
N_MOMENTS = scaled(20)
LONGEST_S = 0.15  # from a recorder's start, or its first clip
DEADLINE_S = 60.0


@pytest.fixture(scope="module")
def prepared() -> Iterator[Prepared]:
    """A process with the recorder loaded."""
    with Prepared("recording") as process:
        yield process


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A loop in which no clip equals the previous one."""
    path = tmp_path_factory.mktemp("sound") / "loop.wav"
    soundfile.write(path, noise(round(3.7 * CLIP_S * RATE_HZ)), RATE_HZ, "PCM_16")
    return path


def start(prepared: Prepared, out: Path, sound: Path, n_calls: int = 0) -> Child:
    """A recorder that records until it is killed, at its nth system call if given."""
    child = prepared.start("recording", "record_for_ever", [str(out), "pump", str(sound), n_calls])
    child.stdin.close()
    return child


def finish(child: Child) -> None:
    """Wait for the end of a recorder, which must be a kill."""
    child.wait(DEADLINE_S)
    with child.stderr as reported:
        text = reported.read().decode()
    assert "Traceback" not in text, text


def test_a_kill_before_any_step_leaves_whole_clips(prepared: Prepared, sound: Path, tmp_path: Path) -> None:
    """A kill before any step of a recorder, or of its next start, leaves complete clips; unfinished files are removed."""
    dice, n_removed, n_left = random.Random(1), 0, 0
    for step in range(1, N_STEPS + 1):
        out = tmp_path / str(step)
        finish(start(prepared, out, sound, step))
        kept = find_own(out, "pump")
        if step % 2:
            finish(start(prepared, out, sound, dice.randrange(1, N_STEPS)))
        assert_whole(out, "pump", kept)
        n_left += len(list(folder_of(out, "pump").glob(".n*")))
        n_removed += restart(out, "pump")
        assert not list(folder_of(out, "pump").glob(".n*"))
        assert_whole(out, "pump", kept)
    assert n_removed == n_left
    assert n_left or not IS_FULL


def test_kills_at_random_moments_lose_nothing(prepared: Prepared, sound: Path, tmp_path: Path) -> None:
    """After kills at random moments all clips are kept, and the next clip has the next number."""
    dice = random.Random(2)
    kept: dict[str, bytes] = {}
    for number in range(N_MOMENTS):
        child = start(prepared, tmp_path, sound)
        if number % 2:
            wait_until(lambda n=len(kept): count_own(tmp_path, "pump") > n, "a clip", DEADLINE_S)  # type: ignore[misc]  # noqa: B008
        time.sleep(dice.uniform(0.0, LONGEST_S))
        child.kill()
        finish(child)
        kept = assert_whole(tmp_path, "pump", kept)
    assert len(kept) >= N_MOMENTS // 2
