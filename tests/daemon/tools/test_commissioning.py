"""The commissioning report as files."""

import dataclasses
import json
import sys
from pathlib import Path

import numpy as np
import pytest

from aegan_monitor.decision.budget import Budget
from aegan_monitor.decision.budget_policy import BudgetPolicy
from aegan_monitor.decision.proof import Commissioning, commission
from aegan_monitor.detection.record import NormalBlocks
from aegan_monitor.errors import AeganError
from aegan_monitor.tools.commissioning import find_scores, find_useless_p_value, write_commissioning
from story import open_demo


def make_policy(per_week: float) -> BudgetPolicy:
    """The policy of the demo's machine with a few blocks of normal sound."""
    record, scores = open_demo().record, np.random.default_rng(3).normal(size=38).tolist()
    return BudgetPolicy(record, record.score, NormalBlocks(n_clips=1, stretches=[scores]), "recorded", Budget(per_week))


@pytest.mark.process
def test_the_report_has_all_that_is_known_and_a_picture(tmp_path: Path) -> None:
    """The JSON has every field of the report, the budget and the scores that alarm; the picture is 1200 pixels wide."""
    pytest.importorskip("matplotlib")
    policy = make_policy(50)
    found = commission(policy)
    lines = write_commissioning(tmp_path / "new", "pump", policy, found)
    known = json.loads((tmp_path / "new" / "pump.json").read_text())
    for field in dataclasses.fields(Commissioning):
        assert known[field.name] == getattr(found, field.name)
    assert (known["policy"], known["false_alarms_per_week"], known["lines"]) == ("budget", 50, found.describe())
    assert known["score_never"] < known["score_within_120_s"] < known["score_within_30_s"]
    png = (tmp_path / "new" / "pump.png").read_bytes()
    assert (png[:8], int.from_bytes(png[16:20])) == (b"\x89PNG\r\n\x1a\n", 1200)
    assert lines == [f"{tmp_path / 'new' / 'pump.json'} and {tmp_path / 'new' / 'pump.png'}: written"]


def test_without_matplotlib_the_numbers_are_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without matplotlib the JSON is written, and one line says what the picture needs."""
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    policy = make_policy(50)
    lines = write_commissioning(tmp_path, "pump", policy, commission(policy))
    assert [path.name for path in tmp_path.iterdir()] == ["pump.json"]
    assert lines[1] == f"{tmp_path / 'pump.png'}: needs matplotlib: pip install 'aegan-monitor[plot]'; no picture was drawn"


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    """A file in place of the folder is named."""
    (tmp_path / "taken").write_text("")
    policy = make_policy(50)
    with pytest.raises(AeganError, match=r"taken: no folder can be made: .*; choose another --report"):
        write_commissioning(tmp_path / "taken", "pump", policy, commission(policy))


@pytest.mark.parametrize("per_week", [1.0, 10_000.0])
def test_lower_scores_never_alarm(per_week: float) -> None:
    """Just under the p-value a change alarms in the end; just over it the evidence comes to rest."""
    policy = make_policy(per_week)
    useless = find_useless_p_value(policy.needed)
    assert policy.count_blocks(0.99 * useless, 20_000) is not None
    assert policy.count_blocks(1.01 * useless, 20_000) is None
    scores = find_scores(policy)
    assert scores["score_never"] < scores["score_within_120_s"] < scores["score_within_30_s"]
