"""The picture of the bench: a line a row, with the AUCs of the label-free choice, of the best baseline and of the oracle."""

import statistics
from collections.abc import Sequence
from html import escape
from pathlib import Path

from aegan_train.bench.figures import SeedFigures, summarise
from aegan_train.bench.report import Rows, group
from aegan_train.run_folder import write_atomically

PICTURE = "quality.svg"
LEAST_AUC, MOST_AUC = 0.4, 1.0  # ends of the axis; what lies outside is drawn at its end
LEFT, WIDTH, LINE, TOP = 170, 560, 22, 116  # px
RIGHT = LEFT + WIDTH + 80
STYLE = (
    "text{font:12px sans-serif}.grid{stroke:#ddd}.seeds{stroke:#1f5fa8;stroke-width:2}"
    ".label-free{fill:#1f5fa8}.baseline{fill:none;stroke:#d98200;stroke-width:2.5}.oracle{stroke:#555;stroke-width:2}"
)


def place(auc: float) -> float:
    """The horizontal place of an AUC in px."""
    return LEFT + WIDTH * (min(max(auc, LEAST_AUC), MOST_AUC) - LEAST_AUC) / (MOST_AUC - LEAST_AUC)


def draw(rows: Rows) -> str:
    """The picture as SVG; marks are means of the seeds, and a thin line spans the seeds of the label-free choice."""
    n_lines = sum(len(members) + 1 for members in group(rows).values())
    height = TOP + n_lines * LINE + 10
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{RIGHT}" height="{height}"><style>{STYLE}</style>',
        '<rect width="100%" height="100%" fill="white"/>',
        *legend(),
    ]
    for tenth in range(4, 11):
        x = place(tenth / 10)
        parts.append(f'<line class="grid" x1="{x:.1f}" y1="{TOP - 6}" x2="{x:.1f}" y2="{height - 10}"/>')
        parts.append(f'<text x="{x:.1f}" y="{TOP - 12}" text-anchor="middle">{tenth / 10:.1f}</text>')
    y = TOP
    for title, members in group(rows).items():
        found = summarise(members)
        words = f"{title}: mean {found.auc:.3f}, worst {found.worst_auc:.3f}"
        parts.append(f'<text x="8" y="{y + 16}" font-weight="bold">{escape(words)}</text>')
        for name, row in members.items():
            y += LINE
            parts += draw_row(name, row, y + LINE / 2)
        y += LINE
    return "\n".join([*parts, "</svg>", ""])


def legend() -> list[str]:
    """The three marks and their names, and the title of the axis."""
    marks = (
        (draw_label_free(LEFT, 16), "the score that decides, chosen without labels; the line spans the seeds"),
        (draw_baseline(LEFT, 36), "the best score without a network, chosen by the labels"),
        (draw_oracle(LEFT, 56), "the best score of all, chosen by the labels"),
    )
    texts = [f'<text x="{LEFT + 14}" y="{20 * line + 20}">{text}</text>' for line, (_, text) in enumerate(marks)]
    return [*(mark for mark, _ in marks), *texts, f'<text x="{LEFT}" y="84">AUC of the test clips: 0.5 is chance, 1 is perfect</text>']


def draw_label_free(x: float, y: float) -> str:
    """The mark of the label-free choice."""
    return f'<circle class="label-free" cx="{x:.1f}" cy="{y}" r="5"/>'


def draw_baseline(x: float, y: float) -> str:
    """The mark of the best baseline; hollow, because the others may lie at the same place."""
    return f'<rect class="baseline" x="{x - 6.5:.1f}" y="{y - 6.5}" width="13" height="13"/>'


def draw_oracle(x: float, y: float) -> str:
    """The mark of the oracle."""
    return f'<line class="oracle" x1="{x:.1f}" y1="{y - 10}" x2="{x:.1f}" y2="{y + 10}"/>'


def draw_row(name: str, row: Sequence[SeedFigures], y: float) -> list[str]:
    """The name and the marks of a row, and the AUC of its label-free choice."""
    label_free, baseline, oracle = (
        statistics.fmean(getattr(each, what).auc for each in row) for what in ("label_free", "baseline", "oracle")
    )
    ends = [place(pick(each.label_free.auc for each in row)) for pick in (min, max)]
    return [
        f'<text x="16" y="{y + 4}">{escape(name)}</text>',
        draw_oracle(place(oracle), y),
        f'<line class="seeds" x1="{ends[0]:.1f}" y1="{y}" x2="{ends[1]:.1f}" y2="{y}"/>',
        draw_label_free(place(label_free), y),
        draw_baseline(place(baseline), y),
        f'<text x="{LEFT + WIDTH + 20}" y="{y + 4}">{label_free:.3f}</text>',
    ]


def write_picture(rows: Rows, out: Path) -> None:
    """Write the picture.

    Raises:
        WriteError: The disk is full, or the folder cannot be written.
    """
    write_atomically(out / PICTURE, lambda path: path.write_text(draw(rows), encoding="utf-8"))
