"""A real Home Assistant: machines appear, follow the daemon, send commands by buttons, and disappear when removed."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

import aegan_monitor
from aegan_monitor.cli import main
from aegan_monitor.config.model import load_config
from aegan_monitor.homeassistant.discovery import discover
from aegan_monitor.messages.topics import Topics
from alternating import AlternatingSound
from broker import Mosquitto, Subscriber, find_free_port, wait_until
from example_config import make_config
from home_assistant import START_S, HomeAssistant, publish
from running import Daemon, write_config

pytestmark = [pytest.mark.broker, pytest.mark.homeassistant, pytest.mark.timeout(300)]

NODE, MACHINE = "aegan_monitor_box", "box_pump"
ALARM, CONNECTIVITY = f"binary_sensor.{MACHINE}_alarm", f"binary_sensor.{NODE}_connectivity"
EVENT, PICTURE = f"event.{MACHINE}_event", f"image.{MACHINE}_picture"
SHOWN = {  # by entity: what it may be once the daemon has spoken
    ALARM: {"on", "off"},
    f"sensor.{MACHINE}_state": {"normal", "pending", "alarm", "clearing"},
    f"binary_sensor.{MACHINE}_sensor_fault": {"off"},
    f"sensor.{MACHINE}_gaps": {"0"},
    f"sensor.{MACHINE}_dropped_samples": {"0"},
    CONNECTIVITY: {"on"},
    f"sensor.{NODE}_lost_events": {"0"},
}
NUMBERS = [f"sensor.{MACHINE}_{name}" for name in ("score", "threshold", "coverage")]

PAGE = "https://plant.example"


def clear_discovery(home_broker: Mosquitto) -> None:
    """Clear all discovery messages, as a broker that has lost its memory."""
    for message in discover(make_config("pump", node="box"), Topics("aegan", "box")):
        publish(home_broker, message.topic, "-r", "-n")


def test_a_machine_appears_and_follows_the_daemon(home_broker: Mosquitto, tmp_path: Path, repository: Path, home: HomeAssistant) -> None:
    """Each entity has device and state, none comes from `check`, a killed daemon is shown at once, and a forgotten one leaves."""
    more = f"web: {{port: {find_free_port()}, url: {PAGE}}}\nevidence: {{path: evidence, min_free_mb: 0, mqtt_picture: true}}\n"
    config = write_config(tmp_path, home_broker.port, more=more)
    with Daemon(config, AlternatingSound(), 2.0, apart=True) as daemon:
        for entity, states in SHOWN.items():
            home.wait_for(entity, *states)
        home.wait_for(ALARM, "on")
        home.wait_for(ALARM, "off")
        home.wait_for(f"sensor.{NODE}_version", aegan_monitor.__version__)
        for entity in NUMBERS:
            home.wait_for_number(entity)
        subprocess.run([sys.executable, "-m", "aegan_monitor.cli", "check", "--config", str(config)], check=True)
        found = [json.loads(message.payload) for message in discover(load_config(config), Topics("aegan", "box"))]
        assert set(home.states()) == {entity["default_entity_id"] for entity in found if entity.get("enabled_by_default", True)}
        assert {home.device(entity) for entity in home.states()} == {"box pump", "aegan-monitor box"}
        card = (repository / "configs" / "examples" / "home-assistant" / "card.yaml").read_text()
        assert set(re.findall(r"\b\w+\.box_pump_\w+", card)) <= set(home.states())
        assert home.render(f"{{{{ device_attr('{ALARM}', 'via_device_id') == device_id('{CONNECTIVITY}') }}}}") == "True"
        assert home.states()[ALARM]["attributes"]["event_id"]
        wait_until(lambda: home.states()[EVENT]["attributes"].get("event_type") == "cleared", "the event")
        event = home.states()[EVENT]["attributes"]
        assert event["link"] == f"{PAGE}/#/cases/pump/{event['case']['id']}"
        wait_until(lambda: home.read_image(PICTURE).startswith(b"\x89PNG"), "the picture")
        assert home.render(f"{{{{ device_attr('{ALARM}', 'configuration_url') }}}}") == f"{PAGE}/#/machine/pump"
        daemon.kill()
        home.wait_for(CONNECTIVITY, "off")
        for entity in {*SHOWN, *NUMBERS} - {CONNECTIVITY}:
            home.wait_for(entity, "unavailable")
        assert "unavailable" not in {home.state(EVENT), home.state(PICTURE)}
    assert main(["forget", "box", "--yes", "--host", "127.0.0.1", "--port", str(home_broker.port)]) == 0
    wait_until(lambda: not home.states(), "the end of the ghost", START_S)


def test_buttons_publish_commands(home_broker: Mosquitto, tmp_path: Path, home: HomeAssistant) -> None:
    """Each button publishes one valid command that is not retained."""
    with (
        Subscriber(home_broker.port, "aegan/box/pump/command") as subscriber,
        Daemon(write_config(tmp_path, home_broker.port), AlternatingSound()),
    ):
        for name in ("acknowledge", "shelve_for_1_h", "unshelve", "out_of_service", "in_service", "close_alarm"):
            home.wait_for(f"button.{MACHINE}_{name}", "unknown")
            home.press(f"button.{MACHINE}_{name}")
        subscriber.wait_for(lambda message: "close" in message.payload)
        found = subscriber.received()
    assert [message.json() for message in found] == [
        {"command": "acknowledge", "by": "Home Assistant"},
        {"command": "shelve", "duration_s": 3600.0, "by": "Home Assistant"},
        {"command": "unshelve", "by": "Home Assistant"},
        {"command": "out_of_service", "by": "Home Assistant"},
        {"command": "in_service", "by": "Home Assistant"},
        {"command": "close", "by": "Home Assistant"},
    ]
    assert {(message.qos, message.retained) for message in found} == {(1, False)}


def test_buttons_do_what_they_say(home_broker: Mosquitto, tmp_path: Path, home: HomeAssistant) -> None:
    """Buttons acknowledge, shelve and unshelve a lasting alarm, and the events carry the user."""
    config = write_config(tmp_path, home_broker.port)
    config.write_text(config.read_text().replace("off_delay_s: 0", "off_delay_s: 3600"))
    with Subscriber(home_broker.port, "aegan/box/pump/event") as subscriber, Daemon(config, AlternatingSound(), 2.0, apart=True):
        home.wait_for(ALARM, "on")
        home.press(f"button.{MACHINE}_acknowledge")
        wait_until(lambda: home.states()[ALARM]["attributes"].get("acknowledged"), "the alarm acknowledged")
        home.press(f"button.{MACHINE}_shelve_for_1_h")
        home.wait_for(ALARM, "off")
        assert home.states()[ALARM]["attributes"]["shelved_until"]
        home.press(f"button.{MACHINE}_unshelve")
        home.wait_for(ALARM, "on")
        subscriber.catch_up()
        events = [message.json() for message in subscriber.received()]
    assert [event["kind"] for event in events] == ["raised", "acknowledged", "shelved", "unshelved"]
    assert all("by Home Assistant" in event["cause"] for event in events[1:])


def test_a_deaf_machine_does_not_look_well(home_broker: Mosquitto, tmp_path: Path, home: HomeAssistant) -> None:
    """A sensor fault is shown in place of the state, but an active alarm stays visible; both return with the sound."""
    config = write_config(tmp_path, home_broker.port)
    config.write_text(config.read_text().replace("off_delay_s: 0", "off_delay_s: 3600"))
    sound, state, fault = AlternatingSound(), f"sensor.{MACHINE}_state", f"binary_sensor.{MACHINE}_sensor_fault"
    pcm = sound.pcm
    with Daemon(config, sound, 2.0, apart=True):
        home.wait_for(ALARM, "on")
        home.wait_for(state, "alarm", "clearing")
        sound.pcm = b""
        home.wait_for(fault, "on")
        home.wait_for(state, "unavailable")
        assert home.state(ALARM) == "on"
        sound.pcm = pcm
        home.wait_for(fault, "off")
        home.wait_for(state, "alarm", "clearing")


def test_all_is_there_again_after_a_restart_of_home_assistant(home_broker: Mosquitto, tmp_path: Path, home: HomeAssistant) -> None:
    """All entities return after a restart of Home Assistant, even if the broker has lost its memory."""
    with Daemon(write_config(tmp_path, home_broker.port), AlternatingSound(), 2.0, apart=True):
        home.wait_for(ALARM, "on")
        home.stop()
        clear_discovery(home_broker)
        home.start_again()
        for entity, states in SHOWN.items():
            home.wait_for(entity, *states)


def test_what_leaves_the_configuration_leaves_home_assistant(home_broker: Mosquitto, tmp_path: Path, home: HomeAssistant) -> None:
    """A removed machine disappears with its retained messages, and everything when discovery is switched off."""
    config = write_config(tmp_path, home_broker.port)
    with Daemon(config, AlternatingSound()):
        home.wait_for(ALARM, "on")
    config.write_text(config.read_text().replace("name: pump", "name: fan"))
    with Daemon(config, AlternatingSound()):
        wait_until(lambda: {home.device(entity) for entity in home.states()} == {"box fan", "aegan-monitor box"}, "the pump is gone")
    with Subscriber(home_broker.port, "aegan/box/pump/#") as subscriber:
        publish(home_broker, "aegan/box/pump/command", "-m", "{}")
        subscriber.wait_for(bool)
        assert subscriber.payloads("aegan/box/pump/command") == [message.payload for message in subscriber.received()]
    config.write_text(config.read_text() + "home_assistant: {discovery: false}\n")
    with Daemon(config, AlternatingSound()):
        wait_until(lambda: not home.states(), "all is gone")
