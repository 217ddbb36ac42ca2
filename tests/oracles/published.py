"""What every message that a test sees published must obey: its topic names its kind, and its payload obeys that kind's schema in docs.

What Home Assistant is reported must obey what that has published (`discovery_options`).
"""

import json
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import TypeVar

from jsonschema import Draft202012Validator

from aegan_monitor.messages.model import Payload
from aegan_monitor.messages.topics import QOS_AND_RETAINED, Topics
from discovery_options import SCHEMAS as DISCOVERY_SCHEMAS
from discovery_options import TOPIC as DISCOVERY_TOPIC

SCHEMAS = Path(__file__).resolve().parents[2] / "docs" / "schemas"
NOT_OURS = ("command", "check")  # what tests, users and `aegan-monitor check` say
DISCOVERY = "homeassistant/"  # what another program has defined

RETAINED = {str(kind) for kind, (_, retained) in QOS_AND_RETAINED.items() if retained}

AnyPayload = TypeVar("AnyPayload", bound=Payload)


@cache
def validator(kind: str) -> Draft202012Validator:
    """Of one kind of message."""
    return Draft202012Validator(json.loads((SCHEMAS / f"{kind}.json").read_text(encoding="utf-8")))


@cache
def discovery_validator(component: str) -> Draft202012Validator:
    """Of one of Home Assistant's components."""
    return Draft202012Validator(DISCOVERY_SCHEMAS[component])


def find_fault(topic: str, payload: str) -> str | None:
    """What is wrong with a message, or None.

    Status is plain text, and an empty payload clears a retained state.
    """
    kind = topic.rsplit("/", 1)[-1]
    found = DISCOVERY_TOPIC.fullmatch(topic.removeprefix(DISCOVERY)) if topic.startswith(DISCOVERY) else None
    if kind in (*NOT_OURS, "picture"):  # which is no text
        return None
    if found is None and kind not in QOS_AND_RETAINED:
        return f"{topic}: no such kind of message"
    if payload == "" and (found or kind in RETAINED):
        return None
    if kind == "status":
        return None if payload in {"online", "offline"} else f"{topic}: neither online nor offline: {payload!r}"
    try:
        parsed = json.loads(payload)
    except ValueError:
        return f"{topic}: no JSON: {payload!r}"
    judge = discovery_validator(found["component"]) if found else validator(kind)
    error = next(judge.iter_errors(parsed), None)
    return None if error is None else f"{topic}: {error.json_path}: {error.message}"


def checked(payloads: Iterable[AnyPayload]) -> list[AnyPayload]:
    """The payloads, once each is right as it would be published."""
    found = list(payloads)
    for payload in found:
        message = Topics("aegan", "hall").message(payload, "pump")
        assert find_fault(message.topic, message.payload.decode()) is None
    return found
