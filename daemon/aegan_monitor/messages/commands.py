"""Parses commands and makes results."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import get_args

from pydantic import ValidationError
from pydantic_core import from_json

from aegan_monitor.messages.command_payloads import Command, CommandName, Result

MAX_ECHO = 64  # characters of a received text in an answer, as of an id


@dataclass(frozen=True, slots=True)
class Refusal:
    """A refused command: the reason, and its name and id, if readable."""

    reason: str
    command: CommandName | None = None
    id: str | None = None


def parse(payload: bytes, max_bytes: int) -> Command | Refusal:
    """The command in a payload, or its refusal."""
    if len(payload) > max_bytes:
        return Refusal(f"larger than {max_bytes} bytes")
    try:
        fields = from_json(payload, allow_inf_nan=False)
    except ValueError as error:  # not UTF-8, not JSON, nested too deeply
        return Refusal(f"no JSON: {error}"[:200])
    if not isinstance(fields, dict):
        return Refusal("expected a JSON object")
    try:
        return Command.model_validate(fields)
    except ValidationError as error:
        name, command_id = fields.get("command"), fields.get("id")
        is_readable = isinstance(command_id, str) and len(command_id) <= MAX_ECHO
        return Refusal(_explain(error), name if name in get_args(CommandName) else None, command_id if is_readable else None)


def make_result(command: Command | Refusal, reason: str, time: datetime) -> Result:
    """The result of a refusal, or of a command: accepted if `reason` is empty."""
    reason = command.reason if isinstance(command, Refusal) else reason
    return Result(time=time, command=command.command, id=command.id, accepted=not reason, reason=reason)


def _explain(error: ValidationError) -> str:
    """The first problem."""
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    text = first["msg"].removeprefix("Value error, ")
    where = ".".join(map(str, first["loc"]))[:MAX_ECHO]
    return f"{where}: {text[:1].lower()}{text[1:]}" if where else text


class TokenBucket:
    """Rate limit: `burst` at once, then `per_s` a second."""

    def __init__(self, burst: float, per_s: float, clock: Callable[[], float]) -> None:
        self._burst, self._per_s, self._clock = burst, per_s, clock
        self._tokens, self._filled_s = burst, clock()

    def take(self) -> bool:
        """Take a token; False if there is none."""
        now_s = self._clock()
        self._tokens = min(self._burst, self._tokens + (now_s - self._filled_s) * self._per_s)
        self._filled_s = now_s
        passes = self._tokens >= 1
        self._tokens -= passes
        return passes
