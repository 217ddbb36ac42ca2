"""What Home Assistant takes as discovery, as far as we make use of it: a JSON Schema written after its documentation.

Source: https://www.home-assistant.io/integrations/mqtt, the pages of its components, and its table of device classes.
"""

import re
from typing import Any

TOPIC = re.compile(
    r"(?P<component>sensor|binary_sensor|event|image|button)/(?P<node_id>[a-zA-Z0-9_-]+)/(?P<object_id>[a-zA-Z0-9_-]+)/config"
)
TEXT = {"type": "string", "minLength": 1}
MQTT_TOPIC = {"type": "string", "pattern": "^[^#+]+$"}
TEMPLATE = {"type": "string", "pattern": r"\{\{.*\}\}"}
DEVICE = {
    "type": "object",
    "properties": {
        "identifiers": {"type": "array", "items": TEXT, "minItems": 1},
        **dict.fromkeys(("name", "manufacturer", "model", "sw_version", "via_device"), TEXT),
        "configuration_url": {"type": "string", "pattern": "^https?://[^/]+"},
    },
    "required": ["identifiers", "name"],
    "additionalProperties": False,
}
COMMON = {
    "name": TEXT,
    "unique_id": TEXT,
    "default_entity_id": {"type": "string", "pattern": r"^(sensor|binary_sensor|event|image|button)\.[a-z0-9]+(_[a-z0-9]+)*$"},
    "enabled_by_default": {"type": "boolean"},
    "device": DEVICE,
    "origin": {"type": "object", "properties": {"name": TEXT, "sw_version": TEXT}, "required": ["name"], "additionalProperties": False},
    "qos": {"enum": [0, 1, 2]},
    "entity_category": {"enum": ["config", "diagnostic"]},
    "availability_mode": {"enum": ["all", "any", "latest"]},
    "availability": {
        "type": "array",
        "items": {
            "type": "object",
            "properties": {"topic": MQTT_TOPIC, "value_template": TEMPLATE},
            "required": ["topic"],
            "additionalProperties": False,
        },
    },
}
SHOWN = {
    **dict.fromkeys(("state_topic", "json_attributes_topic"), MQTT_TOPIC),
    **dict.fromkeys(("value_template", "json_attributes_template"), TEMPLATE),
    "expire_after": {"type": "integer"},
}


def _component(required: str, **options: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {**COMMON, **options},
        "required": [required, "name", "unique_id", "device", "origin"],
        "additionalProperties": False,
    }


SENSOR = {
    **_component(
        "state_topic",
        **SHOWN,
        device_class={"enum": ["enum", "data_size"]},
        options={"type": "array", "items": TEXT},
        state_class={"enum": ["measurement", "total", "total_increasing"]},
        unit_of_measurement=TEXT,
    ),
    "allOf": [
        {
            "if": {"properties": {"device_class": {"const": "enum"}}, "required": ["device_class"]},
            "then": {"required": ["options"], "not": {"anyOf": [{"required": ["state_class"]}, {"required": ["unit_of_measurement"]}]}},
        },
        {
            "if": {"properties": {"device_class": {"const": "data_size"}}, "required": ["device_class"]},
            "then": {"required": ["unit_of_measurement"], "properties": {"unit_of_measurement": {"enum": ["B", "kB", "MB", "GB"]}}},
        },
    ],
}
BINARY_SENSOR = _component("state_topic", **SHOWN, device_class={"enum": ["problem", "connectivity"]}, payload_on=TEXT, payload_off=TEXT)
EVENT = _component(
    "state_topic",
    **SHOWN,
    event_types={"type": "array", "items": TEXT, "minItems": 1},
    device_class={"enum": ["button", "doorbell", "motion"]},
)
IMAGE = _component(
    "image_topic", image_topic=MQTT_TOPIC, content_type={"type": "string", "pattern": "^image/"}, image_encoding={"const": "b64"}
)
BUTTON = _component("command_topic", command_topic=MQTT_TOPIC, payload_press=TEXT)
SCHEMAS: dict[str, dict[str, Any]] = {"sensor": SENSOR, "binary_sensor": BINARY_SENSOR, "event": EVENT, "image": IMAGE, "button": BUTTON}
