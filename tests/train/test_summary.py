"""The summary that `fit` prints."""

from pathlib import Path

import numpy as np
import pytest

from aegan_monitor.decision.proof import commission
from aegan_train.artifacts import Calibrated
from aegan_train.calibration.normal_blocks import make_default_policy
from aegan_train.calibration.pseudo_faults import PSEUDO_FAULTS
from aegan_train.calibration.sensitivity import Noticed
from aegan_train.config import TrainConfig
from aegan_train.evaluate import load_fields
from aegan_train.findings.amount import measure_amount
from aegan_train.findings.findings import Findings
from aegan_train.findings.states import State
from aegan_train.recordings.folder import Clip
from aegan_train.recordings.spectrograms import Spectrograms
from aegan_train.summary import print_recordings, print_verdict
from fakes import make_bands


def make_recordings(n: int, seconds: float, level_dbfs: float) -> Spectrograms:
    """`n` recordings of a length and level, without frames."""
    clips = [Clip(Path(f"{number}.wav"), "train", "00", False, number) for number in range(n)]
    bands = [make_bands(1, 0) * max(1, round(seconds / 9.73))] * n
    n_frames = [round(seconds / 0.032)] * n
    return Spectrograms(np.zeros((0, 128), np.float32), [0] * n, n_frames, bands, [""] * n, clips, [level_dbfs] * n)


def test_too_little_sound_is_a_warning(capsys: pytest.CaptureFixture[str]) -> None:
    """Too little sound gives a warning; level and advice are always printed."""
    print_recordings("pump", make_recordings(6, 10.0, -34.2), make_recordings(2, 10.0, -30.0), TrainConfig(), "cpu", 0)
    out, err = capsys.readouterr()
    assert out.splitlines()[:2] == [
        "pump: 6 normal clips to train on, 2 held out, 80 s of sound; cpu, seed 0",
        "level of the recordings: -34.2 dBFS, from -34.2 to -30.0",
    ]
    assert "each load and speed, and the machine switched off" in out
    assert err.startswith("warning: 80 s of sound is a trial: false alarms are likely")
    print_recordings("pump", make_recordings(350, 60.0, -34.2), make_recordings(50, 60.0, -30.0), TrainConfig(), "cpu", 0)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(("level_dbfs", "gain"), [(-64.0, "more gain"), (-3.0, "less gain")])
def test_a_wrong_level_is_a_warning(level_dbfs: float, gain: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A level that is too low or too high gives a warning with the remedy."""
    recordings = make_recordings(50, 60.0, level_dbfs)
    print_recordings("pump", recordings, recordings, TrainConfig(), "cpu", 0)
    (line,) = capsys.readouterr().err.splitlines()
    assert f"{level_dbfs} dBFS: expected -37 to -12" in line
    assert line.endswith(gain)


def make_findings(run: Path) -> Findings:
    """The findings about a steady machine."""
    clips = [Clip(Path("0.wav"), "train", "00", False, 0, "day 1")]
    amount, found = measure_amount(clips, 60.0, clips, 10.0), commission(make_default_policy(load_fields(run)))
    return Findings(amount, found, 2, [State(1.0, -30.0, -31.0, -29.0, 2)], None, [], None, [])


def test_the_verdict_is_in_words(run_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The verdict has normal scores, threshold, each pseudo-fault, the findings, and the next command."""
    fields = load_fields(run_folder)
    n_exceeded = dict(zip(PSEUDO_FAULTS, (0, 1, 5, 9, 10), strict=True))
    noticed = {name: Noticed(0.5, n, 10) for name, n in n_exceeded.items()}
    print_verdict(Calibrated(fields, [3.0, 5.25, 4.0], noticed), make_findings(run_folder), Path("runs/My run, 1"))
    lines = capsys.readouterr().out.splitlines()
    needed = make_default_policy(fields).score_within(120)
    assert lines[0] == f"normal sound that was held out scored up to 5.25; {needed:.2f} alarms within 120 s if it lasts"
    assert [line.rsplit(":", 1)[1].split("(")[0].strip() for line in lines[2:7]] == ["no", "no", "sometimes", "yes", "yes"]
    assert [line.split(":")[0].strip() for line in lines[7:-1] if not line.startswith("    ")] == [
        "about these recordings", "normal sound", "normal sound to judge by", "false alarms a week",
        "delay of an alarm", "operating states", "rhythm", "clips unlike the others",
    ]  # fmt: skip
    assert lines[-1] == "next: aegan-export 'runs/My run, 1' --out BUNDLE"
    print_verdict(Calibrated(fields, [1.0], {name: Noticed(0.5, 0, 10) for name in PSEUDO_FAULTS}), make_findings(run_folder), Path("run"))
    assert "it would notice none of them" in capsys.readouterr().out
