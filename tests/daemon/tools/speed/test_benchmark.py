"""The table of `aegan-monitor benchmark`."""

from dataclasses import replace
from pathlib import Path

from aegan_monitor.tools.speed.benchmark import COLUMNS, Box, describe
from aegan_monitor.tools.speed.measure import Figures

FIGURES = Figures("cpu", "fp32", 112.34, 23.45, 4.06, 6.02, 321, 120.4, 0.91, 1.0, None)
BOX = Box("pump", "edge", "F_joint", ["embedding", "generator"], "AMD EPYC", 2, 1, {"aegan-monitor": "0.2.0", "onnxruntime": "1.32.0"})


def test_the_table_has_a_column_for_each_figure() -> None:
    """Columns are aligned, and each figure stands under its heading with its unit; without a network there is no rate of segments."""
    without = replace(FIGURES, provider="openvino", segments_per_s=None, watts=12.3)
    _, *rows = describe([FIGURES, without], BOX, 5.0, Path("bundles/pump"))[:4]
    assert len({len(row) for row in rows}) == 1
    assert rows[0].split("  ")[0] == "provider"
    assert rows[1].split() == ["cpu", "fp32", "112.3", "23.4", "4.1", "ms", "6.0", "ms", "120", "MB", "0.91", "s", "-"]
    assert rows[2].split() == ["openvino", "fp32", "-", "23.4", "4.1", "ms", "6.0", "ms", "120", "MB", "0.91", "s", "12.3", "W"]


def test_one_line_for_an_issue_report_says_all() -> None:
    """The last line has the bundle, the computer, the versions, and every figure with its name."""
    last = describe([FIGURES], BOX, None, Path("bundles/pump"))[-1]
    for part in ("pump", "edge", "F_joint", "embedding and generator", "AMD EPYC, 2 cores", "onnxruntime 1.32.0", "segments/s 112.3"):
        assert part in last
    assert all(f"{name} {text(FIGURES)}" in last for name, text in COLUMNS.items())


def test_a_busy_computer_and_missing_counters_are_said() -> None:
    """A line says that other programs took the processor, another one that power is not measured; both only where it is so."""
    quiet, busy = (describe([replace(FIGURES, processor_share=share)], BOX, None, Path("b")) for share in (0.97, 0.5))
    (more,) = set(busy[:-1]) - set(quiet)
    assert "50 % of a core" in more
    assert "measure again" in more
    assert any(line.startswith("power: not measured") for line in quiet)
    assert any("5.0 W" in line for line in describe([FIGURES], BOX, 5.0, Path("b")))
