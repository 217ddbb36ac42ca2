"""Discovery messages: they obey Home Assistant's documentation, and every value comes from an existing field."""

import json
import re
from typing import Any, get_args

import pytest
from jsonschema import Draft202012Validator

import aegan_monitor
from aegan_monitor.homeassistant.discovery import discover, list_trials, name_device
from aegan_monitor.homeassistant.entities import OF_MACHINE, OF_NODE, Entity
from aegan_monitor.messages.command_payloads import Command
from aegan_monitor.messages.payloads import PAYLOADS, EventKind, Health
from aegan_monitor.messages.topics import Message, Topics
from discovery_options import SCHEMAS
from example_config import make_config
from message_tables import make_example
from published import find_fault

TOPICS = Topics("aegan", "hall")
PAGE = "https://plant.example/aegan"
PLAIN = discover(make_config("pump", "fan"), TOPICS)
MESSAGES = discover(make_config("pump", "fan", evidence={"mqtt_picture": True}, web={"port": 8765, "url": PAGE}), TOPICS)
EXAMPLES: dict[str, dict[str, Any]] = {payload.KIND: make_example(payload) for payload in PAYLOADS}


def read(message: Message) -> dict[str, Any]:
    """The parsed payload."""
    found: dict[str, Any] = json.loads(message.payload)
    return found


def test_an_entity_is_described_like_this() -> None:
    """Topic, delivery and payload of an entity are exact, because a renamed entity appears twice."""
    (message,) = [message for message in PLAIN if message.topic == "homeassistant/sensor/hall_pump/level/config"]
    assert (message.qos, message.retained, message.kind) == (1, True, "discovery")
    assert read(message) == {
        "name": "Level",
        "unique_id": "aegan_hall_pump_level",
        "default_entity_id": "sensor.hall_pump_level",
        "enabled_by_default": False,
        "state_topic": "aegan/hall/pump/score",
        "value_template": "{% set it = value_json | default({}) %}{% if it %}{{ it.level_dbfs | round(1) }}{% endif %}",
        "qos": 1,
        "state_class": "measurement",
        "expire_after": 30,
        "unit_of_measurement": "dBFS",
        "device": {
            "identifiers": ["aegan_hall_pump"],
            "manufacturer": "aegan-monitor",
            "sw_version": aegan_monitor.__version__,
            "name": "hall pump",
            "model": "Machine, by its sound",
            "via_device": "aegan_hall",
        },
        "origin": {"name": "aegan-monitor", "sw_version": aegan_monitor.__version__},
        "availability_mode": "all",
        "availability": [
            {"topic": "aegan/hall/status"},
            {
                "topic": "aegan/hall/pump/sensor",
                "value_template": "{{ 'online' if (value_json | default({})).get('state') == 'ok' else 'offline' }}",
            },
        ],
    }


def test_a_deaf_machine_does_not_look_well() -> None:
    """With a sensor fault the default dashboard shows the fault and no `normal`; an active alarm stays visible."""
    found = {message.topic.split("/")[-2]: read(message) for message in MESSAGES if "/hall_pump/" in message.topic}
    needs = {name: [source["topic"] for source in found[name]["availability"]] for name in ("state", "score", "sensor", "alarm")}
    status, sensor = "aegan/hall/status", "aegan/hall/pump/sensor"
    assert needs == {"state": [status, sensor], "score": [status, sensor], "sensor": [status], "alarm": [status]}
    assert not {"state", "sensor", "alarm"} & {name for name, payload in found.items() if "entity_category" in payload}


def test_schemas_are_schemas() -> None:
    """The schemas are valid JSON Schemas."""
    for schema in SCHEMAS.values():
        Draft202012Validator.check_schema(schema)


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: message.topic)
def test_each_message_is_as_documented(message: Message) -> None:
    """Each message has only documented keys, and all required ones."""
    assert find_fault(message.topic, message.payload.decode()) is None


