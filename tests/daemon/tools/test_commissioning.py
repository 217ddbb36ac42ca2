"""The commissioning report of all machines as files."""

import dataclasses
import json
import sys
from pathlib import Path

import numpy as np
import pytest

from aegan_monitor.decision.budget import Budget
from aegan_monitor.decision.budget_policy import BudgetPolicy
from aegan_monitor.decision.proof import Commissioning, commission
from aegan_monitor.decision.threshold_policy import ThresholdPolicy
from aegan_monitor.detection.record import NormalBlocks
from aegan_monitor.errors import AeganError
from aegan_monitor.tools.commissioning import Section, find_scores, find_useless_p_value, make_section, write_page
from story import open_demo


def make_policy(per_week: float) -> BudgetPolicy:
    """The policy of the demo's machine with a few blocks of normal sound."""
    record, scores = open_demo().record, np.random.default_rng(3).normal(size=38).tolist()
    return BudgetPolicy(record, record.score, NormalBlocks(n_clips=1, stretches=[scores]), "recorded", Budget(per_week))


def make_sections() -> list[Section]:
    """A machine with a budget, one that thresholds decide, and one whose bundle is wrong."""
    record = open_demo().record
    return [
        make_section("pump", make_policy(50), ["a note"]),
        make_section("fan", ThresholdPolicy(record, record.score)),
        make_section("press", None),
    ]


@pytest.mark.process
def test_the_page_has_all_machines_and_a_picture(tmp_path: Path) -> None:
    """The JSON has every field of each budget and the scores that alarm, the text all lines; the picture is 1200 pixels wide."""
    pytest.importorskip("matplotlib")
    sections, folder = make_sections(), tmp_path / "new"
    lines = write_page(folder, "node hall", sections)
    known = json.loads((folder / "commissioning.json").read_text())
    assert known["title"] == "node hall"
    pump, fan, press = known["machines"]
    found = commission(make_policy(50))
    for field in dataclasses.fields(Commissioning):
        assert pump[field.name] == getattr(found, field.name)
    assert (pump["policy"], pump["false_alarms_per_week"], pump["lines"]) == ("budget", 50, sections[0].lines)
    assert [line.strip() for line in pump["lines"][1:]] == [*(line.strip() for line in found.describe()), "a note"]
    assert pump["score_never"] < pump["score_within_120_s"] < pump["score_within_30_s"]
    assert (fan["policy"], press["policy"]) == ("threshold", None)
    text = (folder / "commissioning.txt").read_text().splitlines()
    assert text == known["lines"] == ["node hall", *(f"{each.name}: {line}" for each in sections for line in each.lines)]
    assert text[-1] == "press: nothing is known: its bundle or its alarm settings are wrong"
    png = (folder / "commissioning.png").read_bytes()
    assert (png[:8], int.from_bytes(png[16:20])) == (b"\x89PNG\r\n\x1a\n", 1200)
    assert lines == [f"{folder}/commissioning.txt, {folder}/commissioning.json and {folder}/commissioning.png: written"]


def test_without_matplotlib_the_numbers_are_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without matplotlib text and JSON are written, and one line says what the picture needs."""
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    lines = write_page(tmp_path, "node hall", make_sections())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["commissioning.json", "commissioning.txt"]
    assert lines[1] == f"{tmp_path}/commissioning.png: needs matplotlib: pip install 'aegan-monitor[plot]'; no picture was drawn"


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    """A file in place of the folder is named."""
    (tmp_path / "taken").write_text("")
    with pytest.raises(AeganError, match=r"taken: no folder can be made: .*; choose another --report"):
        write_page(tmp_path / "taken", "node hall", make_sections())


@pytest.mark.parametrize("per_week", [1.0, 10_000.0])
def test_lower_scores_never_alarm(per_week: float) -> None:
    """Just under the p-value a change alarms in the end; just over it the evidence comes to rest."""
    policy = make_policy(per_week)
    useless = find_useless_p_value(policy.needed)
    assert policy.count_blocks(0.99 * useless, 20_000) is not None
    assert policy.count_blocks(1.01 * useless, 20_000) is None
    scores = find_scores(policy)
    assert scores["score_never"] < scores["score_within_120_s"] < scores["score_within_30_s"]
