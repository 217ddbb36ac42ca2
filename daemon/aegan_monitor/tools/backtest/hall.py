"""The alarms of many machines together: common causes, and the rate of the hall. Pure."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from aegan_monitor.alarm.common_cause import CommonCause
from aegan_monitor.decision.budget import WEEK_S
from aegan_monitor.decision.proof import least_events, most_events, show_rate


@dataclass(frozen=True, slots=True)
class Raised:
    """An alarm: when, by the clock at the recording, of which machine, and whether it is false."""

    at_s: float
    machine: str
    is_false: bool


@dataclass(frozen=True, slots=True)
class Hall:
    """The figures of a hall.

    Attributes:
        n_alarms: Of all machines.
        causes: Alarms with a common cause together, each group in the order of time, the first one being the one that the others joined.
        weeks: Normal sound of a machine, on average.
    """

    n_alarms: int
    causes: list[list[Raised]]
    weeks: float

    @property
    def n_false(self) -> int:
        """Causes of which each alarm is false."""
        return sum(all(each.is_false for each in cause) for cause in self.causes)

    @property
    def false_per_week(self) -> tuple[float, float, float]:
        """False causes in a week of the hall: measured, least and most; least and most each hold with 95 % confidence."""
        if not self.weeks:
            return 0.0, 0.0, math.inf
        return self.n_false / self.weeks, least_events(self.n_false) / self.weeks, most_events(self.n_false) / self.weeks

    def describe(self) -> str:
        """One line."""
        rate, least, most = map(show, self.false_per_week)
        return (
            f"alarms {self.n_alarms}, causes {len(self.causes)}, of these false {self.n_false}, "
            f"false a week {rate} (at least {least}, at most {most}, each with 95 % confidence)"
        )

    def make_facts(self) -> dict[str, object]:
        """Its part of the JSON."""
        rate, least, most = self.false_per_week
        shared = [cause for cause in self.causes if len(cause) > 1]
        times = [datetime.fromtimestamp(cause[0].at_s, UTC).isoformat(timespec="seconds") for cause in shared]
        common = [{"at": at, "machines": [each.machine for each in cause]} for at, cause in zip(times, shared, strict=True)]
        return {
            "n_alarms": self.n_alarms,
            "n_causes": len(self.causes),
            "n_false_causes": self.n_false,
            "weeks": self.weeks,
            "false_per_week": rate,
            "false_per_week_at_least": least,
            "false_per_week_at_most": most if math.isfinite(most) else None,
            "common_causes": common,
        }


def join_alarms(machines: Mapping[str, Mapping[str, Any]], starts_s: Mapping[str, float], window_s: float) -> Hall:
    """The hall of these machines, by their figures (`backtest.json`).

    Args:
        machines: Figures by name.
        starts_s: When each recording began, by its path.
        window_s: Alarms of other machines that are no further apart have a common cause.
    """
    alarms = []
    for name, facts in machines.items():
        alarms += [Raised(starts_s[each["file"]] + each["offset_s"], name, each["is_false"]) for each in facts["alarms"]]
    found, groups = CommonCause(window_s), dict[str, list[Raised]]()
    for number, alarm in enumerate(sorted(alarms, key=lambda each: (each.at_s, each.machine))):
        at = datetime.fromtimestamp(alarm.at_s, UTC)
        case = found.find(alarm.machine, at)
        if case is None:
            case = str(number)
            found.note(alarm.machine, case, at)
        groups.setdefault(case, []).append(alarm)
    weeks = sum(facts["normal_s"] for facts in machines.values()) / WEEK_S / max(1, len(machines))
    return Hall(len(alarms), list(groups.values()), weeks)


def choose_budget(machines: Mapping[str, Mapping[str, Any]], place: int) -> dict[str, Mapping[str, Any]]:
    """The figures of the machines with one of the other budgets, by its place."""
    others: Mapping[str, Sequence[Mapping[str, Any]]] = {name: facts["other_budgets"] for name, facts in machines.items()}
    return {name: each[place] for name, each in others.items() if place < len(each)}


def show(per_week: float) -> str:
    """A rate with three digits."""
    return show_rate(per_week) if per_week and math.isfinite(per_week) else "0" if not per_week else "any"
