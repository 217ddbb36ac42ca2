"""What Home Assistant is told, so that machines and their entities appear by themselves: one retained message an entity.

Source: https://www.home-assistant.io/integrations/mqtt/#mqtt-discovery (one topic an entity, which every version reads).
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal, TypeAlias, get_args

from aegan_monitor import __version__
from aegan_monitor.messages import DEFAULT_SHELF_S, QOS_AND_RETAINED, AlarmState, Message, Topics

EXPIRE_S = 30  # a score is a second old, or 10 after a gap
SIGMA = "\N{GREEK SMALL LETTER SIGMA}"

Options: TypeAlias = Mapping[str, Any]
DIAGNOSTIC: Options = MappingProxyType({"entity_category": "diagnostic"})
PROBLEM: Options = MappingProxyType({"device_class": "problem"})
MEASUREMENT: Options = MappingProxyType({"state_class": "measurement"})
TOTAL: Options = MappingProxyType({"state_class": "total_increasing"})
LIVE: Options = MappingProxyType({"state_class": "measurement", "expire_after": EXPIRE_S})
STATES: Options = MappingProxyType({"device_class": "enum", "options": list(get_args(AlarmState))})


@dataclass(frozen=True, slots=True)
class Entity:
    """One entity of a device.

    Attributes:
        level: Last level of the topic that it shows; a button publishes there.
        value: Jinja expression for its state, where `it` is the payload; of `health` what that says of the machine.
        options: Home Assistant's own, as they stand in its documentation.
        needs: `status`: it is there as long as the daemon; `sensor`: and as long as the machine is heard.
        attributes: The payload's fields are shown as attributes.
    """

    component: Literal["binary_sensor", "sensor", "button"]
    id: str
    name: str
    level: str
    value: str = ""
    options: Options = field(default_factory=dict)
    needs: tuple[Literal["status", "sensor"], ...] = ("status",)
    attributes: bool = False


def _press(name: str, command: str, **more: object) -> Entity:
    payload = {"command": command, **more, "by": "Home Assistant"}
    return Entity("button", command, name, "command", options={"payload_press": json.dumps(payload)})


HEARD: tuple[Literal["status", "sensor"], ...] = ("status", "sensor")
OF_MACHINE = (
    Entity("binary_sensor", "alarm", "Alarm", "alarm", "'ON' if it.active else 'OFF'", PROBLEM, attributes=True),
    Entity("sensor", "state", "State", "alarm", "it.state", STATES),
    Entity("sensor", "score", "Score", "score", "'%.4g' | format(it.score)", LIVE, HEARD),
    Entity("sensor", "threshold", "Threshold", "score", "'%.4g' | format(it.threshold)", LIVE, HEARD),
    Entity(
        "sensor",
        "evidence",
        "Evidence",
        "score",
        "it.normalised | round(2)",
        {**LIVE, "unit_of_measurement": SIGMA},
        HEARD,
    ),
    # No device class: sound_pressure is for dB over 20 uPa, and refuses dBFS.
    Entity("sensor", "level", "Level", "score", "it.level_dbfs | round(1)", {**LIVE, "unit_of_measurement": "dBFS"}, HEARD),
    _press("Acknowledge", "acknowledge"),
    _press(f"Shelve for {DEFAULT_SHELF_S / 3600:g} h", "shelve", duration_s=DEFAULT_SHELF_S),
    _press("Unshelve", "unshelve"),
    Entity(
        "binary_sensor",
        "sensor",
        "Sensor fault",
        "sensor",
        "'OFF' if it.state == 'ok' else 'ON'",
        {**PROBLEM, **DIAGNOSTIC},
        attributes=True,
    ),
    Entity("sensor", "coverage", "Coverage", "health", "it.coverage_percent", {**MEASUREMENT, **DIAGNOSTIC, "unit_of_measurement": "%"}),
    Entity("sensor", "gaps", "Gaps", "health", "it.gaps_total", {**TOTAL, **DIAGNOSTIC}),
    Entity("sensor", "dropped", "Dropped samples", "health", "it.dropped_samples_total", {**TOTAL, **DIAGNOSTIC}),
)
OF_NODE = (
    Entity(
        "binary_sensor",
        "connectivity",
        "Connectivity",
        "status",
        options={"device_class": "connectivity", "payload_on": "online", "payload_off": "offline", **DIAGNOSTIC},
        needs=(),
    ),
    Entity("sensor", "version", "Version", "health", "it.version", DIAGNOSTIC),
    Entity("sensor", "provider", "Provider", "health", "it.provider", DIAGNOSTIC),
    Entity("sensor", "outbox", "Waiting messages", "health", "it.outbox_depth", {**MEASUREMENT, **DIAGNOSTIC}),
    Entity("sensor", "lost", "Lost events", "health", "it.outbox_dropped_total", {**TOTAL, **DIAGNOSTIC}),
    Entity(
        "sensor",
        "memory",
        "Memory",
        "health",
        "(it.rss_bytes / 1e6) | round(1)",
        {"device_class": "data_size", "unit_of_measurement": "MB", **MEASUREMENT, **DIAGNOSTIC},
    ),
)
AVAILABILITY: Mapping[str, Options] = MappingProxyType(
    {"status": {}, "sensor": {"value_template": "{{ 'online' if (value_json | default({})).get('state') == 'ok' else 'offline' }}"}}
)


def discover(topics: Topics, machines: Iterable[str], prefix: str, *, commands: bool = True) -> list[Message]:
    """The messages for a node and its machines, the node's first: a machine's device names it. Buttons are for who takes `commands`."""
    wanted = [entity for entity in OF_MACHINE if commands or entity.component != "button"]
    of_machines = [_make(topics, prefix, entity, machine) for machine in machines for entity in wanted]
    return [*(_make(topics, prefix, entity, None) for entity in OF_NODE), *of_machines]


def _make(topics: Topics, prefix: str, entity: Entity, machine: str | None) -> Message:
    device_id = name_device(topics.node, machine)
    payload = {
        "name": entity.name,
        "unique_id": f"aegan_{device_id}_{entity.id}",
        **_source(topics, entity, machine),
        "qos": 1,
        **entity.options,
        "device": _device(topics.node, machine),
        "origin": {"name": "aegan-monitor", "sw_version": __version__},
    }
    if entity.needs:
        payload["availability_mode"] = "all"
        payload["availability"] = [{"topic": _find_topic(topics, level, machine), **AVAILABILITY[level]} for level in entity.needs]
    qos, retained = QOS_AND_RETAINED["discovery"]
    topic = f"{prefix}/{entity.component}/{device_id}/{entity.id}/config"
    return Message(topic, json.dumps(payload, ensure_ascii=False).encode(), qos, retained, "discovery")


def name_device(node: str, machine: str | None) -> str:
    """`<node>_<machine>`; a `_` of the node's is doubled, so that no two pairs share one name."""
    return "_".join([node.replace("_", "__"), *([] if machine is None else [machine])])


