"""The JSON of answers and requests that is no MQTT payload. The description of the interface is generated from these models."""

from typing import Annotated, Literal

from pydantic import AwareDatetime, BeforeValidator, ConfigDict, Field

from aegan_monitor.messages.case import Severity, Verdict
from aegan_monitor.messages.machine_health import MachineHealth
from aegan_monitor.messages.model import Model, UtcTime
from aegan_monitor.messages.payloads import Alarm, Event, Score, Sensor

MOST_POINTS, MOST_ROWS = 5000, 1000


class Problem(Model):
    """A request that was refused, or that failed."""

    error: str = Field(description="One line that says what to do.", examples=["no machine 'pump2'; there are: pump"])


class MachineState(Model):
    """The present state of a machine: the newest message of each kind."""

    name: str = Field(description="As in the configuration.", examples=["pump"])
    alarm: Alarm | None = Field(description="Null before the first message, as for the others.")
    sensor: Sensor | None = Field(description="Whether the machine can be heard.")
    score: Score | None = Field(description="The last decision. It is old while the sensor is not `ok`: look at its time.")
    health: MachineHealth | None = Field(description="As in the health message of this moment.")
    sample_rate_hz: int = Field(description="Of its sound.", examples=[16_000])


class Machines(Model):
    """All machines that are monitored now, in the order of the configuration."""

    node: str = Field(description="Name of the device.", examples=["hall"])
    listens: bool = Field(description="Whether sound can be listened to; false in privacy mode.")
    machines: list[MachineState] = Field(description="One entry each.")


class Session(Model):
    """Who is logged in."""

    role: Literal["reader", "operator"] | None = Field(description="Null: log in first.", examples=["operator"])
    name: str = Field(description="Name of the person; empty if it is not known.", examples=["Anna"])
    needs_token: bool = Field(description="Whether a token must be sent to POST session; false on the loopback address without a token.")


class Login(Model):
    """A token, exchanged for a cookie."""

    model_config = ConfigDict(strict=True)
    token: str = Field(min_length=1, max_length=1000, description="As in `web.token_file` or `web.reader_token_file`.")
    name: str = Field(default="", max_length=64, description="Name of the person, for what the history says.", examples=["Anna"])


Time = Annotated[AwareDatetime, BeforeValidator(lambda value: value.replace(" ", "+") if isinstance(value, str) else value)]
"""RFC 3339. In a query a `+` that was not encoded arrives as a blank."""


class Period(Model):
    """A part of the history."""

    begin: Time | None = Field(default=None, description="First time, RFC 3339; null: a day before `end`.")
    end: Time | None = Field(default=None, description="Last time; null: now.")


class SeriesQuery(Period):
    """A part of the series of a machine."""

    points: int = Field(default=1000, ge=1, le=MOST_POINTS, description="At most so many points: the finest step that fits is taken.")


class Series(Model):
    """Downsampled scores, evidence and levels, one value a step in each list; null where nothing was heard."""

    step_s: float = Field(description="Seconds from point to point.", examples=[60.0])
    times_s: list[float] = Field(description="Beginning of each step, in seconds since 1970, UTC.")
    score_mean: list[float | None] = Field(description="Mean of the scores.")
    score_max: list[float | None] = Field(description="Largest score.")
    evidence_max: list[float | None] = Field(description="Largest evidence.")
    level_mean: list[float | None] = Field(description="Mean level, in dBFS.")


class EventsQuery(Period):
    """A part of the events."""

    machine: str | None = Field(default=None, max_length=100, description="Of this machine alone.")
    limit: int = Field(default=200, ge=1, le=MOST_ROWS, description="At most so many, the newest.")


class CasesQuery(EventsQuery):
    """A part of the cases."""

    unseen: bool = Field(default=False, description="Only those that nobody has seen.")


class CaseRow(Model):
    """One case."""

    id: str = Field(description="As in the alarm message.")
    machine: str = Field(description="Name of the machine.", examples=["pump"])
    began_at: UtcTime = Field(description="When its first alarm became pending.")
    ended_at: UtcTime | None = Field(description="When its last alarm ended; null while it is active.")
    severity: Severity = Field(description="As in the event.", examples=["medium"])
    cause: str = Field(description="As in the event.")
    explanation: dict[str, object] | None = Field(description="As in the event.", examples=[None])
    evidence: float | None = Field(description="The strongest, from 0 to 1.", examples=[1.0])
    verdict: Verdict | None = Field(description="What a person found.", examples=["true_fault"])
    comment: str = Field(description="Of that person.")
    seen: bool = Field(description="Whether somebody has looked at it.")
    n_recurrences: int = Field(description="How often the alarm came back.")
    files: list[str] = Field(default=[], description="What there is of `sound.flac`, `normal.flac` and `picture.png`.")


class Cases(Model):
    """Cases, the newest first."""

    cases: list[CaseRow] = Field(description="One entry each.")


class Events(Model):
    """Events, the newest first."""

    events: list[Event] = Field(description="As published; `machine` of each in `machines`, in the same order.")
    machines: list[str] = Field(description="Names of the machines.", examples=[["pump"]])


class CaseMark(Model):
    """What a person says of a case; what is left out stays."""

    model_config = ConfigDict(strict=True)
    verdict: Verdict | None = Field(default=None, description="What the person found.", examples=["true_fault"])
    comment: str | None = Field(default=None, max_length=1000, description="In words.")
    seen: bool = Field(default=True, description="False: as if nobody had looked at it.")
