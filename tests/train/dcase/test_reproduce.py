"""Rows of the published tables, reproduced."""

import re
from pathlib import Path

import pytest

from aegan_train.cli import main


def test_a_row_is_reproduced_and_continued(dcase2020: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Both figures are printed; an unfinished run is continued, and a finished one is only evaluated."""
    run, data = tmp_path / "run", tmp_path / "data"
    command = ["reproduce", "dcase2020", "slider", "--data", str(data), "--out", str(run), "--preset", "tiny"]
    for folder in ("dev_data", "eval_data"):
        (data / folder).mkdir(parents=True)
        (data / folder / "slider").symlink_to(dcase2020 / folder / "fan")
    assert main([*command, "--epochs", "1"]) == 0
    out = capsys.readouterr().out
    comparison = out.split("\n\n")[-1].splitlines()
    assert comparison[0].startswith("dcase2020 slider, figures in per cent; ")
    assert [re.sub(r" {2,}", "|", line) for line in comparison[1:3]] == [
        "published, official autoencoder|76.0",
        "published, AEGAN-AD|G_x_2_mean|86.50",
    ]
    same, label_free, oracle = (re.split(r" {2,}", line) for line in comparison[3:])
    assert (same[:2], label_free[:2]) == (["this run, the same score", "G_x_2_sum"], ["this run, label-free", "D_maha"])
    assert oracle[0] == "this run, oracle (of the 19)"
    row = next(line.split() for line in out.splitlines() if line.startswith("G_x_2_sum "))
    assert float(same[2]) == pytest.approx(100 * float(row[3]), abs=0.01)
    assert "slider: 6 normal and 6 anomalous test clips, epoch 1, dcase2020" in out  # the reference is measured on dev_data alone
    assert re.search(r"^label-free \(.* without labels\): D_maha AUC ", out, re.MULTILINE)
    assert re.search("^  G_x_2_sum, as published: .* by the labels of test clips with faults$", out, re.MULTILINE)

    assert main([*command, "--epochs", "2"]) == 0
    assert "run of 2 epochs" in capsys.readouterr().out
    assert main([*command, "--epochs", "2"]) == 0
    assert capsys.readouterr().out.startswith(f"{run}: holds the finished run; evaluating it\n")
    assert main([*command, "--epochs", "2", "--seed", "1"]) == 1
    assert "the run was begun with seed 0, now 1" in capsys.readouterr().err


def test_what_cannot_become_a_comparison_is_one_line(dcase2020: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A wrong machine type, --csv or data set gives one line before any training."""
    assert main(["reproduce", "dcase2020", "bearing", "--data", str(dcase2020)]) == 1
    assert capsys.readouterr().err.endswith(
        "dcase2020 bearing: no published result; expected one of fan, pump, slider, ToyCar, ToyConveyor, valve\n"
    )
    trial = ["--preset", "tiny", "--epochs", "1", "--out", str(tmp_path / "run")]
    assert main(["reproduce", "dcase2020", "fan", "--data", str(dcase2020), *trial, "--csv", __file__]) == 1
    assert capsys.readouterr() == ("", f"aegan-train: {__file__}: the folder cannot be made: File exists; choose another --csv\n")
    (tmp_path / "dev_data").mkdir()
    (tmp_path / "dev_data" / "pump").symlink_to(dcase2020 / "dev_data" / "fan")
    assert main(["reproduce", "dcase2020", "pump", "--data", str(tmp_path), "--out", str(tmp_path / "run")]) == 1
    assert (
        "no folder eval_data/pump/train; there is dev_data; add it (the archive of the additional training data set"
        in capsys.readouterr().err
    )
    assert not (tmp_path / "run").exists()
