"""Size of the largest message that a configuration makes the daemon send, estimated from the messages' definition."""

from collections.abc import Collection, Mapping
from typing import Any

from aegan_monitor.config.model import MonitorConfig
from aegan_monitor.homeassistant.discovery import discover
from aegan_monitor.messages.model import Payload
from aegan_monitor.messages.payloads import PAYLOADS
from aegan_monitor.messages.topics import Topics

TEXT_BYTES = 200  # of a text without a maximum length, such as the detail of a fault
LIST_ITEMS = 3
BYTES: dict[str, int] = {"boolean": 5, "integer": 12, "number": 22, "null": 4}
PUNCTUATION_BYTES = 4  # quotes, colon and comma around a key


def estimate_largest_bytes(config: MonitorConfig) -> int:
    """Topic and payload of the largest message, in bytes."""
    topics, machines = Topics(config.mqtt.base_topic, config.node), [machine.name for machine in config.machines]
    longest = max(machines, key=len)
    sizes = [
        len(topics.name(payload.KIND, longest if payload.OF_MACHINE else None)) + estimate_bytes(payload, machines)
        for payload in PAYLOADS
        if payload.OURS
    ]
    if config.home_assistant.discovery:
        found = discover(topics, machines, config.home_assistant.prefix, commands=config.mqtt.commands.enabled)
        sizes += [len(message.topic) + len(message.payload) for message in found]
    return max(sizes)


def estimate_bytes(payload: type[Payload], machines: Collection[str]) -> int:
    """JSON of a payload in which every field is as long as it may be; texts without a limit count as `TEXT_BYTES`."""
    schema = payload.model_json_schema(mode="serialization")
    return _measure(schema, schema, machines)


def _measure(field: Mapping[str, Any], root: Mapping[str, Any], machines: Collection[str]) -> int:
    if "$ref" in field:
        return _measure(root["$defs"][field["$ref"].rpartition("/")[2]], root, machines)
    if choices := field.get("anyOf"):
        return max(_measure(choice, root, machines) for choice in choices)
    if "properties" in field:
        return 2 + sum(len(name) + PUNCTUATION_BYTES + _measure(inner, root, machines) for name, inner in field["properties"].items())
    if isinstance(inner := field.get("additionalProperties"), Mapping):  # by the machine's name
        return 2 + sum(len(machine) + PUNCTUATION_BYTES + _measure(inner, root, machines) for machine in machines)
    if field.get("type") == "array":
        return 2 + LIST_ITEMS * (1 + _measure(field["items"], root, machines))
    return _measure_scalar(field)


def _measure_scalar(field: Mapping[str, Any]) -> int:
    if values := field.get("enum") or ([field["const"]] if "const" in field else []):
        return max(len(str(value)) for value in values) + 2
    if field.get("format") == "date-time":
        return len(field["examples"][0]) + 2
    return BYTES.get(field["type"]) or field.get("maxLength", TEXT_BYTES) + 2
