"""The judge of published messages lets nothing pass that a subscriber could stumble over."""

import contextlib
import json
import re
import subprocess
from typing import Any

import pytest

from aegan_monitor.messages.payloads import Sensor
from broker import Mosquitto, Subscriber
from message_tables import make_example
from published import checked, find_fault

SENSOR = make_example(Sensor)
DISCOVERY = {
    "name": "Score",
    "unique_id": "x",
    "state_topic": "aegan/box/pump/score",
    "device": {"identifiers": ["x"], "name": "x"},
    "origin": {"name": "x"},
}


def test_what_is_right_passes() -> None:
    """A payload on its topic, a status, a cleared state, discovery, and what is not ours."""
    assert checked([Sensor.model_validate(SENSOR)])
    assert find_fault("aegan/box/pump/sensor", json.dumps(SENSOR)) is None
    assert find_fault("aegan/box/status", "online") is None
    assert find_fault("aegan/box/pump/alarm", "") is None
    assert find_fault("homeassistant/sensor/box_pump/score/config", "") is None
    assert find_fault("homeassistant/sensor/box_pump/score/config", json.dumps(DISCOVERY)) is None
    assert find_fault("homeassistant/status", "online") is None
    assert find_fault("aegan/box/pump/command", "\x00") is None
    assert find_fault("aegan/box/check", "") is None


@pytest.mark.parametrize(
    ("topic", "payload", "fault"),
    [
        ("aegan/box/pump/sensor", {**SENSOR, "more": 1}, "$: Additional properties are not allowed ('more' was unexpected)"),
        ("aegan/box/pump/sensor", {**SENSOR, "state": "Missing"}, "$.state: 'Missing' does not match '^[a-z][a-z_]*$'"),
        ("aegan/box/pump/sensor", {**SENSOR, "schema": "aegan.sensor/2"}, "$.schema: 'aegan.sensor/1' was expected"),
        ("aegan/box/pump/event", "", "no JSON: ''"),
        ("aegan/box/pump/sensor", "NaN", "$: nan is not of type 'object'"),
        ("aegan/box/status", "on", "neither online nor offline: 'on'"),
        ("aegan/box/pump/sensors", SENSOR, "no such kind of message"),
        ("homeassistant/sensor/box_pump/score/config", "{", "no JSON: '{'"),
        ("homeassistant/sensor/box pump/score/config", DISCOVERY, "no such kind of message"),
        ("homeassistant/sensor/box_pump/score/config", {**DISCOVERY, "state_topic": "#"}, "$.state_topic: '#' does not match '^[^#+]+$'"),
    ],
)
def test_what_is_wrong_is_reported(topic: str, payload: Any, fault: str) -> None:
    """A wrong field, a wrong form, a kind that nobody knows."""
    text = payload if isinstance(payload, str) else json.dumps(payload)
    found = find_fault(topic, text)
    assert found == f"{topic}: {fault}"


def test_an_event_of_an_older_version_passes() -> None:
    """It may have waited in the outbox while the daemon was replaced; but for what it could not know, nothing may be missing."""
    old = (
        '{"schema":"aegan.event/1","id":"5b0b5f4c-0a5e-4c0e-9a55-3f4c57d35f0e","sequence":3,"kind":"raised","time":"2026-01-31T08:15:00.250Z",'
        '"sample":160000,"cause":"D_maha 2.5 is above its threshold 2","score_id":"D_maha","score":2.5,"threshold":2.0,"duration_s":null}'
    )
    assert find_fault("aegan/box/pump/event", old) is None
    for name in json.loads(old):
        less = {key: value for key, value in json.loads(old).items() if key != name}
        assert find_fault("aegan/box/pump/event", json.dumps(less)) == f"aegan/box/pump/event: $: '{name}' is a required property"


@pytest.mark.broker
def test_no_subscriber_lets_it_pass(broker: Mosquitto) -> None:
    """Whatever a test looks at, a wrong message fails it in the end."""
    fault = "aegan/box/pump/sensor: no JSON: 'x'"
    ends = contextlib.ExitStack()
    subscriber = ends.enter_context(Subscriber(broker.port))
    subprocess.run(["mosquitto_pub", "-p", str(broker.port), "-t", "aegan/box/pump/sensor", "-m", "x"], check=True)
    assert subscriber.wait_for(bool).payload == "x"
    with pytest.raises(AssertionError, match=re.escape(fault)):
        ends.close()
