"""The commissioning report of a budget as files: what normal sound proves, and which scores raise an alarm."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from textwrap import wrap

import numpy as np

from aegan_monitor.decision.budget_policy import BudgetPolicy
from aegan_monitor.decision.evidence import BETS
from aegan_monitor.decision.proof import Commissioning
from aegan_monitor.tools.plot import make_figure, make_png
from aegan_monitor.tools.report_files import make_folder, write_report

SOON_S = 120.0
MOST_LETTERS = 150  # of a line over the picture
N_POINTS = 200  # of a curve
N_HALVINGS = 40


def write_commissioning(folder: Path, name: str, policy: BudgetPolicy, found: Commissioning, notes: Sequence[str] = ()) -> list[str]:
    """Write NAME.json and NAME.png into `folder`, with `notes`; the lines that say so.

    Raises:
        AeganError: A file cannot be written.
    """
    make_folder(folder, "--report")
    scores = find_scores(policy)
    facts = {
        "name": name,
        "policy": "budget",
        "alarm": policy.describe(),
        "false_alarms_per_week": policy.budget.per_week,
        **asdict(found),
        "largest_normal_score": policy.normal.largest,
        **scores,
        "lines": [*found.describe(), *notes],
    }
    return write_report(folder, name, facts, lambda: draw(name, policy, [*found.describe(), *notes], scores), "--report")


def find_scores(policy: BudgetPolicy) -> dict[str, float]:
    """The scores of a lasting change: from the first on it alarms within 30 s, from the second within SOON_S, under the third never."""
    return {
        "score_within_30_s": policy.gross_score,
        "score_within_120_s": policy.score_within(SOON_S),
        "score_never": policy.normal.score_at(find_useless_p_value(policy.needed)),
    }


def find_useless_p_value(needed: float) -> float:
    """The smallest p-value that raises no alarm, however many blocks have it: what the evidence tends to is less than `needed`."""
    low, high = 0.0, 1.0
    for _ in range(N_HALVINGS):
        middle = (low + high) / 2
        gains = BETS * middle ** (BETS - 1)  # of each bet, by a block
        reaches = bool(gains.max() >= 1) or float((gains / (1 - gains)).mean()) >= needed
        low, high = (middle, high) if reaches else (low, middle)
    return high


def draw(name: str, policy: BudgetPolicy, lines: Sequence[str], scores: dict[str, float]) -> bytes:
    """The share of normal blocks by score, and the scores that alarm, under `lines`, as the content of a `.png` file, 1200 pixels wide."""
    figure = make_figure(12, 8)
    axes = figure.subplots()
    normal = policy.normal
    lowest, end = float(normal.sorted[0]), max(policy.gross_score, normal.largest)
    width = end - lowest
    n = len(normal)
    axes.step(normal.sorted, 1 - np.arange(n) / n, where="pre", color="C0", label=f"share of {n} normal blocks at or above the score")
    inside, beyond = np.linspace(lowest, normal.largest, N_POINTS), np.linspace(normal.largest, end + 0.05 * width, N_POINTS)
    axes.plot(inside, [normal.p_value(x) for x in inside.tolist()], color="C1", label="upper bound with 80 % confidence: the p-value")
    tail = [normal.tail_p_value(x) for x in beyond.tolist()]
    axes.plot(beyond, tail, color="C1", linestyle="--", label="the same beyond all normal blocks: an assumed generalised Pareto tail")
    for (key, words, colour), height in zip(
        (
            ("score_never", "lower scores never alarm", "0.4"),
            ("score_within_120_s", "alarms within 2 minutes", "C3"),
            ("score_within_30_s", "alarms within 30 s", "black"),
        ),
        (0.03, 0.1, 0.5),
        strict=True,
    ):
        axes.axvline(scores[key], color=colour, linestyle=":")
        axes.annotate(
            f"  {scores[key]:.4g}: {words}  ",
            (scores[key], height),
            xycoords=("data", "axes fraction"),
            ha="right" if scores[key] > lowest + width / 2 else "left",
            color=colour,
            bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 1},
        )
    axes.set_yscale("log")
    axes.set_ylim(min(tail) / 2, 1.5)
    axes.set_xlabel(f"highest score of a block of {policy.block_s:.0f} s")
    axes.set_ylabel("probability in normal sound")
    axes.legend(loc="upper right", framealpha=1)
    axes.grid(visible=True, alpha=0.3)
    title = [part for line in (f"{name}: {policy.describe()}", *lines) for part in wrap(line, MOST_LETTERS, subsequent_indent="  ")]
    axes.set_title("\n".join(title), loc="left", fontsize=9, parse_math=False)
    return make_png(figure)
