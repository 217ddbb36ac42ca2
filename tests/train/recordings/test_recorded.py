"""`aegan-train fit` accepts the output of `aegan-monitor record`."""

import re
from functools import partial
from pathlib import Path

import pytest

from aegan_monitor.audio.ring import Ring
from aegan_monitor.audio.supervisor import CaptureSupervisor
from aegan_monitor.demo.pump import Pump
from aegan_monitor.tools.record.clip_folder import ClipFolder
from aegan_monitor.tools.record.clip_writer import ClipWriter, number_parts
from aegan_monitor.tools.record.recorder import Recorder
from aegan_monitor.types import Block
from aegan_train.cli import main
from aegan_train.dataset import split_held_out
from aegan_train.recordings.folder import Clip, find_clips
from fakes import ScriptedCapture
from synthetic import RATE_HZ


@pytest.mark.parametrize("n_clips", [16, 61, 125, 361, 480, 1000, 8640])
@pytest.mark.parametrize("seed", range(3))
def test_of_a_start_of_any_length_about_an_eighth_is_held_out(n_clips: int, seed: int) -> None:
    """A part is never longer than what training wants to hold out, and the last, short one is not all that it finds."""
    clips = [
        Clip(Path(f"{number}.flac"), "train", "00", False, number, str(part))
        for number, part in zip(range(n_clips), number_parts(), strict=False)
    ]
    fitted, held_out = split_held_out(clips, 0.125, seed)
    assert n_clips / 16 <= len(held_out) <= n_clips / 8 + 1
    assert not {clip.recording for clip in fitted} & {clip.recording for clip in held_out}


@pytest.mark.timeout(240)
def test_a_recorded_folder_is_trained_on_as_it_is(tmp_path: Path) -> None:
    """Two starts of three recordings each, some held out; the last line says how to train, and that trains."""
    reported: list[str] = []
    for start in range(2):
        block = Block(Pump(300 + start, RATE_HZ).read(50 * RATE_HZ), 0)
        ring = Ring(60 * RATE_HZ, 1)
        capture = ScriptedCapture([[block]], RATE_HZ)
        supervisor = CaptureSupervisor("pump", capture, ring, live=False, waits=True, no_data_s=9.0, retry_s=1.0)
        writer = ClipWriter(ClipFolder(tmp_path, "pump"), RATE_HZ, reported.append, keep_free_bytes=0)
        assert Recorder(supervisor, ring, writer, RATE_HZ, reported.append, now=partial(float, 1.8e9 + 60 * start)).run() == 0
    found = find_clips(tmp_path, "pump", "train")
    assert (len(found.clips), found.skipped, len({clip.recording for clip in found.clips})) == (10, [], 6)
    advised = re.fullmatch("next: aegan-train (.*) --preset edge --out runs/pump", reported[-1])
    assert advised
    assert advised[1] == f"fit --data {tmp_path} --machine-type pump"
    tiny = ["--preset", "tiny", "--recipe", "reference", "--epochs", "1", "--device", "cpu", "--out", str(tmp_path / "run")]
    assert main([*advised[1].split(), *tiny]) == 0
