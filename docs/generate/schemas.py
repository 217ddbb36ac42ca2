"""The JSON Schemas of what is published, as `docs/schemas` has them."""

import json
from typing import Any

from aegan_monitor.messages.model import Payload
from aegan_monitor.messages.payloads import PAYLOADS


def schema_texts() -> dict[str, str]:
    """The JSON Schema of every payload, keyed by its file's name in `docs/schemas`."""
    return {f"{payload.KIND}.json": json.dumps(make_schema(payload), indent=2) + "\n" for payload in PAYLOADS}


def make_schema(payload: type[Payload]) -> dict[str, Any]:
    """The JSON Schema (2020-12) of a payload."""
    schema = payload.model_json_schema(mode="serialization" if payload.OURS else "validation")
    schema["required"] = [name for name in schema["required"] if name not in payload.LATER]
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}
