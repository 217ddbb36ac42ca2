"""The command of the bench, from recordings to the report, with a training of seconds."""

import json

import pytest

from aegan_monitor.errors import UsageError
from aegan_train.bench.command import run_bench
from aegan_train.bench.measure import Measured
from aegan_train.bench.units import Bench
from synthetic import write_dataset

ROWS = ["quadcopter_mixed", "press_halls"]


def test_rows_are_trained_once_and_reported(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    """A second call reads the result; a row without its parts is named with what is missing, and the others run."""
    write_dataset(bench.recordings / "quadcopter_mixed", machine_type="quadcopter", n_train=8, n_normal=2, n_anomaly=2)
    assert run_bench(ROWS, 1, bench) == 0
    first = capsys.readouterr()
    assert "quadcopter_mixed, seed 0: trained in" in first.out
    assert f"not run: press_halls: {bench.esc10 / '*_Dog_bark'}: no clips of ESC-10" in first.out
    report = json.loads((bench.out / "quality.json").read_text())
    assert list(report["rows"]) == ["quadcopter_mixed"]
    assert list(report["not_run"]) == ["press_halls"]
    assert (bench.out / "quality.svg").is_file()
    found = Measured.model_validate_json((bench.out / "runs" / "quadcopter_mixed.in_place.0.json").read_bytes())
    assert [clip.fault for clip in found.clips] == ["none"] * 2 + [""] * 2
    assert found.n_clips == 8
    assert {kind: len(shares) for kind, shares in found.lasting.disturbances.items()} == {"bangs": 2, "taps": 2, "claps": 2}
    assert len(found.lasting.faults["none"]) == 2
    assert "lasting share: AUC" in first.out
    assert "epoch 1 of 1" in (bench.out / "runs" / "quadcopter_mixed.in_place.0.log").read_text()
    assert sorted(path.name for path in bench.out.iterdir()) == ["quality.json", "quality.svg", "runs"]

    assert run_bench(ROWS, 1, bench) == 0
    second = capsys.readouterr()
    assert "quadcopter_mixed, seed 0: as before" in second.out
    assert second.out.partition("recorded: AUC")[2] == first.out.partition("recorded: AUC")[2] != ""


def test_a_row_that_cannot_be_trained_is_named(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    """With the reason; the exit code says so, and a report that was there stays."""
    folder = write_dataset(bench.recordings / "quadcopter_mixed", machine_type="quadcopter", n_train=1, n_normal=1, n_anomaly=1)
    bench.out.mkdir()
    (bench.out / "quality.json").write_text("{}")
    assert run_bench(["quadcopter_mixed"], 1, bench) == 1
    assert (
        f"not run: quadcopter_mixed, seed 0: {folder / 'dev_data' / 'quadcopter' / 'train'}: expected at least 8" in capsys.readouterr().out
    )
    assert (bench.out / "quality.json").read_text() == "{}"


def test_an_unknown_row_is_refused(bench: Bench) -> None:
    """With the names that there are."""
    with pytest.raises(UsageError, match="pump_hall: no such row; the rows are quadcopter_mixed, "):
        run_bench(["pump_hall"], 1, bench)
