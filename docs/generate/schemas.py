"""JSON Schemas of the payloads (`docs/schemas`) and of the configuration (`configs/monitor.schema.json`)."""

import json
from typing import Any

from pydantic.json_schema import GenerateJsonSchema

from aegan_monitor.config.model import MonitorConfig
from aegan_monitor.messages.model import Payload
from aegan_monitor.messages.payloads import PAYLOADS


class _UntitledSchema(GenerateJsonSchema):
    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002 - the base's signature
        return False  # a title would only repeat the key


def config_schema_text() -> str:
    """The JSON Schema (2020-12) of the configuration."""
    schema = MonitorConfig.model_json_schema(schema_generator=_UntitledSchema)
    return json.dumps({"$schema": GenerateJsonSchema.schema_dialect, **schema}, indent=2) + "\n"


def schema_texts() -> dict[str, str]:
    """The JSON Schema of every payload, keyed by its file's name in `docs/schemas`."""
    return {f"{payload.KIND}.json": json.dumps(make_schema(payload), indent=2) + "\n" for payload in PAYLOADS}


def make_schema(payload: type[Payload]) -> dict[str, Any]:
    """The JSON Schema (2020-12) of a payload."""
    schema = payload.model_json_schema(mode="serialization" if payload.OURS else "validation")
    schema["required"] = [name for name in schema["required"] if name not in payload.LATER]
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}
