"""What is published: topics, payloads and how each kind is delivered. `docs/schemas` is generated from here."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, ClassVar, Literal, TypeAlias

from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PlainSerializer,
    ValidationError,
    WithJsonSchema,
)

Kind: TypeAlias = Literal["status", "health", "score", "alarm", "event", "sensor"]
AlarmState: TypeAlias = Literal["normal", "pending", "alarm", "clearing"]
EventKind: TypeAlias = Literal["raised", "cleared"]

QOS_AND_RETAINED: dict[Kind, tuple[int, bool]] = {
    "status": (1, True),
    "health": (0, True),
    "score": (0, False),
    "alarm": (1, True),
    "event": (1, False),
    "sensor": (1, True),
}


def format_time(moment: datetime) -> str:
    """RFC 3339 in UTC with milliseconds, as in `2026-01-31T08:15:00.250Z`."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


_TIME_SCHEMA = {"type": "string", "format": "date-time", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$"}
UtcTime = Annotated[AwareDatetime, PlainSerializer(format_time), WithJsonSchema(_TIME_SCHEMA, mode="serialization")]


class Model(BaseModel):
    """Frozen, with no field that is not named here, and no NaN or infinity: JSON has none."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", allow_inf_nan=False, serialize_by_alias=True, json_schema_serialization_defaults_required=True
    )


class Payload(Model):
    """What all JSON payloads have in common: `schema` comes first and names the form and its version."""

    KIND: ClassVar[Kind]


class MachineHealth(Model):
    """How the line of one machine fares."""

    state: AlarmState
    sensor: str = Field(description="As in the sensor topic: `ok` or the fault.")
    coverage_percent: float = Field(ge=0, le=100, description="Part of the time since start that a score covers.")
    dropped_samples_total: NonNegativeInt
    gaps_total: NonNegativeInt


class Health(Payload):
    """How the daemon fares."""

    KIND = "health"
    schema_: Literal["aegan.health/1"] = Field(default="aegan.health/1", alias="schema")
    time: UtcTime
    version: str
    uptime_s: NonNegativeFloat
    provider: str = Field(description="ONNX Runtime's provider that is actually in use.")
    providers_requested: tuple[str, ...]
    machines: dict[str, MachineHealth]
    outbox_depth: NonNegativeInt = Field(description="Messages that the broker has not acknowledged.")
    outbox_unheard: NonNegativeInt = Field(default=0, description="Of these, events that wait for a subscriber (seen under MQTT 5 only).")
    outbox_parked: NonNegativeInt = Field(default=0, description="Of these, events that the broker refuses (seen under MQTT 5 only).")
    outbox_dropped_total: NonNegativeInt = Field(description="Events lost because the outbox was full, or because they waited too long.")
    outbox_late_total: NonNegativeInt = Field(default=0, description="Scores that were not sent because they were late.")
    outbox_problem: str = Field(default="", description="Why events are not on disk but in memory alone; empty if they are on disk.")
    refused_total: NonNegativeInt = Field(default=0, description="Messages that the broker refused (seen under MQTT 5 only).")
    broker_problem: str = Field(default="", description="The last trouble with the broker since the start; empty if there was none.")
    rss_bytes: NonNegativeInt


class Score(Payload):
    """One decision of one machine."""

    KIND = "score"
    schema_: Literal["aegan.score/1"] = Field(default="aegan.score/1", alias="schema")
    time: UtcTime
    sample: NonNegativeInt = Field(description="Index of the sample after the last that the score saw.")
    stream_s: NonNegativeFloat = Field(description="The same in seconds since the capture opened.")
    score_id: str
    score: float
    normalised: float = Field(description="The score on the scale of normal sound that the bundle carries.")
    threshold: float
    exceeded: bool
    level_dbfs: float
    state: AlarmState


class Alarm(Payload):
    """The alarm's present state."""

    KIND = "alarm"
    schema_: Literal["aegan.alarm/1"] = Field(default="aegan.alarm/1", alias="schema")
    state: AlarmState
    active: bool = Field(description="True from `raised` to `cleared`: in the states alarm and clearing.")
    since: UtcTime
    score: float
    threshold: float
    event_id: str | None = Field(description="The id of the last event, null before the first.")


class Event(Payload):
    """One transition of the alarm that somebody must hear of."""

    KIND = "event"
    schema_: Literal["aegan.event/1"] = Field(default="aegan.event/1", alias="schema")
    id: str = Field(min_length=1, description="A UUID; a message that arrives twice carries the same one.")
    sequence: NonNegativeInt = Field(description="Counts the events of one machine, without a hole, over restarts of the daemon too.")
    kind: EventKind
    time: UtcTime
    sample: NonNegativeInt
    cause: str = Field(description="One short sentence for people.")
    score_id: str
    score: float
    threshold: float
    duration_s: NonNegativeFloat | None = Field(description="How long the alarm was active; null for `raised`.")


class LastEvent(BaseModel):
    """What a start of the daemon has to know of the last event of a machine; reads any version that says so much."""

    id: str
    sequence: NonNegativeInt
    kind: str
    time: AwareDatetime


def read_last_event(payload: bytes | None) -> LastEvent | None:
    """The last event, unless there was none or its payload says something else."""
    try:
        return None if payload is None else LastEvent.model_validate_json(payload)
    except ValidationError:
        return None


class Sensor(Payload):
    """Whether the machine can be heard."""

    KIND = "sensor"
    schema_: Literal["aegan.sensor/1"] = Field(default="aegan.sensor/1", alias="schema")
    state: str = Field(pattern="^[a-z][a-z_]*$", description="`ok`, or a fault such as `missing` or `stalled`; others may join.")
    detail: str = Field(description="One line for people: what is wrong and what to do; empty for `ok`.")
    since: UtcTime


PAYLOADS: tuple[type[Payload], ...] = (Health, Score, Alarm, Event, Sensor)


@dataclass(frozen=True, slots=True)
class Message:
    """What the broker gets; `kind` decides how the outbox keeps it."""

    topic: str
    payload: bytes
    qos: int
    retained: bool
    kind: Kind


@dataclass(frozen=True, slots=True)
class Topics:
    """Names of topics: `<base>/<node>/<kind>` for the daemon, `<base>/<node>/<machine>/<kind>` for a machine."""

    base: str
    node: str

    def name(self, kind: Kind, machine: str | None = None) -> str:
        """The topic of one kind of message."""
        return self.of_node(kind) if machine is None else self.of_node(f"{machine}/{kind}")

    def of_node(self, rest: str) -> str:
        """A topic below the node's."""
        return f"{self.base}/{self.node}/{rest}"

    def status(self, online: bool) -> Message:
        """`online` or `offline`, in plain text."""
        return self._message("status", None, b"online" if online else b"offline")

    def message(self, payload: Payload, machine: str | None = None) -> Message:
        """The payload as compact JSON on its topic; health alone belongs to no machine."""
        return self._message(payload.KIND, machine, payload.model_dump_json().encode())

    def _message(self, kind: Kind, machine: str | None, payload: bytes) -> Message:
        qos, retained = QOS_AND_RETAINED[kind]
        return Message(self.name(kind, machine), payload, qos, retained, kind)


def schema_texts() -> dict[str, str]:
    """The JSON Schema of every payload, keyed by its file's name in `docs/schemas`."""
    return {f"{payload.KIND}.json": _schema_text(payload) for payload in PAYLOADS}


def _schema_text(payload: type[Payload]) -> str:
    schema = payload.model_json_schema(mode="serialization")
    return json.dumps({"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}, indent=2) + "\n"
