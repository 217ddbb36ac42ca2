"""Table of the entities of a machine and of the daemon in Home Assistant.

Source: https://www.home-assistant.io/integrations/mqtt, the pages of binary_sensor, sensor, event, image and button.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal, TypeAlias, get_args

from aegan_monitor.messages.command_payloads import DEFAULT_SHELF_S
from aegan_monitor.messages.model import AlarmState
from aegan_monitor.messages.payloads import EventKind

EXPIRE_S = 30  # a score is a second old, or 10 after a gap
SIGMA = "\N{GREEK SMALL LETTER SIGMA}"

Options: TypeAlias = Mapping[str, Any]
DIAGNOSTIC: Options = MappingProxyType({"entity_category": "diagnostic"})
PROBLEM: Options = MappingProxyType({"device_class": "problem"})
MEASUREMENT: Options = MappingProxyType({"state_class": "measurement"})
TOTAL: Options = MappingProxyType({"state_class": "total_increasing"})
LIVE: Options = MappingProxyType({"state_class": "measurement", "expire_after": EXPIRE_S})  # a value a second
OFF: Options = MappingProxyType({"enabled_by_default": False})  # its user switches it on; the recorder stores nothing until then
PERCENT: Options = MappingProxyType({**LIVE, "unit_of_measurement": "%"})
STATES: Options = MappingProxyType({"device_class": "enum", "options": list(get_args(AlarmState))})


@dataclass(frozen=True, slots=True)
class Entity:
    """One entity of a device.

    Attributes:
        level: Last level of the topic of its state; a button publishes there.
        value: Jinja expression for its state, where `it` is the payload; of `health` the part of the machine.
        options: Home Assistant's own, as they stand in its documentation.
        needs: What makes it available: `status`, the daemon is connected; `sensor`, the machine can be heard.
        attributes: The payload's fields are shown as attributes.
    """

    component: Literal["binary_sensor", "sensor", "event", "image", "button"]
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


# Both of one scale, so that one graph has both; `None` is Home Assistant's word for unknown, under a policy of thresholds.
EVIDENCE = "((100 * it.evidence) | round) if it.evidence is not none else 'None'"
EVIDENCE_THRESHOLD = "100 if it.evidence is not none else 'None'"

HEARD: tuple[Literal["status", "sensor"], ...] = ("status", "sensor")
OF_MACHINE = (
    Entity("binary_sensor", "alarm", "Alarm", "alarm", "'ON' if it.active else 'OFF'", PROBLEM, attributes=True),
    # What happened stays true while the daemon is gone, so event and picture need nothing.
    Entity(
        "event", "event", "Event", "event", "dict(it, event_type=it.kind) | to_json", {"event_types": list(get_args(EventKind))}, needs=()
    ),
    Entity("image", "picture", "Picture", "picture", options={"content_type": "image/png"}, needs=()),
    Entity("sensor", "state", "State", "alarm", "it.state", STATES, HEARD),
    Entity("sensor", "score", "Score", "score", "'%.4g' | format(it.score)", LIVE, HEARD),
    Entity("sensor", "threshold", "Threshold", "score", "'%.4g' | format(it.threshold)", LIVE, HEARD),
    Entity("sensor", "evidence", "Evidence", "score", EVIDENCE, PERCENT, HEARD),
    Entity("sensor", "evidence_threshold", "Evidence threshold", "score", EVIDENCE_THRESHOLD, PERCENT, HEARD),
    Entity("sensor", "deviation", "Deviation", "score", "it.normalised | round(2)", {**LIVE, **OFF, "unit_of_measurement": SIGMA}, HEARD),
    # No device class: sound_pressure is for dB over 20 uPa, and refuses dBFS.
    Entity("sensor", "level", "Level", "score", "it.level_dbfs | round(1)", {**LIVE, **OFF, "unit_of_measurement": "dBFS"}, HEARD),
    _press("Acknowledge", "acknowledge"),
    _press(f"Shelve for {DEFAULT_SHELF_S / 3600:g} h", "shelve", duration_s=DEFAULT_SHELF_S),
    _press("Unshelve", "unshelve"),
    _press("Close alarm", "close"),
    _press("Out of service", "out_of_service"),
    _press("In service", "in_service"),
    # No diagnostic: these are on no dashboard that Home Assistant makes, and a deaf machine must not look well there.
    Entity("binary_sensor", "sensor", "Sensor fault", "sensor", "'OFF' if it.state == 'ok' else 'ON'", PROBLEM, attributes=True),
    Entity(
        "sensor", "coverage", "Coverage", "health", "it.coverage_24h_percent", {**MEASUREMENT, **DIAGNOSTIC, "unit_of_measurement": "%"}
    ),
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
