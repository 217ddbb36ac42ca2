"""The picture of a backtest: score, evidence and state over time, with alarms and labelled faults. Needs matplotlib (extra `plot`)."""

import math

import numpy as np

from aegan_monitor.decision.budget_policy import BudgetPolicy
from aegan_monitor.decision.policy import Policy
from aegan_monitor.decision.threshold_policy import ThresholdPolicy
from aegan_monitor.tools.backtest.result import Course, Result
from aegan_monitor.tools.plot import make_figure, make_png
from aegan_monitor.types import DoubleArray

MOST_COLUMNS = 1000  # of about 1200 pixels; with more decisions each column shows the largest of several
STATES = ("normal", "pending", "alarm", "clearing")
COLOURS = ("C2", "gold", "C3", "C1")


def draw(name: str, policy: Policy, result: Result, course: Course) -> bytes:
    """The picture as the content of a `.png` file, 1200 pixels wide."""
    lines = [f"{name}: {policy.describe()}".replace("; ", ";\n  "), *result.describe()[-3:]]
    figure = make_figure(12, 8)
    score, evidence, state = figure.subplots(3, 1, sharex=True, height_ratios=(4, 2, 1))
    unit, unit_s = ("h", 3600.0) if result.length_s > 7200 else ("min", 60.0)
    pooled, scores = pool(course.times_s, course.scores)
    score.plot(pooled / unit_s, scores, color="C0", linewidth=0.8)
    levels: tuple[tuple[str, float], ...] = ()
    if isinstance(policy, BudgetPolicy):
        levels = (("largest normal block", policy.normal.largest), ("alarms at once", policy.gross_score))
    elif isinstance(policy, ThresholdPolicy):
        levels = (("clears under", policy.threshold.off), ("alarms over", policy.threshold.on))
    for number, (words, level) in enumerate(levels):
        score.axhline(level, color="0.3", linestyle=(":", "--")[number], linewidth=1, label=f"{words}: {level:.4g}")
    score.set_ylabel("score")
    if not all(map(math.isnan, course.evidence)):
        pooled, values = pool(course.times_s, course.evidence)
        evidence.plot(pooled / unit_s, values, color="C4", linewidth=0.8)
    else:
        evidence.text(0.5, 0.5, "a policy of thresholds gathers no evidence", transform=evidence.transAxes, ha="center", va="center")
    evidence.set_ylim(0, 1.05)
    evidence.set_ylabel("evidence")
    ends = np.asarray(course.times_s)
    hop_s = float(np.median(np.diff(ends))) if len(ends) > 1 else 1.0
    edge = 100 * hop_s / result.length_s  # a single decision is seen, too
    places = np.array([STATES.index(each) for each in course.states])
    for place, colour in enumerate(COLOURS):
        state.fill_between(
            ends / unit_s,
            place - 0.4,
            place + 0.4,
            where=places == place,
            step="mid",
            color=colour,
            linewidth=edge,
        )
    state.set_yticks(range(len(STATES)), STATES)
    state.set_ylim(len(STATES) - 0.5, -0.5)
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
    state.set_xlim(0, result.length_s / unit_s)
    state.set_xlabel(f"time in the recordings in {unit}")
    figure.suptitle("\n".join(lines), fontsize=9, x=0.01, ha="left", parse_math=False)
    return make_png(figure)


def pool(times_s: list[float], values: list[float]) -> tuple[DoubleArray, DoubleArray]:
    """At most MOST_COLUMNS points: of several the largest, so that no short event is lost."""
    step = -(-len(values) // MOST_COLUMNS)
    starts = np.arange(0, len(values), step)
    return np.asarray(times_s)[starts], np.fmax.reduceat(np.asarray(values, np.float64), starts)
