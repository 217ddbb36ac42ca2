"""MQTT discovery: one retained message for each entity, so that machines appear in Home Assistant by themselves.

Source: https://www.home-assistant.io/integrations/mqtt/#mqtt-discovery (one topic an entity, which every version reads).
"""

import json
import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType

from aegan_monitor import __version__
from aegan_monitor.config.model import MonitorConfig
from aegan_monitor.homeassistant.entities import OF_MACHINE, OF_NODE, Entity, Options
from aegan_monitor.messages.links import link_machine
from aegan_monitor.messages.topics import QOS_AND_RETAINED, Message, Topics
from aegan_monitor.outbox.outbox import Outbox
from aegan_monitor.outbox.retained_topics import find_states

AVAILABILITY: Mapping[str, Options] = MappingProxyType(
    {"status": {}, "sensor": {"value_template": "{{ 'online' if (value_json | default({})).get('state') == 'ok' else 'offline' }}"}}
)

TRIAL = "check"  # in place of an entity's id


def announce(config: MonitorConfig, topics: Topics, outbox: Outbox) -> None:
    """Publish discovery for Home Assistant, and clear what an earlier configuration left at the broker."""
    machines = [machine.name for machine in config.machines]
    found = discover(config, topics)
    pictures = [topics.name("picture", name) for name in machines] if config.evidence.mqtt_picture else []
    wanted = find_states(topics, machines).union(pictures, (message.topic for message in found))
    outbox.belong(wanted, lambda topic: topic.startswith(topics.of_node("")) or is_of_node(topic, topics.node))
    outbox.put(*found)


def discover(config: MonitorConfig, topics: Topics) -> list[Message]:
    """The messages for a node and its machines; the node's come first, because the device of a machine refers to it.

    There are no buttons where commands are off, no pictures where none are published, and no messages where discovery is off.
    """
    if not config.home_assistant.discovery:
        return []
    is_wanted = {"button": config.mqtt.commands.enabled, "image": config.evidence.mqtt_picture}
    devices: list[tuple[str | None, Iterable[Entity]]] = [(None, OF_NODE), *((machine.name, OF_MACHINE) for machine in config.machines)]
    return [
        _make(config, topics, entity, name) for name, entities in devices for entity in entities if is_wanted.get(entity.component, True)
    ]


def _make(config: MonitorConfig, topics: Topics, entity: Entity, machine: str | None) -> Message:
    device_id, device = name_device(topics.node, machine), _device(topics.node, machine, config.web.url)
    payload = {
        "name": entity.name,
        "unique_id": f"aegan_{device_id}_{entity.id}",
        "default_entity_id": f"{entity.component}.{_slugify(str(device['name']) + ' ' + entity.name)}",
        **_source(topics, entity, machine),
        "qos": 1,
        **entity.options,
        "device": device,
        "origin": {"name": "aegan-monitor", "sw_version": __version__},
    }
    if entity.needs:
        payload["availability_mode"] = "all"
        payload["availability"] = [{"topic": _find_topic(topics, level, machine), **AVAILABILITY[level]} for level in entity.needs]
    qos, retained = QOS_AND_RETAINED["discovery"]
    topic = f"{config.home_assistant.prefix}/{entity.component}/{device_id}/{entity.id}/config"
    return Message(topic, json.dumps(payload, ensure_ascii=False).encode(), qos, retained, "discovery")


def _slugify(text: str) -> str:
    """As Home Assistant makes an id of a name; without `default_entity_id`, versions from 2026.6 put the area's name before it."""
    return re.sub("[^a-z0-9]+", "_", text.lower()).strip("_")


def list_trials(node: str, machines: Iterable[str], prefix: str) -> dict[str, str]:
    """For each device a topic that belongs to no entity, and the filter that an access list must let the daemon write for it.

    An empty message there, not retained, tries the permission and leaves nothing: for Home Assistant it removes an entity that
    does not exist.
    """
    devices = [name_device(node, machine) for machine in [None, *machines]]
    return {f"{prefix}/sensor/{device}/{TRIAL}/config": f"{prefix}/+/{device}/+/config" for device in devices}


def name_device(node: str, machine: str | None) -> str:
    """`<node>_<machine>`; each `_` of the node's name is doubled, so that no two pairs share one name."""
    return "_".join([node.replace("_", "__"), *([] if machine is None else [machine])])


def is_of_node(topic: str, node: str) -> bool:
    """Whether a topic is a discovery topic of this node or one of its machines."""
    of_node, device = name_device(node, None), topic.split("/")[-3:][0]
    is_of_machine = device.startswith(f"{of_node}_") and not device.startswith(f"{of_node}__")
    return topic.endswith("/config") and (device == of_node or is_of_machine)


def _device(node: str, machine: str | None, page: str | None) -> dict[str, object]:
    device = {"identifiers": [f"aegan_{name_device(node, machine)}"], "manufacturer": "aegan-monitor", "sw_version": __version__}
    if page is not None:
        device["configuration_url"] = link_machine(page, machine)
    if machine is None:
        return {**device, "name": f"aegan-monitor {node}", "model": "Acoustic monitor"}
    return {**device, "name": f"{node} {machine}", "model": "Machine, by its sound", "via_device": f"aegan_{name_device(node, None)}"}


def _source(topics: Topics, entity: Entity, machine: str | None) -> dict[str, object]:
    """The options for the topic of its state, or of its command."""
    topic = _find_topic(topics, entity.level, machine)
    if entity.component == "button":
        return {"command_topic": topic}
    if entity.component == "image":
        return {"image_topic": topic}
    source: dict[str, object] = {"state_topic": topic}
    if entity.value:
        # An empty message that clears the topic, and a health message without the machine, are no state.
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
