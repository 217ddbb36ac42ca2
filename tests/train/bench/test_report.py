"""The tables and the picture of the bench."""

import json
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from aegan_train.bench.figures import Figure, SeedFigures
from aegan_train.bench.plot import place, write_picture
from aegan_train.bench.report import describe_rows, write_report
from aegan_train.bench.rows import GROUPS, ROWS

SVG = "{http://www.w3.org/2000/svg}"


def make_figures(seed: int, auc: float, **fusions: float) -> SeedFigures:
    """A row with one fault whose label-free choice has this AUC."""
    label_free, baseline, oracle = Figure("D_near", auc, 0.6), Figure("C_mel_near", 0.7, 0.6), Figure("G_x_2_max", 0.95, 0.9)
    others = {name: Figure(name, value, value) for name, value in fusions.items()}
    return SeedFigures(
        seed,
        label_free,
        (0.7, 0.9),
        {"hot": auc},
        "any",
        (0.0, 0.5),
        baseline,
        oracle,
        others,
        {"all": auc, "taps": auc},
        130,
        72,
        {"hot": 0.5},
        2000,
        seed,
    )


ROWS_FOUND = {
    "fan_tapping": [make_figures(0, 0.5)],
    "pump_halls": [make_figures(0, 0.8, F_plain=0.75), make_figures(1, 0.9, F_plain=0.75)],
    "rotor_halls": [make_figures(0, 0.6), make_figures(1, 0.6)],
}


def test_the_report_has_a_line_a_run_and_a_summary_a_group() -> None:
    """Joined scores are columns; what does not count stands apart."""
    lines = list(describe_rows(ROWS_FOUND))
    assert [line for line in lines if line.endswith("AUC / pAUC")] == ["synthesised: AUC / pAUC", "does not count: AUC / pAUC"]
    head, first, *_ = lines[1:]
    assert head.split()[:3] == ["row", "seed", "label-free"]
    assert "F_plain" in head
    assert first.startswith("pump_halls")
    for part in ("0.800 / 0.600 D_near", "0.700 to 0.900", "0.750 / 0.750", "0.700 / 0.600 C_mel_near", "0.950 / 0.900 G_x_2_max", "0.150"):
        assert part in first
    assert first.index("0.750 / 0.750") == head.index("F_plain")
    assert first.split()[-4:] == ["50%", "2", "min", "72"]
    words = [" ".join(line.split()) for line in lines]
    assert "pump_halls 0.850 / 0.600 0.100 / 0.000 0.100 hot 0.850" in words
    assert "pump_halls 0, 1 of 2000 hot 50%" in words
    assert "synthesised 0.725 / 0.600 0.050 / 0.000 0.225 0.600 / 0.600" in words


def test_the_figures_are_in_json(tmp_path: Path) -> None:
    """With the reasons of what was not run."""
    write_report(ROWS_FOUND, {"fan_blade": "no such file"}, tmp_path)
    found = json.loads((tmp_path / "quality.json").read_text())
    assert found["rows"]["pump_halls"]["seeds"][1]["label_free"] == {"score": "D_near", "auc": 0.9, "pauc": 0.6}
    assert found["rows"]["pump_halls"]["seeds"][0]["regret"] == 0.95 - 0.8
    assert found["rows"]["pump_halls"]["summary"]["spread_auc"] == pytest.approx(0.1)
    assert found["groups"]["synthesised"]["worst_auc"] == 0.6
    assert found["not_run"] == {"fan_blade": "no such file"}


def test_the_picture_has_three_marks_a_row(tmp_path: Path) -> None:
    """The label-free mark is at the mean of the seeds."""
    write_picture(ROWS_FOUND, tmp_path)
    picture = ET.parse(tmp_path / "quality.svg")  # noqa: S314 - our own file
    n_rows_and_legend = len(ROWS_FOUND) + 1
    marks = {
        kind: picture.findall(f".//{SVG}{tag}[@class='{kind}']")
        for kind, tag in (("label-free", "circle"), ("baseline", "rect"), ("oracle", "line"))
    }
    assert {kind: len(found) for kind, found in marks.items()} == dict.fromkeys(marks, n_rows_and_legend)
    assert f"{place(0.85):.1f}" in [mark.get("cx") for mark in marks["label-free"]]
    named = [text.text for text in picture.iter(f"{SVG}text")]
    assert [name for name in named if name in ROWS_FOUND] == ["pump_halls", "rotor_halls", "fan_tapping"]


def test_every_row_is_in_one_group() -> None:
    """So no row is left out of the report."""
    assert sorted(name for names in GROUPS.values() for name in names) == sorted(ROWS)


def test_the_report_says_how_well_the_share_separates_short_sounds() -> None:
    """A line a row: against all short sounds together, and against each, as means over the seeds."""
    lines = list(describe_rows(ROWS_FOUND))
    first = lines.index("lasting share: AUC between faults and normal clips with a short sound, over the seeds")
    assert lines[first + 3].split() == ["pump_halls", "0.850", "taps", "0.850"]
