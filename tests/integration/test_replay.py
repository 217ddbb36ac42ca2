"""`aegan-monitor replay`: what it refuses, and where its lines go."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from aegan_monitor.demo.pump import Pump
from aegan_monitor.detection.bundle import demo_bundle, load_bundle, write_record
from broker import STEP_DEADLINE_S
from command_line import CommandLine, assert_lines
from synthetic import write_wav

RATE_HZ = 16_000


def test_a_spoiled_bundle_ends_run_check_and_replay(aegan_monitor: CommandLine, tmp_path: Path) -> None:
    """A changed byte or a missing file ends each command with 78 and one line."""
    bundle = shutil.copytree(demo_bundle(), tmp_path / "bundle")
    content = bytearray((bundle / "weights.bin").read_bytes())
    content[1000] ^= 255
    (bundle / "weights.bin").write_bytes(content)
    config = tmp_path / "monitor.yaml"
    config.write_text("machines: [{name: pump, bundle: bundle}]\n")
    for arguments in (["run", "--config", config], ["check", bundle], ["replay", "--bundle", bundle, "x.wav"]):
        assert_lines(aegan_monitor(*arguments), 78, r".*weights\.bin: expected sha256 .* the file was changed; copy or export it again")


@pytest.mark.parametrize(
    ("name", "samples", "rate_hz", "line"),
    [
        ("rate", np.zeros(8_000), 8_000, "expected a rate of at least 16000 Hz, found 8000 Hz, so no sound above 4000 Hz; .*"),
        ("silent", np.zeros(160_000), 16_000, "expected sound, found only the value 0; .*"),
        ("short", np.tile([0.1, 0.2], 8_000), 16_000, r"expected at least 4\.06 s, found 1\.00 s; .*"),
    ],
)
def test_a_bad_recording_is_refused_alone(
    aegan_monitor: CommandLine, tmp_path: Path, name: str, samples: np.ndarray, rate_hz: int, line: str
) -> None:
    """A bad recording gives one line and exit code 1; the others are scored."""
    good = write_wav(tmp_path / "good.wav", Pump(1).read(10 * RATE_HZ))
    bad = write_wav(tmp_path / f"{name}.wav", samples, rate_hz, "FLOAT")
    out = tmp_path / "out.jsonl"
    done = aegan_monitor("replay", "--bundle", demo_bundle(), "--clips", "--jsonl", out, good, bad, good)
    assert_lines(done, 1, f"{re.escape(str(bad))}: {line}")
    lines = [json.loads(each) for each in out.read_text().splitlines()]
    assert [each["file"] for each in lines] == [str(good)] * 2
    assert all(0 <= each["lasting_share"] <= 1 for each in lines)


def test_a_recording_too_short_for_a_decision_ends_replay(aegan_monitor: CommandLine, tmp_path: Path) -> None:
    """A recording too short for a decision ends with an error, not as `normal`."""
    path = write_wav(tmp_path / "short.wav", Pump(1).read(6 * RATE_HZ))
    done = aegan_monitor("replay", "--bundle", demo_bundle(), path)
    line = r"expected at least 9\.76 s of sound without a pause for one decision, found 6\.00 s .*; name more recordings, or use --clips"
    assert_lines(done, 1, f"all recordings together: {line}")
    assert done.stdout == ""


def test_replay_trusts_no_bundle_that_computes_something_else(aegan_monitor: CommandLine, tmp_path: Path) -> None:
    """A failed golden check ends `replay`, like `run`."""
    bundle = shutil.copytree(demo_bundle(), tmp_path / "bundle")
    with np.load(bundle / "golden.npz") as arrays:
        golden = {name: arrays[name] for name in arrays}
    np.savez(bundle / "golden.npz", **{**golden, "embedding": golden["embedding"] * 2})
    write_record(bundle, load_bundle(demo_bundle()).record)
    sound = write_wav(tmp_path / "pump.wav", Pump(1).read(12 * RATE_HZ))
    assert_lines(aegan_monitor("replay", "--bundle", bundle, sound), 78, ".*: golden check failed at embedding: .*")


def test_replay_hears_as_one_machine_of_a_configuration(aegan_monitor: CommandLine, tmp_path: Path) -> None:
    """`replay` uses bundle and score of the named machine, and asks for a name where there are several."""
    sound, config = write_wav(tmp_path / "pump.wav", Pump(1).read(12 * RATE_HZ)), tmp_path / "monitor.yaml"
    fan, pump = f"{{name: fan, bundle: {tmp_path / 'none'}}}", f"{{name: pump, bundle: {demo_bundle()}, score: D_knn}}"
    config.write_text(f"machines: [{fan}, {pump}]\n")
    done = aegan_monitor("replay", "--config", config, "--machine", "pump", "--clips", sound)
    assert (done.returncode, done.stderr) == (0, "")
    first, second = done.stdout.splitlines()[:2]
    assert first == f"{config}: machine pump, bundle {demo_bundle()}, score D_knn"
    assert second.startswith("D_knn, in the recorded place: normal sound scored up to ")
    path = re.escape(str(config))
    assert_lines(
        aegan_monitor("replay", "--config", config, sound), 2, f"replay: {path} has several machines, fan, pump; choose one with --machine"
    )
    assert_lines(aegan_monitor("replay", "--config", config, "--machine", "x", sound), 78, f"{path}: no machine 'x'; there are: fan, pump")
    done = aegan_monitor("replay", "--bundle", demo_bundle(), "--machine", "pump", sound)
    line = "replay: --machine needs --config FILE; leave it out, or give --config instead of --bundle"
    assert_lines(done, 2, line)
    config.write_text(f"machines: [{pump}]\n")
    done = aegan_monitor("replay", "--config", config, "--clips", sound)
    assert (done.returncode, done.stdout.splitlines()[0]) == (0, first)


def test_lines_go_into_a_pipe_and_a_link_stays_one(aegan_monitor: CommandLine, tmp_path: Path) -> None:
    """--jsonl writes to a pipe or through a link, and refuses a folder."""
    sound = write_wav(tmp_path / "pump.wav", Pump(1).read(10 * RATE_HZ))
    os.mkfifo(tmp_path / "pipe")
    with subprocess.Popen(["cat", str(tmp_path / "pipe")], stdout=subprocess.PIPE, text=True) as reader:
        assert aegan_monitor("replay", "--bundle", demo_bundle(), "--clips", "--jsonl", tmp_path / "pipe", sound).returncode == 0
        assert json.loads(reader.communicate(timeout=STEP_DEADLINE_S)[0])["file"] == str(sound)
    assert (tmp_path / "pipe").is_fifo()
    (tmp_path / "target").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "target" / "out.jsonl")
    assert aegan_monitor("replay", "--bundle", demo_bundle(), "--clips", "--jsonl", tmp_path / "link", sound).returncode == 0
    assert (tmp_path / "link").is_symlink()
    assert [path.name for path in (tmp_path / "target").iterdir()] == ["out.jsonl"]
    done = aegan_monitor("replay", "--bundle", demo_bundle(), "--clips", "--jsonl", ".", sound, cwd=tmp_path)
    assert_lines(done, 1, r"\.: cannot be written: Is a directory; choose another --jsonl")
