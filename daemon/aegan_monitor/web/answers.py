"""The JSON of answers and requests that is no MQTT payload. The description of the interface is generated from these models."""

from typing import Annotated, Literal

from pydantic import AwareDatetime, BeforeValidator, ConfigDict, Field

from aegan_monitor.history.rows import HistoryCase, HistoryEvent
from aegan_monitor.messages.case import Verdict
from aegan_monitor.messages.machine_health import MachineHealth
from aegan_monitor.messages.model import Model
from aegan_monitor.messages.payloads import Alarm, Score, Sensor

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
    demo_fault: bool | None = Field(
        default=None, description="Whether the fault of a synthesised machine is switched on; null for any other machine."
    )


class Machines(Model):
    """All machines that are monitored now, in the order of the configuration."""

    node: str = Field(description="Name of the device.", examples=["hall"])
    listens: bool = Field(description="Whether sound can be listened to; false in privacy mode.")
    machines: list[MachineState] = Field(description="One entry each.")


class Commissioning(Model):
    """The commissioning report of a machine, as `aegan-monitor check` prints it."""

    lines: list[str] = Field(description="Lines of text; none where thresholds decide, and not a budget of false alarms.")


class DemoFault(Model):
    """A fault of the demo, to be switched on or off."""

    model_config = ConfigDict(strict=True)
    machine: str = Field(max_length=100, description="Name of the machine.")
    faulty: bool = Field(description="Whether it is to sound faulty.")


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

    begin: Time | None = Field(default=None, description="First time, RFC 3339; null: a day before `end`, or before now.")
    end: Time | None = Field(default=None, description="Last time; null: no limit, or now for scores.")


class SeriesQuery(Period):
    """A part of the series of a machine."""

    points: int = Field(default=1000, ge=2, le=MOST_POINTS, description="At most so many points: the finest step that fits is taken.")


class EventsQuery(Period):
    """A part of the events."""

    machine: str | None = Field(default=None, max_length=100, description="Of this machine alone.")
    limit: int = Field(default=200, ge=1, le=MOST_ROWS, description="At most so many, the newest.")
    with_daemon: bool = Field(default=False, description="With `machine`: also those of the daemon itself, which have no machine.")


class CasesQuery(Period):
    """A part of the cases."""

    machine: str | None = Field(default=None, max_length=100, description="Of this machine alone.")
    limit: int = Field(default=200, ge=1, le=MOST_ROWS, description="At most so many, the newest.")
    unseen: bool = Field(default=False, description="Only those that are not marked as seen.")


class CaseQuery(Model):
    """Which of the cases with one id."""

    machine: str | None = Field(
        default=None, max_length=100, description="With a common cause each machine has a case of its own; null: that of the first."
    )


class Case(HistoryCase):
    """One case, and what there is to see and hear of it."""

    files: list[str] = Field(description="[Evidence](../how-to/evidence.md) that there is of it.", examples=[["picture.png", "case.json"]])


class Cases(Model):
    """Cases that lasted at some time of the period, the newest first."""

    cases: list[Case] = Field(description="One entry each.")


class Events(Model):
    """Events, the newest first."""

    events: list[HistoryEvent] = Field(description="One entry each.")


class CaseMark(Model):
    """What a person says of a case; what is left out stays."""

    model_config = ConfigDict(strict=True)
    verdict: Verdict | None = Field(default=None, description="What the person found.", examples=["true_fault"])
    comment: str | None = Field(default=None, max_length=1000, description="In words.")
    seen: bool = Field(default=True, description="False: not seen yet.")
    by: str = Field(default="", max_length=64, description="Name of the person, where the session does not know it.", examples=["Anna"])
