"""What every message that a test sees published must obey: its topic names its kind, and its payload obeys that kind's schema in docs."""

import json
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import TypeVar

from jsonschema import Draft202012Validator

from aegan_monitor.messages import QOS_AND_RETAINED, Payload, Topics

SCHEMAS = Path(__file__).resolve().parent.parent / "docs" / "schemas"
NOT_OURS = ("command", "check")  # what tests, users and `aegan-monitor check` say
DISCOVERY = "homeassistant"  # first level of what another program has defined

RETAINED = {str(kind) for kind, (_, retained) in QOS_AND_RETAINED.items() if retained}

AnyPayload = TypeVar("AnyPayload", bound=Payload)


@cache
def validator(kind: str) -> Draft202012Validator:
    """Of one kind of message."""
    return Draft202012Validator(json.loads((SCHEMAS / f"{kind}.json").read_text(encoding="utf-8")))


def find_fault(topic: str, payload: str) -> str | None:
    """What is wrong with a message, or None.

    Status is plain text, discovery has no schema of ours, and an empty payload clears a retained state.
    """
    first, kind = topic.split("/", 1)[0], topic.rsplit("/", 1)[-1]
    if kind in NOT_OURS:
        return None
    if first != DISCOVERY and kind not in QOS_AND_RETAINED:
        return f"{topic}: no such kind of message"
    if kind == "status":
        return None if payload in {"online", "offline"} else f"{topic}: neither online nor offline: {payload!r}"
    if payload == "" and (first == DISCOVERY or kind in RETAINED):
        return None
    try:
        parsed = json.loads(payload)
    except ValueError:
        return f"{topic}: no JSON: {payload!r}"
    error = None if first == DISCOVERY else next(validator(kind).iter_errors(parsed), None)
    return None if error is None else f"{topic}: {error.json_path}: {error.message}"


def checked(payloads: Iterable[AnyPayload]) -> list[AnyPayload]:
    """The payloads, once each is right as it would be published."""
    found = list(payloads)
    for payload in found:
        message = Topics("aegan", "hall").message(payload, "pump")
        assert find_fault(message.topic, message.payload.decode()) is None
    return found
