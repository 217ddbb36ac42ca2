"""The picture of the bench: a line a row, with the AUCs of the label-free choice, of the best baseline and of the oracle."""

import statistics
from collections.abc import Sequence
from html import escape
from pathlib import Path

from aegan_train.bench.figures import SeedFigures
from aegan_train.bench.report import Rows, group
from aegan_train.run_folder import write_atomically

PICTURE = "quality.svg"
LEAST_AUC, MOST_AUC = 0.4, 1.0  # ends of the axis; what lies outside is drawn at its end
LEFT, WIDTH, LINE, TOP = 170, 560, 22, 56  # px
STYLE = (
    "text{font:12px sans-serif}.grid{stroke:#ddd}.seeds{stroke:#1f5fa8;stroke-width:2}"
    ".label-free{fill:#1f5fa8}.baseline{fill:#d98200}.oracle{stroke:#555;stroke-width:2}"
)


def place(auc: float) -> float:
    """The horizontal place of an AUC in px."""
    return LEFT + WIDTH * (min(max(auc, LEAST_AUC), MOST_AUC) - LEAST_AUC) / (MOST_AUC - LEAST_AUC)


def draw(rows: Rows) -> str:
    """The picture as SVG; marks are means of the seeds, and a thin line spans the seeds of the label-free choice."""
    n_lines = sum(len(members) + 1 for members in group(rows).values())
    height = TOP + n_lines * LINE + 10
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{LEFT + WIDTH + 30}" height="{height}"><style>{STYLE}</style>',
        '<rect width="100%" height="100%" fill="white"/>',
        *legend(),
    ]
    for tenth in range(4, 11):
        x = place(tenth / 10)
        parts.append(f'<line class="grid" x1="{x:.1f}" y1="{TOP - 6}" x2="{x:.1f}" y2="{height - 10}"/>')
        parts.append(f'<text x="{x:.1f}" y="{TOP - 12}" text-anchor="middle">{tenth / 10:.1f}</text>')
    y = TOP
    for title, members in group(rows).items():
        parts.append(f'<text x="8" y="{y + 16}" font-weight="bold">{escape(title)}</text>')
        for name, row in members.items():
            y += LINE
            parts += draw_row(name, row, y + LINE / 2)
        y += LINE
    return "\n".join([*parts, "</svg>", ""])


def legend() -> list[str]:
    """The three marks and their names."""
    return [
        f'<circle class="label-free" cx="{LEFT}" cy="16" r="5"/><text x="{LEFT + 10}" y="20">label-free choice</text>',
        f'<rect class="baseline" x="{LEFT + 145}" y="12" width="8" height="8"/><text x="{LEFT + 160}" y="20">best baseline</text>',
        f'<line class="oracle" x1="{LEFT + 270}" y1="9" x2="{LEFT + 270}" y2="23"/><text x="{LEFT + 278}" y="20">oracle; AUC</text>',
    ]


def draw_row(name: str, row: Sequence[SeedFigures], y: float) -> list[str]:
    """The name and the marks of a row."""
    label_free, baseline, oracle = (
        place(statistics.fmean(getattr(each, what).auc for each in row)) for what in ("label_free", "baseline", "oracle")
    )
    ends = [place(pick(each.label_free.auc for each in row)) for pick in (min, max)]
    return [
        f'<text x="16" y="{y + 4}">{escape(name)}</text>',
        f'<line class="oracle" x1="{oracle:.1f}" y1="{y - 7}" x2="{oracle:.1f}" y2="{y + 7}"/>',
        f'<rect class="baseline" x="{baseline - 4:.1f}" y="{y - 4}" width="8" height="8"/>',
        f'<line class="seeds" x1="{ends[0]:.1f}" y1="{y}" x2="{ends[1]:.1f}" y2="{y}"/>',
        f'<circle class="label-free" cx="{label_free:.1f}" cy="{y}" r="5"/>',
    ]


def write_picture(rows: Rows, out: Path) -> None:
    """Write the picture.

    Raises:
        WriteError: The disk is full, or the folder cannot be written.
    """
    write_atomically(out / PICTURE, lambda path: path.write_text(draw(rows), encoding="utf-8"))
