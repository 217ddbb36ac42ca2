"""`aegan-monitor backtest`: figures, files, and what it refuses."""

import json
import math
import sys
from pathlib import Path

import pytest

from aegan_monitor.cli import main
from aegan_monitor.demo.pump import Pump
from aegan_monitor.detection.bundle import demo_bundle
from sound_files import RATE_HZ, write

FAULT_FROM_S = 25.0


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A configuration with three machines, two on the demo's bundle, and recordings of its pump."""
    folder = tmp_path_factory.mktemp("backtest")
    (folder / "monitor.yaml").write_text(
        f"machines: [{{name: fan, bundle: none}}, {{name: pump, bundle: {demo_bundle()}, alarm: {{false_alarms: {{per_week: 7}}}}}},"
        f"{{name: old, bundle: {demo_bundle()}, alarm: {{quantile: 0.9}}}}]\n"
    )
    sound = Pump(41, RATE_HZ, 20 + FAULT_FROM_S).read(80 * RATE_HZ)
    (folder / "bundle").mkdir()
    (folder / "recordings" / "later").mkdir(parents=True)
    write(folder / "recordings" / "a.wav", sound[: 20 * RATE_HZ])
    write(folder / "recordings" / "later" / "b.flac", sound[20 * RATE_HZ :])
    (folder / "recordings" / "notes.txt").write_text("no recording")
    (folder / "labels.csv").write_text(f"file,start_s,end_s,what\nb.flac,{FAULT_FROM_S},99,bearing\na.wav,30,40,late\n")
    return folder


