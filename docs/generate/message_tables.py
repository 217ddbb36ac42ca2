"""The parts of `docs/reference/mqtt.md` that follow from the payload models: the topics, each payload's example and fields."""

import json
from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

from aegan_monitor.messages.model import Kind, Payload
from aegan_monitor.messages.payloads import PAYLOADS
from aegan_monitor.messages.topics import QOS_AND_RETAINED
from marked_parts import make_table
from schemas import make_schema

UNMODELLED: dict[Kind, tuple[str, str]] = {  # topic and meaning of each kind whose payload is no model of ours
    "status": ("<base>/status", "`online` or `offline`, plain text; `offline` is also the last will"),
    "picture": (
        "<base>/<machine>/picture",
        "a small picture of the last alarm (PNG, 100 KB at most), with [`evidence.mqtt_picture`](configuration.md#evidence)",
    ),
    "discovery": (
        "<prefix>/<component>/<node>_<machine>/<entity>/config",
        "[an entity for Home Assistant](../how-to/home-assistant.md)",
    ),
}

Schema: TypeAlias = Mapping[str, Any]

_NOTHING: dict[str, object] = {"string": "", "integer": 0, "number": 0.0, "boolean": False, "array": [], "null": None, "object": {}}
_EXAMPLE_WIDTH = 140


def topics_table() -> str:
    """Every kind of message: its topic, how it is delivered, and what it is."""
    rows = [
        (f"`{topic}`", str(qos), "yes" if retained else "no", what)
        for kind, (qos, retained) in QOS_AND_RETAINED.items()
        for topic, what in [describe(kind)]
    ]
    return make_table(("topic", "QoS", "retained", "what"), rows)


def describe(kind: Kind) -> tuple[str, str]:
    """Topic and meaning."""
    payload = next((payload for payload in PAYLOADS if kind == payload.KIND), None)
    if payload is None:
        return UNMODELLED[kind]
    topic = f"<base>/<machine>/{kind}" if payload.OF_MACHINE else f"<base>/{kind}"
    words = _first_sentence(make_schema(payload))
    return topic, f"[{words[:1].lower()}{words[1:].rstrip('.')}](#{kind})"


def payload_sections() -> str:
    """One section a payload: what it is, an example, its fields."""
    return "\n".join(_section(payload) for payload in PAYLOADS)


def fields_table(schema: Schema) -> str:
    """The fields of a model, one a line."""
    return "\n".join(_fields(schema))


def make_example(payload: type[Payload]) -> dict[str, Any]:
    """A payload that satisfies its schema: from the examples of its fields, else from their defaults and types."""
    schema = make_schema(payload)
    return dict(_example_of(schema, schema))


def _section(payload: type[Payload]) -> str:
    schema = make_schema(payload)
    lines = [f"### {payload.KIND}", f"{schema['description'].strip()} [Schema](../schemas/{payload.KIND}.json)", ""]
    lines += ["```json", _wrap(make_example(payload)), "```", "", *_fields(schema)]
    for name, inner in schema.get("$defs", {}).items():
        lines += ["", f"{name}: {_first_sentence(inner)}", "", *_fields(inner)]
    return "\n".join(lines) + "\n"


def _fields(schema: Schema) -> Iterator[str]:
    yield "| field | type | what |"
    yield "|---|---|---|"
    for name, field in schema.get("properties", {}).items():
        yield f"| `{name}` | {_type_of(field)} | {field.get('description', '')} |".replace("\n", " ")


def _type_of(field: Schema) -> str:
    if choices := field.get("anyOf") or field.get("oneOf"):
        return " or ".join(map(_type_of, choices))
    if "$ref" in field:
        return _name_of(field["$ref"])
    if constants := field.get("enum") or ([field["const"]] if "const" in field else []):
        return ", ".join(f"`{constant}`" for constant in constants)
    if field.get("format") == "date-time":
        return "time"
    kind = field.get("type", "anything")
    inner = field.get("items", field.get("additionalProperties"))
    return f"{kind} of {_type_of(inner)}" if isinstance(inner, dict) else str(kind)


def _example_of(field: Schema, root: Schema) -> Any:
    given = [*field.get("examples", []), *(field[word] for word in ("default", "const") if word in field), *field.get("enum", [])]
    if given:
        return given[0]
    if "$ref" in field:
        return _example_of(root["$defs"][_name_of(field["$ref"])], root)
    if choices := field.get("anyOf") or field.get("oneOf"):
        return _example_of(choices[0], root)
    if "properties" in field:
        return {name: _example_of(inner, root) for name, inner in field["properties"].items()}
    if isinstance(field.get("additionalProperties"), dict):
        return {"pump": _example_of(field["additionalProperties"], root)}  # a mapping's keys are names of machines
    return field.get("minimum", _NOTHING[field["type"]])


def _name_of(reference: str) -> str:
    return reference.rpartition("/")[2]


def _first_sentence(schema: Schema) -> str:
    return str(schema["description"]).strip().splitlines()[0]


def _wrap(example: Mapping[str, Any]) -> str:
    """JSON in lines of fields, each as full as it may be."""
    *pieces, last = [f"{json.dumps(name)}: {json.dumps(value, ensure_ascii=False)}" for name, value in example.items()]
    lines = ["{"]
    for piece in [*(f"{piece}," for piece in pieces), f"{last}}}"]:
        if len(lines[-1]) + 1 + len(piece) > _EXAMPLE_WIDTH:
            lines.append("")
        lines[-1] += piece if lines[-1] == "{" else f" {piece}"
    return "\n".join(lines)
