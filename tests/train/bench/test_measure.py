"""Results that are read instead of made again, and the manifest of a data set."""

from dataclasses import replace
from pathlib import Path

import pytest

from aegan_monitor.errors import DataError
from aegan_train.bench.disturbances import Lasting
from aegan_train.bench.keys import make_key
from aegan_train.bench.measure import Measured, measure, read_conditions, read_measured
from aegan_train.bench.rows import SYNTHESISED
from aegan_train.bench.units import Bench, Unit


def test_a_result_with_another_key_or_with_damage_is_none(tmp_path: Path) -> None:
    """It is made again."""
    lasting = Lasting(faults={"leak": [0.9]}, disturbances={"taps": [0.1]})
    found = Measured(key="a", unit="pump", seed=0, fit_s=1, n_clips=8, score="D_near", thresholds={"any": 1.5}, clips=[], lasting=lasting)
    path = tmp_path / "pump.0.json"
    assert read_measured(path, "a") is None
    path.write_text(found.model_dump_json())
    assert read_measured(path, "a") == found
    assert read_measured(path, "b") is None
    path.write_text(found.model_dump_json()[:-5])
    assert read_measured(path, "a") is None


def test_further_normal_clips_are_scored_in_place_alone(bench: Bench, tmp_path: Path) -> None:
    """Of synthesised rows; their number is in the key of these rows."""
    row = replace(SYNTHESISED["press_place"], n_days=4, n_clips=2, n_test_days=1, n_test_clips=2, n_fault_days=0)
    unit, moved = (Unit("small", "press", each) for each in (row, replace(row, in_place=False)))
    more = replace(bench, n_further=3)
    found, _ = measure(unit, 0, more, tmp_path)
    assert len(set(found.further)) == 3
    assert {clip.scores[found.score] for clip in found.clips}.isdisjoint(found.further)
    assert make_key(unit, 0, bench) != make_key(unit, 0, more)
    assert make_key(moved, 0, bench) == make_key(moved, 0, more)


def test_a_manifest_without_conditions_is_refused(tmp_path: Path) -> None:
    """The message names the column."""
    (tmp_path / "manifest.csv").write_text("path,flight\na.wav,1\n")
    with pytest.raises(DataError, match="column missing: condition"):
        read_conditions(tmp_path)
