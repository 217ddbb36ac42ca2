"""Examples for programs that cannot be installed here: that they name what the messages hold."""

import itertools
import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from aegan_monitor.messages.model import Payload
from aegan_monitor.messages.payloads import PAYLOADS
from aegan_monitor.messages.topics import QOS_AND_RETAINED
from aegan_monitor.service.metrics import OF_MACHINE, OF_NODE
from message_tables import make_example

FIELD_TYPES = {float: "float", int: "int", str: "string"}


def consumers(repository: Path) -> list[dict[str, Any]]:
    """The inputs of Telegraf's configuration."""
    text = (repository / "configs" / "examples" / "telegraf" / "telegraf.conf").read_text(encoding="utf-8")
    found: list[dict[str, Any]] = tomllib.loads(text)["inputs"]["mqtt_consumer"]
    return found


@pytest.mark.parametrize("payload", [payload for payload in PAYLOADS if payload.KIND in {"score", "event", "health"}])
def test_telegraf_reads_fields_that_exist(repository: Path, payload: type[Payload]) -> None:
    """Each path is a field of the payload, of the type that it says; topic, QoS and tags fit."""
    example, topic = make_example(payload), f"aegan/+{'/+' if payload.OF_MACHINE else ''}/{payload.KIND}"
    (consumer,) = [consumer for consumer in consumers(repository) if consumer["topics"] == [topic]]
    assert consumer["qos"] == QOS_AND_RETAINED[payload.KIND][0]
    (parsing,) = consumer["topic_parsing"]
    assert parsing == {"topic": topic, "tags": "_/node/machine/_" if payload.OF_MACHINE else "_/node/_"}
    (parser,) = consumer["json_v2"]
    assert parser["timestamp_path"] in example
    assert {field["path"]: field["type"] for field in parser["field"]}.items() <= {
        name: FIELD_TYPES.get(type(value), "") for name, value in example.items()
    }.items()
    assert {tag["path"] for tag in parser.get("tag", [])} <= set(example)


def test_node_red_reports_how_an_alarm_ends(repository: Path) -> None:
    """Each way in which an alarm ends has an output, and so have the begin and the end of a suppression."""
    nodes = json.loads((repository / "configs" / "examples" / "node-red" / "flow.json").read_text(encoding="utf-8"))
    (switch,) = [node for node in nodes if node["id"] == "aegan-kind"]
    outputs = {rule["v"]: wire for rule, (wire,) in zip(switch["rules"], switch["wires"], strict=True)}
    ends = dict.fromkeys(["cleared", "closed", "superseded", "removed"], "aegan-cleared")
    suppressed = {kind: f"aegan-{kind.replace('_', '-')}" for kind in ("shelved", "unshelved", "out_of_service", "in_service")}
    assert outputs == {"raised": "aegan-raised", **ends, **suppressed}
    assert switch["outputs"] == len(outputs)
    assert set(outputs.values()) <= {node["id"] for node in nodes}


def overlap(one: dict[str, int], other: dict[str, int]) -> bool:
    """Whether two places in the grid have a common cell."""
    return all(
        one[start] < other[start] + other[size] and other[start] < one[start] + one[size] for start, size in (("x", "w"), ("y", "h"))
    )


def test_the_dashboard_is_one_that_grafana_can_import(repository: Path) -> None:
    """It has an identity, each panel an id and a place of its own within 24 columns, and each query the data source of the variable."""
    dashboard = json.loads((repository / "configs" / "examples" / "grafana" / "aegan-monitor.json").read_text(encoding="utf-8"))
    assert (dashboard["uid"], dashboard["schemaVersion"]) == ("aegan-monitor", 39)
    variables = {each["name"]: each["type"] for each in dashboard["templating"]["list"]}
    assert variables == {"datasource": "datasource", "node": "query", "machine": "query"}
    panels = dashboard["panels"]
    assert len({panel["id"] for panel in panels}) == len({panel["title"] for panel in panels}) == len(panels) > 10
    places = [panel["gridPos"] for panel in panels]
    assert [place for place in places if not 0 <= place["x"] < place["x"] + place["w"] <= 24] == []
    assert [(one, other) for one, other in itertools.combinations(places, 2) if overlap(one, other)] == []
    source = {"type": "prometheus", "uid": "${datasource}"}
    assert all(panel["datasource"] == target["datasource"] == source for panel in panels for target in panel["targets"])
    assert all(len({target["refId"] for target in panel["targets"]}) == len(panel["targets"]) for panel in panels)
    known = {row.name for row in (*OF_NODE, *OF_MACHINE)} | {"aegan_build_info"}
    named = set(re.findall(r"\baegan_\w+", json.dumps([target["expr"] for panel in panels for target in panel["targets"]])))
    assert named <= known
