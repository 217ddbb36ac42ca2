"""The commissioning report, one page for all machines: what normal sound proves about each budget, and which scores raise an alarm."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from textwrap import wrap
from typing import Any

import numpy as np

from aegan_monitor.decision.budget_policy import BudgetPolicy
from aegan_monitor.decision.evidence import BETS
from aegan_monitor.decision.policy import Policy
from aegan_monitor.decision.proof import commission
from aegan_monitor.tools.plot import make_figure, make_png
from aegan_monitor.tools.report_files import make_folder, write_report

NAME = "commissioning"
SOON_S = 120.0
MOST_LETTERS = 150  # of a line over a curve
MOST_DRAWN = 24  # machines in the picture: 15,000 pixels
CURVE_INCHES, WORDS_INCHES, TITLE_INCHES = 6.2, 0.6, 0.4
N_POINTS = 200  # of a curve
N_HALVINGS = 40
UNKNOWN = "nothing is known: its bundle or its alarm settings are wrong"
UNPROVED = "false alarms: unproved; a policy of thresholds promises no rate"


@dataclass(frozen=True, slots=True)
class Section:
    """What is known of one machine, or of one place of a bundle.

    Attributes:
        lines: What raises the alarm, and what is proved; as `check` prints them.
        facts: Its part of the JSON.
        policy: That of a budget of false alarms, which has a curve; None without one.
    """

    name: str
    lines: list[str]
    facts: Mapping[str, object]
    policy: BudgetPolicy | None = None


def make_section(name: str, policy: Policy | None, notes: Sequence[str] = ()) -> Section:
    """What is known of a machine whose alarm `policy` raises; None where that is not known. `notes` are further lines."""
    if policy is None:
        return Section(name, [UNKNOWN], {"name": name, "policy": None})
    if not isinstance(policy, BudgetPolicy):
        return Section(name, [policy.describe(), *(f"  {line}" for line in (UNPROVED, *notes))], {"name": name, "policy": "threshold"})
    found = commission(policy)
    facts = {
        "name": name,
        "policy": "budget",
        "false_alarms_per_week": policy.budget.per_week,
        **asdict(found),
        "largest_normal_score": policy.normal.largest,
        **find_scores(policy),
    }
    return Section(name, [policy.describe(), *(f"  {line}" for line in (*found.describe(), *notes))], facts, policy)


def write_page(folder: Path, title: str, sections: Sequence[Section]) -> list[str]:
    """Write NAME.txt, NAME.json and NAME.png into `folder`; the lines that say so.

    Raises:
        AeganError: A file cannot be written.
    """
    make_folder(folder, "--report")
    lines = [title, *(f"{section.name}: {line}" for section in sections for line in section.lines)]
    facts = {"title": title, "machines": [{**section.facts, "lines": section.lines} for section in sections]}
    return write_report(folder, NAME, lines, facts, lambda: draw(title, sections), "--report")


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


def draw(title: str, sections: Sequence[Section]) -> bytes:
    """The sections one below the other, as the content of a `.png` file, 1200 pixels wide."""
    drawn = sections[:MOST_DRAWN]
    if len(drawn) < len(sections):
        title += f"; the first {MOST_DRAWN} of {len(sections)} machines"
    heights = [WORDS_INCHES if section.policy is None else CURVE_INCHES for section in drawn]
    figure = make_figure(12, TITLE_INCHES + sum(heights))
    figure.suptitle(title, fontsize=10, x=0.01, ha="left", parse_math=False)
    for axes, section in zip(figure.subplots(len(drawn), 1, squeeze=False, height_ratios=heights)[:, 0], drawn, strict=True):
        if section.policy is None:
            axes.set_axis_off()
        else:
            draw_curve(axes, section.policy)
        first, *others = section.lines
        words = [part for line in (f"{section.name}: {first}", *others) for part in wrap(line, MOST_LETTERS, subsequent_indent="    ")]
        axes.set_title("\n".join(words), loc="left", fontsize=9, parse_math=False)
    return make_png(figure)


def draw_curve(axes: Any, policy: BudgetPolicy) -> None:
    """The share of normal blocks by score, and the scores that alarm, on axes of matplotlib."""
    normal, scores = policy.normal, find_scores(policy)
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
