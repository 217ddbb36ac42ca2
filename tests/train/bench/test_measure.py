"""Results that are read instead of made again, and the manifest of a data set."""

from pathlib import Path

import pytest

from aegan_monitor.errors import DataError
from aegan_train.bench.disturbances import Lasting
from aegan_train.bench.measure import Measured, read_conditions, read_measured


def test_a_result_with_another_key_or_with_damage_is_none(tmp_path: Path) -> None:
    """It is made again."""
    lasting = Lasting(faults={"leak": [0.9]}, disturbances={"taps": [0.1]})
    found = Measured(key="a", unit="pump", seed=0, fit_s=1, n_clips=8, score="D_near", threshold=1.5, clips=[], lasting=lasting)
    path = tmp_path / "pump.0.json"
    assert read_measured(path, "a") is None
    path.write_text(found.model_dump_json())
    assert read_measured(path, "a") == found
    assert read_measured(path, "b") is None
    path.write_text(found.model_dump_json()[:-5])
    assert read_measured(path, "a") is None


def test_a_manifest_without_conditions_is_refused(tmp_path: Path) -> None:
    """The message names the column."""
    (tmp_path / "manifest.csv").write_text("path,flight\na.wav,1\n")
    with pytest.raises(DataError, match="column missing: condition"):
        read_conditions(tmp_path)
