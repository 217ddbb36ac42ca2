"""What the history gives: events, cases and series."""

from typing import Literal, TypeAlias

from pydantic import Field

from aegan_monitor.messages.case import Severity, Verdict
from aegan_monitor.messages.explanation import Explanation
from aegan_monitor.messages.model import Model, UtcTime

Source: TypeAlias = Literal["alarm", "sensor", "command", "case", "daemon"]


class HistoryEvent(Model):
    """Something that happened."""

    number: int = Field(description="Counts the events as they were stored, whatever the clock said.")
    time: UtcTime = Field(description="When it happened, by the wall clock.")
    machine: str | None = Field(description="Name of the machine; null for the daemon.")
    source: Source = Field(
        description="`alarm`: an event of an alarm; `sensor`: the state of a microphone; `command`: a command and its answer; `case`: what "
        "a person said of a case; `daemon`: start, stop, reload."
    )
    kind: str = Field(description="Kind of the event, state of the sensor, name of the command, or `marked`, `start`, `stop`, `reload`.")
    text: str = Field(description="One line for people.")
    by: str = Field(description="Name of the person; empty if there is none.")
    case_id: str | None = Field(description="The case that it belongs to.")


class HistoryCase(Model):
    """One case of one machine. Machines with a common cause have a case each, with the same id."""

    id: str = Field(description="As in the event.")
    machine: str = Field(description="Name of the machine.")
    began_at: UtcTime = Field(description="When the first alarm of the case became pending.")
    ended_at: UtcTime | None = Field(description="When its last alarm ended; null while one is active.")
    severity: Severity = Field(description="As in the event.")
    cause: str = Field(description="Of its newest `raised` event.")
    explanation: Explanation | None = Field(description="Of its newest `raised` event.")
    evidence: float | None = Field(description="The strongest, from 0 to 1; null for a policy of thresholds.")
    n_recurrences: int = Field(description="How often the alarm came back.")
    common: bool = Field(description="Whether another machine raised its alarm shortly before.")
    verdict: Verdict | None = Field(description="What a person found.")
    comment: str = Field(description="What a person wrote.")
    marked_by: str = Field(description="Who marked it last.")
    seen: bool = Field(description="Whether a person has seen it.")


class Series(Model):
    """Scores of one machine over time, a point for each width of time in which there was a decision."""

    step_s: int = Field(description="Width of a point in seconds; a larger step between two points is a gap.")
    times: tuple[int, ...] = Field(description="When each point begins, in seconds since 1970.")
    score_mean: tuple[float, ...] = Field(description="Mean of the decisions' scores.")
    score_max: tuple[float, ...] = Field(description="The highest.")
    evidence_max: tuple[float | None, ...] = Field(description="The highest evidence, from 0 to 1; null where the policy has none.")
    level_mean: tuple[float, ...] = Field(description="Mean level in dBFS.")
