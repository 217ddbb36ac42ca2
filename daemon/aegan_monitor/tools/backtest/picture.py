"""The picture of a backtest: score, evidence, alarm and machine over time, with labelled faults. Needs matplotlib (extra `plot`)."""

import math
from collections.abc import Sequence

import numpy as np

from aegan_monitor.decision.budget_policy import BudgetPolicy
from aegan_monitor.decision.policy import Policy
from aegan_monitor.decision.threshold_policy import ThresholdPolicy
from aegan_monitor.tools.backtest.result import Course, Result
from aegan_monitor.tools.plot import make_figure, make_png
from aegan_monitor.types import DoubleArray

MOST_COLUMNS = 1000  # of about 1200 pixels; with more decisions each column shows the largest of several
COLOURS = {"normal": "C2", "pending": "gold", "alarm": "C3", "clearing": "C1"}


def draw(name: str, policy: Policy, result: Result, course: Course) -> bytes:
    """The picture as the content of a `.png` file, 1200 pixels wide."""
    lines = [f"{name}: {policy.describe()}".replace("; ", ";\n  "), *result.describe()[-3:]]
    rows = {"alarm": (course.states, COLOURS), "machine": (course.operating, find_colours(course.operating))}
    figure = make_figure(12, 9)
    score, evidence, *states = figure.subplots(4, 1, sharex=True, height_ratios=(4, 2, 1, 1))
    unit, unit_s = ("h", 3600.0) if result.length_s > 7200 else ("min", 60.0)
    pooled, scores = pool(course, course.scores)
    score.plot(pooled / unit_s, scores, color="C0", linewidth=0.8)
    for (words, level), style in zip(find_levels(policy).items(), (":", "--"), strict=False):
        score.axhline(level, color="0.3", linestyle=style, linewidth=1, label=f"{words}: {level:.4g}")
    score.set_ylabel("score")
    if not all(map(math.isnan, course.evidence)):
        pooled, values = pool(course, course.evidence)
        evidence.plot(pooled / unit_s, values, color="C4", linewidth=0.8)
    else:
        nothing = "a policy of thresholds gathers no evidence"
        evidence.text(0.5, 0.5, nothing, transform=evidence.transAxes, ha="center", va="center", backgroundcolor="white")
    evidence.set_ylim(0, 1.05)
    evidence.set_ylabel("evidence")
    for axes, (what, (found, colours)) in zip(states, rows.items(), strict=True):
        for place, (each, colour) in enumerate(colours.items()):
            bars = [(start / unit_s, (end - start) / unit_s) for start, end in find_stretches(course, found, each)]
            axes.broken_barh(bars, (place - 0.4, 0.8), color=colour, linewidth=0.5)  # a line, so that a single decision is seen, too
        axes.set_yticks(range(len(colours)), [name or "the bundle knows no states" for name in colours])
        axes.set_ylim(len(colours) - 0.5, -0.5)
        axes.set_ylabel(what)
    for axes in (score, evidence):
        for number, alarm in enumerate(result.alarms):
            end_s = result.length_s if alarm.ended_s is None else alarm.ended_s
            axes.axvspan(alarm.raised_s / unit_s, end_s / unit_s, color="C3", alpha=0.15, label="alarm" if number == 0 else None)
        for number, fault in enumerate(result.faults):
            axes.axvspan(
                fault.start_s / unit_s, fault.end_s / unit_s, fill=False, edgecolor="0.3", hatch="///", alpha=0.25,
                label="labelled fault" if number == 0 else None,
            )  # fmt: skip
    for fault in result.faults:
        score.annotate(
            f"{fault.what}: {fault.verdict}", (fault.start_s / unit_s, 0.98), xycoords=("data", "axes fraction"), ha="right", va="top",
            fontsize=8, rotation=90, parse_math=False, bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 1},
        )  # fmt: skip
    score.legend(loc="upper left", fontsize=8)
    states[-1].set_xlim(0, result.length_s / unit_s)
    states[-1].set_xlabel(f"time in the recordings in {unit}")
    figure.suptitle("\n".join(lines), fontsize=9, x=0.01, ha="left", parse_math=False)
    return make_png(figure)


def find_levels(policy: Policy) -> dict[str, float]:
    """The two scores that matter to the policy, the lower one first."""
    if isinstance(policy, BudgetPolicy):
        return {"largest normal block": policy.normal.largest, "alarms within 30 s": policy.gross_score}
    if isinstance(policy, ThresholdPolicy):
        return {"clears under": policy.threshold.off, "alarms over": policy.threshold.on}
    return {}


def pool(course: Course, values: Sequence[float]) -> tuple[DoubleArray, DoubleArray]:
    """At most MOST_COLUMNS times and values, of several the largest, so that no short event is lost; a NaN where nothing was heard."""
    step = -(-len(values) // MOST_COLUMNS)
    starts = np.arange(0, len(values), step)
    times_s, largest = np.asarray(course.times_s)[starts], np.fmax.reduceat(np.asarray(values, np.float64), starts)
    gaps = np.flatnonzero(np.diff(times_s) > (step + 0.5) * course.hop_s) + 1
    return np.insert(times_s, gaps, times_s[gaps]), np.insert(largest, gaps, np.nan)


def find_colours(operating: Sequence[str]) -> dict[str, str]:
    """A colour for each operating state that occurs, in the order of their names; grey for one that was never recorded."""
    names = sorted(set(operating))
    return {name: "0.5" if name == "unknown" else f"C{9 - place % 6}" for place, name in enumerate(names)}


def find_stretches(course: Course, states: Sequence[str], state: str) -> list[tuple[float, float]]:
    """Start and end in s of each stretch of decisions with this one of the `states` of the decisions."""
    found: list[tuple[float, float]] = []
    for end_s, each in zip(course.times_s, states, strict=True):
        if each != state:
            continue
        is_next = bool(found) and end_s - found[-1][1] < 1.5 * course.hop_s
        found.append((found.pop()[0] if is_next else end_s - course.hop_s, end_s))
    return found