def test_permission_is_tried_where_no_entity_is() -> None:
    """Permission is tried on topics of the devices that no entity uses."""
    trials = list_trials("hall", ["pump", "fan"], "homeassistant")
    assert list(trials.values()) == [f"homeassistant/+/{device}/+/config" for device in ("hall", "hall_pump", "hall_fan")]
    assert {message.topic.split("/")[2] for message in MESSAGES} == {topic.split("/")[2] for topic in trials}
    assert not {"/".join(message.topic.split("/")[2:]) for message in MESSAGES} & {"/".join(topic.split("/")[2:]) for topic in trials}


def test_each_has_a_place_of_its_own() -> None:
    """Topics and ids are unique; a machine is one device, which follows the device that it refers to."""
    assert len({message.topic for message in MESSAGES}) == len({read(message)["unique_id"] for message in MESSAGES}) == len(MESSAGES)
    devices = [read(message)["device"] for message in MESSAGES]
    known: list[dict[str, Any]] = []
    for device in devices:
        assert device.get("via_device", "aegan_hall") in {"aegan_hall", *(other["identifiers"][0] for other in known)}
        if device not in known:
            known.append(device)
    assert [device["identifiers"] for device in known] == [["aegan_hall"], ["aegan_hall_pump"], ["aegan_hall_fan"]]


def test_no_two_pairs_of_names_are_one_device() -> None:
    """Different pairs of node and machine give different devices, also with separators in names."""
    pairs = [("a", None), ("a_b", None), ("a", "b"), ("a_b", "c"), ("a", "b_c"), ("a_", "b"), ("a", "b_"), ("a__b", None), ("a__b", "c")]
    assert len({name_device(*pair) for pair in pairs}) == len(pairs)
    assert name_device("pump-house", "pump_1") == "pump-house_pump_1"


@pytest.mark.parametrize("entity", [*OF_MACHINE, *OF_NODE], ids=lambda entity: entity.id)
def test_each_value_is_a_field_of_its_payload(entity: Entity) -> None:
    """Each template uses fields that the payload of its topic has."""
    if entity.component == "button":
        assert Command.model_validate_json(entity.options["payload_press"]).command == entity.id
        return
    fields = EXAMPLES["health"]["machines"]["pump"] if entity in OF_MACHINE and entity.level == "health" else EXAMPLES.get(entity.level)
    names = re.findall(r"\bit\.(\w+)", entity.value)
    assert (fields is None) == (names == []) == (entity.level in ("status", "picture"))
    assert set(names) <= set(fields or {})
    assert Health.OF_MACHINE is False


def test_there_are_no_buttons_for_a_daemon_that_takes_no_commands() -> None:
    """With commands switched off there are no buttons."""
    found = discover(make_config("pump", "fan", mqtt={"commands": {"enabled": False}}), TOPICS)
    assert found == [message for message in PLAIN if "/button/" not in message.topic]


def test_pictures_and_links_are_where_they_lead_somewhere() -> None:
    """A picture entity needs a published picture, a link in the device a page."""
    assert [message.topic for message in PLAIN] == [message.topic for message in MESSAGES if "/image/" not in message.topic]
    assert not any("configuration_url" in read(message)["device"] for message in PLAIN)
    links = {read(message)["device"]["name"]: read(message)["device"]["configuration_url"] for message in MESSAGES}
    machines = {f"hall {name}": f"{PAGE}/#/machine/{name}" for name in ("pump", "fan")}
    assert links == {"aegan-monitor hall": f"{PAGE}/", **machines}


def test_the_event_types_are_the_kinds_of_events() -> None:
    """Home Assistant drops an event of a type that discovery has not named."""
    (message,) = [message for message in MESSAGES if message.topic == "homeassistant/event/hall_pump/event/config"]
    assert read(message)["event_types"] == list(get_args(EventKind))


def test_a_machine_that_the_health_does_not_name_gives_no_error() -> None:
    """Templates handle a health message that lacks the machine, as after a reload."""
    (message,) = [message for message in MESSAGES if message.topic == "homeassistant/sensor/hall_pump/coverage/config"]
    it = "(value_json | default({})).get('machines', {}).get('pump')"
    assert read(message)["value_template"] == f"{{% set it = {it} %}}{{% if it %}}{{{{ it.coverage_24h_percent }}}}{{% endif %}}"
