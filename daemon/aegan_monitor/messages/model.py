"""What all payloads have in common: kinds of messages, times, and the base of the models."""

from datetime import UTC, datetime
from typing import Annotated, ClassVar, Literal, TypeAlias

from pydantic import AwareDatetime, BaseModel, ConfigDict, PlainSerializer, WithJsonSchema

Kind: TypeAlias = Literal["status", "health", "score", "alarm", "event", "sensor", "command", "result", "discovery"]


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
    """Frozen, with no field that is not named here, and no NaN or infinity: JSON has none."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", allow_inf_nan=False, serialize_by_alias=True, json_schema_serialization_defaults_required=True
    )


class Payload(Model):
    """What all JSON payloads have in common: `schema` comes first and names the form and its version.

    `docs/reference/mqtt.md` is generated from the docstrings, descriptions and examples. A field without an example gets one from its
    default or type.
    """

    KIND: ClassVar[Kind]
    OF_MACHINE: ClassVar[bool] = True  # health alone is the node's
    OURS: ClassVar[bool] = True  # a command alone is what others say: fields with a default may be left out
    LATER: ClassVar[frozenset[str]] = frozenset()  # fields that came after the first version, of what waits on a disk
