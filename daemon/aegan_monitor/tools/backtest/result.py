"""The figures of a backtest: alarms and their rate, time in each state, delay of each labelled fault."""

import math
from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from aegan_monitor.decision.budget import WEEK_S
from aegan_monitor.decision.proof import least_events, most_events
from aegan_monitor.files import show_path
from aegan_monitor.tools.progress import format_offset


@dataclass(slots=True)
class Alarm:
    """An alarm of a backtest.

    Attributes:
        raised_s, ended_s: In the stream; None if it was active at its end.
        file, offset_s: Where it was raised.
        is_false: It began outside of all labels.
    """

    raised_s: float
    file: Path
    offset_s: float
    score: float
    ended_s: float | None = None
    is_false: bool = True


@dataclass(frozen=True, slots=True)
class Fault:
    """A labelled fault, in seconds of the stream, and what became of it.

    Attributes:
        offset_s: Its start in its file.
        delay_s: From its start to the alarm; None without one.
        was_active: An alarm from before was active when it began, so that nothing can be said of it.
    """

    file: Path
    start_s: float
    end_s: float
    what: str
    offset_s: float
    delay_s: float | None = None
    was_active: bool = False

    @property
    def place(self) -> str:
        """File and offset."""
        return f"{show_path(self.file.name)} at {format_offset(self.offset_s)}"

    @property
    def verdict(self) -> str:
        """In words."""
        if self.was_active:
            return "an alarm was active before"
        return "missed" if self.delay_s is None else f"found after {self.delay_s:.0f} s"


@dataclass(slots=True)
class Course:
    """What happened, one value a decision, one each `hop_s`: 40 bytes a decision, or 100 MB for a month.

    Attributes:
        times_s: End of the clip in s of the stream.
        evidence: NaN for a policy of thresholds.
        states: Of the alarm.
        operating: Operating states; empty names with a bundle that knows none.
    """

    hop_s: float
    times_s: "array[float]" = field(default_factory=lambda: array("d"))
    scores: "array[float]" = field(default_factory=lambda: array("d"))
    evidence: "array[float]" = field(default_factory=lambda: array("d"))
    states: list[str] = field(default_factory=list)
    operating: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Result:
    """The figures of a backtest.

    Attributes:
        length_s, scored_s: Of the recordings, and of what a score has covered.
        normal_s: Of that, outside of all labels.
        state_s: Scored time in each state of the alarm.
    """

    length_s: float
    scored_s: float
    normal_s: float
    state_s: dict[str, float]
    alarms: list[Alarm]
    faults: list[Fault]

    @property
    def n_false(self) -> int:
        """Alarms that began outside of all labels."""
        return sum(alarm.is_false for alarm in self.alarms)

    @property
    def false_per_week(self) -> tuple[float, float, float]:
        """False alarms in a week of normal sound: measured, least and most; least and most each hold with 95 % confidence."""
        weeks = self.normal_s / WEEK_S
        if not weeks:
            return 0.0, 0.0, math.inf
        return self.n_false / weeks, least_events(self.n_false) / weeks, most_events(self.n_false) / weeks

    def sum_up(self) -> str:
        """Alarms, the most false ones a week, and what became of the faults, in one line."""
        found = (
            f"; labelled faults: {len(self.faults)}, found {sum(each.delay_s is not None for each in self.faults)}" if self.faults else ""
        )
        rate, _, most = map(_show_rate, self.false_per_week)
        return f"alarms {len(self.alarms)}, false {self.n_false}, false a week {rate} (at most {most}){found}"

    def describe(self) -> list[str]:
        """The lines of the result."""
        hours = self.length_s / 3600
        lines = [f"{hours:.2f} h of recordings, {100 * self.scored_s / self.length_s:.1f} % of it heard and judged"]
        lines += [
            f"fault {each.what}, {show_path(each.file.name)} at {format_offset(each.offset_s)}: {each.verdict}" for each in self.faults
        ]
        where = ""
        if self.faults:
            n_found = sum(fault.delay_s is not None for fault in self.faults)
            lines.append(f"labelled faults: {len(self.faults)}, found {n_found}")
            where = " outside of the labels"
        rate, least, most = map(_show_rate, self.false_per_week)
        limits = f"at least {least}, at most {most}, each with 95 % confidence"
        lines.append(f"alarms: {len(self.alarms)}, false {self.n_false}" + ("" if where else " (without labels each counts as false)"))
        lines.append(f"false alarms a week: {rate} ({limits}), by {self.normal_s / 3600:.2f} h{where}")
        lines.append("time in each state: " + ", ".join(f"{state} {format_offset(seconds)}" for state, seconds in self.state_s.items()))
        return lines


def judge_alarms(alarms: list[Alarm], faults: Sequence[Fault], lag_s: float) -> list[Fault]:
    """The faults with what became of them; sets `is_false` of the alarms.

    Args:
        lag_s: A block of sound: an alarm up to so long after a fault is still of it.
    """
    found = []
    for fault in faults:
        inside = [alarm for alarm in alarms if fault.start_s <= alarm.raised_s <= fault.end_s + lag_s]
        for alarm in inside:
            alarm.is_false = False
        before = any(alarm.raised_s < fault.start_s and (alarm.ended_s is None or alarm.ended_s > fault.start_s) for alarm in alarms)
        delay_s = inside[0].raised_s - fault.start_s if inside and not before else None
        found.append(replace(fault, delay_s=delay_s, was_active=before))
    return found


def measure_normal(spans_s: Sequence[tuple[float, float]], faults: Sequence[Fault]) -> float:
    """Seconds of the scored `spans_s` (start, end), in order, that lie in no fault."""
    total, covered = 0.0, sorted((fault.start_s, fault.end_s) for fault in faults)
    for start, end in spans_s:
        place = start
        for low, high in covered:
            if high > place and low < end:
                total += max(0.0, low - place)
                place = min(end, high)
        total += end - place
    return total


def _show_rate(per_week: float) -> str:
    return f"{per_week:.0f}" if per_week >= 100 else f"{per_week:.3g}"
