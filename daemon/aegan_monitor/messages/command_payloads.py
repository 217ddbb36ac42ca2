"""The payloads of commands and of their results."""

from typing import Literal, Self, TypeAlias

from pydantic import ConfigDict, Field, model_validator

from aegan_monitor.messages.case import Verdict
from aegan_monitor.messages.model import SCHEMA_WORDS, Payload, UtcTime

CommandName: TypeAlias = Literal["acknowledge", "shelve", "unshelve", "out_of_service", "in_service", "close"]

MAX_SHELF_S = 7 * 86_400.0
DEFAULT_SHELF_S = 3600.0


class Command(Payload):
    """A command to one machine's alarm; `{"command": "acknowledge"}` is enough."""

    model_config = ConfigDict(strict=True)
    KIND = "command"
    OURS = False
    schema_: Literal["aegan.command/1"] = Field(default="aegan.command/1", alias="schema", description=SCHEMA_WORDS)
    command: CommandName = Field(
        description="`acknowledge` the active alarm, `shelve` the alarm (suppress it for a time), `unshelve` it, take it "
        "`out_of_service` (suppress it until `in_service`), or `close` the active alarm (end it without a decision; it is raised again "
        "if the machine still sounds wrong).",
        examples=["shelve"],
    )
    id: str | None = Field(default=None, max_length=64, description="Comes back in the result.", examples=["42"])
    duration_s: float | None = Field(
        default=None,
        ge=1,
        le=MAX_SHELF_S,
        description="For `shelve` alone: how long, in seconds, at most 7 days; null is an hour.",
        examples=[1800.0],
    )
    event_id: str | None = Field(
        default=None,
        max_length=64,
        description="For `acknowledge` and `close`: the id of an event of the alarm, or the `alarm_id` of the state. "
        "The command is refused if another alarm is active. Null: it is for the active alarm, whichever that is.",
        examples=[None],
    )
    by: str = Field(default="", max_length=64, description="Name of the person, for the event.", examples=["Anna"])
    reason: str = Field(default="", max_length=200, description="Comment, for the event.", examples=["the bearing is ordered"])

    verdict: Verdict | None = Field(
        default=None,
        description="For `acknowledge` and `close`: what a person found. It is kept with the case, and stands in its events.",
        examples=[None],
    )

    @model_validator(mode="after")
    def _each_has_its_own(self) -> Self:
        if self.duration_s is not None and self.command != "shelve":
            raise ValueError("duration_s belongs to shelve alone")
        if self.event_id is not None and self.command not in ("acknowledge", "close"):
            raise ValueError("event_id belongs to acknowledge and close")
        if self.verdict is not None and self.command not in ("acknowledge", "close"):
            raise ValueError("verdict belongs to acknowledge and close")
        return self


class Result(Payload):
    """The answer to a command."""

    KIND = "result"
    schema_: Literal["aegan.result/1"] = Field(default="aegan.result/1", alias="schema", description=SCHEMA_WORDS)
    time: UtcTime = Field(description="When it was obeyed or refused.")
    command: CommandName | None = Field(description="Which command; null if that could not be read.", examples=["shelve"])
    id: str | None = Field(max_length=64, description="The command's own; null if it had none, or it could not be read.", examples=["42"])
    accepted: bool = Field(description="Whether it was obeyed.", examples=[True])
    reason: str = Field(description="Why not; empty if it was obeyed.")
