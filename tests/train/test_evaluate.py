"""`aegan-train evaluate` on both layouts: figures, score files and bundles."""

import csv
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from aegan_export.bundle import export_bundle
from aegan_monitor.detection.record import BundleFields, Calibration, Provenance
from aegan_train.cli import main
from aegan_train.evaluate import describe_exceeded, load_fields
from synthetic import write_wav
from training_program import aegan_train


def read_scores(path: Path) -> dict[str, float]:
    """The scores in a score file."""
    with path.open(newline="") as file:
        return {name: float(value) for name, value in csv.reader(file)}


def count_auc(normal: list[float], anomalous: list[float]) -> float:
    """The AUC by counting pairs."""
    return float(np.mean([(one < other) + 0.5 * (one == other) for one in normal for other in anomalous]))


def test_dcase2020_goes_from_fit_to_score_files(dcase2020: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """All sets are trained on, labelled clips give the table by id, and all clips are in score files."""
    data = shutil.copytree(dcase2020, tmp_path / "data")
    (data / "dev_data" / "fan" / "train" / "fan 7.wav").touch()
    run, scores = tmp_path / "run", tmp_path / "scores"
    fit = ["fit", "--data", data, "--machine-type", "fan", "--preset", "tiny", "--recipe", "reference", "--epochs", "1", "--out", run]
    assert main([str(each) for each in fit]) == 0
    out, err = capsys.readouterr()
    counted = re.search(r"^fan: (\d+) normal clips to train on, (\d+) held out, 90 s of sound; cpu, seed 0$", out, re.MULTILINE)
    assert counted
    assert sum(map(int, counted.groups())) == 18
    assert f"1 file skipped:\n  {data}/dev_data/fan/train/fan 7.wav: expected a name like" in err

    assert main(["evaluate", str(run), "--data", str(data), "--csv", str(scores)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "fan: 6 normal and 6 anomalous test clips (and 4 without a label, in no AUC), epoch 1, dcase2020"
    assert {path.name for path in scores.iterdir()} == {f"anomaly_score_fan_id_{section}.csv" for section in ("00", "01", "02")}
    assert sorted(read_scores(scores / "anomaly_score_fan_id_01.csv")) == [f"id_01_{number:08d}.wav" for number in range(4)]
    table = {" ".join(line.split()[:-2]): line.split()[-2:] for line in lines if re.match(r"id \d|mean (?!of)", line)}
    assert list(table) == ["id 00", "id 02", "mean"]
    for section in ("00", "02"):
        each = read_scores(scores / f"anomaly_score_fan_id_{section}.csv")
        kinds = [[value for name, value in each.items() if name.startswith(kind)] for kind in ("normal", "anomaly")]
        assert table[f"id {section}"][0] == f"{count_auc(*kinds):.4f}"
    assert sum(re.match(r"[CDG]_", line) is not None for line in lines) == 37
    assert load_fields(run).score == "D_maha"


def test_a_run_of_version_0_2_has_figures_without_alarms() -> None:
    """It has no blocks of normal sound, and the line says so in place of a traceback."""
    known = Calibration(n_clips=8, probabilities=[0, 1], quantiles={"D_maha": [1, 2]})
    made_by = Provenance(version="0.2.0", commit=None, seed=0, n_epochs=1, training_data_sha256="", n_training_clips=64, n_held_out_clips=8)
    fields = BundleFields.model_construct(score="D_maha", calibration={"recorded": known}, provenance=made_by)
    assert "is of version 0.2.0; train again" in describe_exceeded(fields, "recorded", [], [])


@pytest.mark.full
def test_dcase2022_goes_from_fit_to_bundle(dcase2022: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The table has sections, domains and the harmonic mean; score and decision files are written."""
    run, scores = tmp_path / "run", tmp_path / "scores"
    fit = ["fit", "--data", dcase2022, "--machine-type", "fan", "--preset", "tiny", "--epochs", "1", "--out", run]
    assert main([str(each) for each in fit]) == 0
    capsys.readouterr()
    assert main(["evaluate", str(run), "--data", str(dcase2022), "--protocol", "dcase2022", "--csv", str(scores)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert {path.name for path in scores.iterdir()} == {
        f"{kind}_fan_section_{section}.csv" for kind in ("anomaly_score", "decision_result") for section in ("00", "01", "03")
    }
    assert set(read_scores(scores / "decision_result_fan_section_03.csv").values()) <= {0.0, 1.0}
    assert "by section, F_mean            AUC source  AUC target        pAUC" in lines
    cells = []
    for section in ("00", "01"):
        each = read_scores(scores / f"anomaly_score_fan_section_{section}.csv")
        anomalies = [value for name, value in each.items() if "anomaly" in name]
        figures = next(line.split()[2:] for line in lines if line.startswith(f"section {section} "))
        for figure, domain in zip(figures, ("source", "target"), strict=False):
            assert figure == f"{count_auc([value for name, value in each.items() if f'{domain}_test_normal' in name], anomalies):.4f}"
        cells += [float(figure) for figure in figures]
    total = next(line for line in lines if line.startswith("hmean of all"))
    assert float(total.split()[3]) == pytest.approx(len(cells) / sum(1 / cell for cell in cells), abs=2e-4)
    export_bundle(run, tmp_path / "bundle")
    assert main(["evaluate", str(run), "--data", str(dcase2022), "--protocol", "dcase2020"]) == 0
    assert re.search(r"^by id, F_mean {10,}AUC +pAUC$", capsys.readouterr().out, re.MULTILINE)


def test_files_that_cannot_be_written_are_refused_before_the_work(
    dcase2022: Path, run_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Unwritable output files are refused before the scoring."""
    data = tmp_path / "eval_data" / "pump"
    shutil.copytree(dcase2022 / "eval_data" / "fan", data)
    next((data / "test").iterdir()).write_text("no sound")
    file = tmp_path / "file"
    file.touch()
    command = ["evaluate", str(run_folder), "--data", str(tmp_path)]
    assert main([*command, "--csv", str(file)]) == 1
    assert capsys.readouterr() == ("", f"aegan-train: {file}: the folder cannot be made: File exists; choose another --csv\n")
    assert main([*command, "--jsonl", str(file / "a")]) == 1
    assert capsys.readouterr() == ("", f"aegan-train: {file}/a: cannot be written: Not a directory; choose another --jsonl\n")


def test_clips_without_labels_are_scored_and_that_is_all(
    dcase2022: Path, run_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Clips without labels give score files, no AUC and no error."""
    (tmp_path / "eval_data").mkdir()
    (tmp_path / "eval_data" / "pump").symlink_to(dcase2022 / "eval_data" / "fan")
    assert main(["evaluate", str(run_folder), "--data", str(tmp_path), "--csv", str(tmp_path / "scores")]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "pump: 0 normal and 0 anomalous test clips (and 4 without a label, in no AUC), epoch 3, dcase2022",
        f"{tmp_path}/scores: 2 score files, by D_maha",
        "no AUC: there is no row with labelled normal and anomalous test clips",
    ]


def test_evaluate_prints_all_scores_and_writes_lines(run_folder: Path, dataset: Path, tmp_path: Path) -> None:
    """The report has the label-free score first, then all scores and the oracle; each clip is one JSON object."""
    done = aegan_train("evaluate", run_folder, "--data", dataset, "--jsonl", tmp_path / "s.jsonl")
    assert done.returncode == 0, done.stderr
    rows = [line.split() for line in done.stdout.splitlines() if re.match(r"[CDG]_", line)]
    assert len(rows) == 37
    assert re.match(r"label-free \(.*\): D_maha AUC [01]\.\d+ pAUC [01]\.\d+$", done.stdout.splitlines()[2])
    assert all(0 <= float(row[1]) <= 1 and 0 <= float(row[2]) <= 1 for row in rows)
    assert done.stdout.splitlines()[-1].startswith("oracle (best by these labels, ")
    lines = [json.loads(line) for line in (tmp_path / "s.jsonl").read_text().splitlines()]
    assert len(lines) == 8
    assert all(len(line["scores"]) == 37 for line in lines)


def test_a_run_from_before_spaces_is_evaluated_with_the_scores_that_it_has(
    run_folder: Path, dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A run of an older version has no spaces; the best baseline is one of the six that it has."""
    run = shutil.copytree(run_folder, tmp_path / "run")
    record = json.loads((run / "run.json").read_text())
    del record["spaces"], record["fused"]
    (run / "run.json").write_text(json.dumps(record))
    assert main(["evaluate", str(run), "--data", str(dataset)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert sum(re.match(r"[CDG]_", line) is not None for line in lines) == 27
    assert re.search(r"; best baseline: C_(linear|mel)_(euclidean|cosine|near) AUC", lines[-1])


def test_evaluate_without_a_run_is_one_line(tmp_path: Path, dataset: Path) -> None:
    """A missing run gives one line with the command that makes one."""
    done = aegan_train("evaluate", tmp_path, "--data", dataset)
    assert done.returncode == 1
    assert done.stderr.startswith(
        f"aegan-train: {tmp_path}/run.json: file missing: {tmp_path} is no finished run; train it with: aegan-train fit"
    )


def test_a_damaged_run_is_one_line(tmp_path: Path, dataset: Path, run_folder: Path) -> None:
    """A damaged run gives one line with the file and the remedy."""
    run = shutil.copytree(run_folder, tmp_path / "run")
    (run / "reference.npz").write_bytes((run / "reference.npz").read_bytes()[:1000])
    done = aegan_train("evaluate", run, "--data", dataset)
    assert done.returncode == 1
    assert re.fullmatch(r"aegan-train: .*: is damaged: .*reference\.npz: cannot be read as arrays .*; finish it again .*\n", done.stderr)


def test_evaluate_skips_and_reports_what_it_cannot_hear(tmp_path: Path, dataset: Path, run_folder: Path) -> None:
    """Unreadable clips are listed and the others scored, whatever their rate; without any other it is an error."""
    data = tmp_path / "data"
    shutil.copytree(dataset, data)
    test = data / "dev_data" / "pump" / "test"
    (test / "normal_id_00_00000001.wav").write_bytes(b"RIFF")
    write_wav(test / "normal_id_00_00000000.wav", 0.1 * np.random.default_rng(0).standard_normal(480_000), 48_000)
    done = aegan_train("evaluate", run_folder, "--data", data)
    assert done.returncode == 0, done.stderr
    assert done.stderr.startswith("1 file skipped:\n")
    assert "3 normal and 4 anomalous test clips" in done.stdout
    for path in test.iterdir():
        path.write_bytes(b"RIFF")
    done = aegan_train("evaluate", run_folder, "--data", data)
    assert done.returncode == 1
    assert done.stderr.startswith("aegan-train: none of 8 test clips can be scored; the first, ")