@pytest.mark.process
def test_a_fault_is_found_and_no_alarm_is_false(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The bearing is found with its delay; the files have the figures that are printed, and the budget of the machine."""
    pytest.importorskip("matplotlib")
    arguments = ["--config", folder / "monitor.yaml", "--machine", "pump", "--labels", folder / "labels.csv", "--out", tmp_path / "out"]
    arguments += ["--budget", 7, "--budget", 0.001]
    assert main(["backtest", *map(str, arguments), str(folder / "recordings")]) == 0
    printed, err = capsys.readouterr()
    assert err == ""
    known = json.loads((tmp_path / "out" / "backtest.json").read_text())
    assert (known["machine"], known["policy"], known["budget_per_week"]) == ("pump", "budget", 7)
    assert (known["length_s"], known["n_alarms"], known["n_false_alarms"]) == (80, 1, 0)
    assert known["coverage_percent"] > 98
    assert sum(known["state_s"].values()) == pytest.approx(known["scored_s"])
    assert known["normal_s"] == pytest.approx(20 + FAULT_FROM_S, abs=0.1)
    (fault,), (alarm,) = known["faults"], known["alarms"]
    assert (fault["start_s"], fault["end_s"]) == (20 + FAULT_FROM_S, 80)
    assert fault["delay_s"] == pytest.approx(alarm["raised_s"] - 45)
    assert alarm["file"].endswith("b.flac")
    assert alarm["ended_s"] is None
    same, strict = known["other_budgets"]
    assert same == {key: known[key] for key in same}  # of the same scores
    assert strict["budget_per_week"] == 0.001
    assert (strict["length_s"], strict["scored_s"]) == (80, known["scored_s"])
    assert "with 7 accepted a week: alarms 1, false 0, " in printed
    assert "with 0.001 accepted a week: alarms 1, false 0, " in printed
    assert printed.count("alarm raised: F_joint") == 1
    assert printed.count("fault late in") == 1
    assert "alarm raised: F_joint" in printed
    assert "fault late in" in printed
    assert all(line in printed for line in known["lines"])
    assert (tmp_path / "out" / "backtest.png").read_bytes()[16:20] == (1200).to_bytes(4)


def test_a_weak_fault_is_found_with_a_larger_budget_alone(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A tenth of the bearing's sound is missed with 7 false alarms a week, and found with 10,000."""
    sound, normal = (Pump(41, RATE_HZ, since_s).read(80 * RATE_HZ) for since_s in (45, math.inf))
    write(tmp_path / "weak.wav", normal + 0.1 * (sound - normal))
    (tmp_path / "labels.csv").write_text("file,start_s,end_s,what\nweak.wav,45,80,bearing\n")
    options = ["--config", str(folder / "monitor.yaml"), "--machine", "pump", "--labels", str(tmp_path / "labels.csv")]
    assert main(["backtest", *options, "--budget", "10000", "--budget", "10000", str(tmp_path / "weak.wav")]) == 0
    printed = capsys.readouterr().out
    assert "alarm raised" not in printed
    assert "fault bearing, weak.wav at 0:45: missed" in printed
    assert printed.count("with 10000 accepted a week: alarms 1, false 0, ") == 1
    assert "labelled faults: 1, found 1" in printed


def test_files_are_one_stream_and_a_refused_one_is_a_line(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A refused file gives one line and exit code 1; without labels each alarm is false; without matplotlib the JSON is written."""
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    sound = folder / "recordings" / "later" / "b.flac"
    recordings = [str(tmp_path / "none.wav"), str(sound), str(sound)]
    assert main(["backtest", "--config", str(folder / "monitor.yaml"), "--machine", "pump", "--out", str(tmp_path), *recordings]) == 1
    printed, err = capsys.readouterr()
    assert err.count("\n") == 1
    assert "none.wav: expected a WAV or FLAC recording" in err
    known = json.loads((tmp_path / "backtest.json").read_text())
    assert (known["length_s"], known["n_false_alarms"]) == (60, known["n_alarms"])
    assert "without labels each counts as false" in printed
    assert "needs matplotlib" in printed
    assert not (tmp_path / "backtest.png").exists()


@pytest.mark.parametrize(
    ("arguments", "code", "line"),
    [
        (["recordings"], 2, "backtest: monitor.yaml has several machines, fan, pump, old; choose one with --machine"),
        (
            ["recordings", "--machine", "pump", "--out", "labels.csv"],
            1,
            "labels.csv: no folder can be made: File exists; choose another --out",
        ),
        (["recordings", "--machine", "pump", "--labels", "no.csv"], 1, "no.csv: cannot be read: No such file or directory; expected CSV"),
        (["bundle", "--machine", "pump"], 1, "bundle: expected WAV or FLAC recordings in this folder, found none; name another folder"),
        (["recordings", "--machine", "old", "--budget", "1"], 2, "--budget: old has thresholds, which no budget changes; set alarm.policy"),
        (["recordings", "--machine", "fan"], 1, "none: no such bundle folder; "),
    ],
)
def test_wrong_arguments_are_one_line(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, line: str
) -> None:
    """Before any work, one line says what is wrong, with the exit code of other commands."""
    monkeypatch.chdir(folder)
    assert main(["backtest", *arguments, "--config", "monitor.yaml"]) == code
    printed, err = capsys.readouterr()
    assert printed == ""
    assert err.count("\n") == 1
    assert line in err


def test_recordings_too_short_for_a_decision_are_an_error(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Sound too short for a decision is not called normal."""
    short = write(tmp_path / "short.wav", Pump(1).read(6 * RATE_HZ))
    assert main(["backtest", "--config", str(folder / "monitor.yaml"), "--machine", "pump", str(short)]) == 1
    assert "expected at least 9.76 s of sound without a pause for one decision, found 6.00 s" in capsys.readouterr().err


def test_a_microphone_that_is_deaf_throughout_is_an_error(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Recordings at a level far below the calibration, of which nothing is judged, are not called free of alarms."""
    quiet = write(tmp_path / "quiet.wav", 0.05 * Pump(41).read(20 * RATE_HZ))
    arguments = ["backtest", "--config", str(folder / "monitor.yaml"), "--machine", "pump", "--out", str(tmp_path / "out"), str(quiet)]
    assert main(arguments) == 1
    printed, err = capsys.readouterr()
    assert "sensor level_low: " in printed
    assert "false alarms a week" not in printed
    assert "all recordings together: no decision, because of the microphone (" in err
    assert list((tmp_path / "out").iterdir()) == []
