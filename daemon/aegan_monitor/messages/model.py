"""Kinds of messages, times, and the base of the payload models."""

from datetime import UTC, datetime
from typing import Annotated, ClassVar, Literal, TypeAlias

from pydantic import AwareDatetime, BaseModel, ConfigDict, PlainSerializer, WithJsonSchema

Kind: TypeAlias = Literal["status", "health", "score", "alarm", "event", "sensor", "command", "result", "picture", "discovery", "note"]
AlarmState: TypeAlias = Literal["normal", "pending", "alarm", "clearing"]

SCHEMA_WORDS = "Names this form and its version."


def format_time(moment: datetime) -> str:
    """RFC 3339 in UTC with milliseconds, as in `2026-01-31T08:15:00.250Z`."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


_TIME_SCHEMA = {
    "type": "string",
    "format": "date-time",
    "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$",
    "examples": ["2026-01-31T08:15:00.250Z"],
}
UtcTime = Annotated[AwareDatetime, PlainSerializer(format_time), WithJsonSchema(_TIME_SCHEMA, mode="serialization")]


class Model(BaseModel):
    """Base of the models: frozen, without unknown fields, NaN and infinity (which JSON lacks)."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", allow_inf_nan=False, serialize_by_alias=True, json_schema_serialization_defaults_required=True
    )


class Payload(Model):
    """A JSON payload: `schema` comes first and names the format and its version.

    `docs/reference/mqtt.md` is generated from docstrings, descriptions and examples (or defaults).
    """

    KIND: ClassVar[Kind]
    OF_MACHINE: ClassVar[bool] = True  # only health belongs to the node
    OURS: ClassVar[bool] = True  # only a command comes from others: fields with a default are optional
    LATER: ClassVar[frozenset[str]] = frozenset()  # fields that older versions did not store