def _device(node: str, machine: str | None) -> dict[str, object]:
    device = {"identifiers": [f"aegan_{name_device(node, machine)}"], "manufacturer": "aegan-monitor", "sw_version": __version__}
    if machine is None:
        return {**device, "name": f"aegan-monitor {node}", "model": "Acoustic monitor"}
    return {**device, "name": f"{node} {machine}", "model": "Machine, by its sound", "via_device": f"aegan_{name_device(node, None)}"}


def _source(topics: Topics, entity: Entity, machine: str | None) -> dict[str, object]:
    """Where its state comes from, or where it publishes."""
    topic = _find_topic(topics, entity.level, machine)
    if entity.component == "button":
        return {"command_topic": topic}
    source: dict[str, object] = {"state_topic": topic}
    if entity.value:
        # What clears a topic, and the first health without a machine, may still be heard of one that goes: that is no state.
        it = "value_json | default({})"
        if machine and entity.level == "health":
            it = f"({it}).get('machines', {{}}).get('{machine}')"
        source["value_template"] = f"{{% set it = {it} %}}{{% if it %}}{{{{ {entity.value} }}}}{{% endif %}}"
    if entity.attributes:
        source["json_attributes_topic"] = topic
        source["json_attributes_template"] = "{{ value_json | default({}) | to_json }}"
    return source


def _find_topic(topics: Topics, level: str, machine: str | None) -> str:
    return topics.of_node(level if machine is None or level in {"status", "health"} else f"{machine}/{level}")
