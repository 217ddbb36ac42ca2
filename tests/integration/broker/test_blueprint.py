"""The blueprint for Home Assistant, in a real one: each alarm is reported once, and the phone's answers become commands."""

import json
from pathlib import Path
from typing import Any

import pytest

from alternating import AlternatingSound
from broker import Mosquitto, Subscriber, wait_until
from home_assistant import START_S, HomeAssistant
from running import Daemon, write_config

pytestmark = [pytest.mark.broker, pytest.mark.homeassistant, pytest.mark.timeout(300)]

ALARM, FAULT = "binary_sensor.box_pump_alarm", "binary_sensor.box_pump_sensor_fault"
CONNECTIVITY = "binary_sensor.aegan_monitor_box_connectivity"
NORMAL, CLOSED, DEAF = "Pump sounds normal again", "Pump: the alarm has ended: by Home Assistant", "Pump is not heard: the monitor is gone"
PHONE_TOPIC, COMMAND_TOPIC = "phone/check", "aegan/box/pump/command"
SETTINGS = f"""
input_text: {{pump: {{max: 255}}}}
script:
  phone:
    sequence:
      - service: mqtt.publish
        data:
          topic: {PHONE_TOPIC}
          payload: "{{{{ {{'title': title | default(''), 'message': message, 'data': data}} | to_json }}}}"
automation:
  - use_blueprint:
      path: aegan/blueprint.yaml
      input:
        topic: aegan/box/pump
        machine: Pump
        fault: {FAULT}
        memory: input_text.pump
        picture: image.box_pump_picture
        phone: script.phone
        unheard: {{seconds: 1}}
"""


class NoSound(AlternatingSound):
    """A pipe without data, so that no decision falls."""

    def __init__(self) -> None:
        self.pcm = b""


class Phone:
    """What the automation sends."""

    def __init__(self, subscriber: Subscriber) -> None:
        """Store."""
        self._subscriber = subscriber

    def read(self, tag: str = "alarm") -> list[dict[str, Any]]:
        """The messages so far about the alarm, or about the sensor."""
        found = [json.loads(payload) for payload in self._subscriber.payloads(PHONE_TOPIC)]
        return [message for message in found if message["data"]["tag"] == f"aegan/box/pump/{tag}"]

    def wait_for(self, n_messages: int, tag: str = "alarm") -> list[dict[str, Any]]:
        """So many of them."""
        wait_until(lambda: len(self.read(tag)) >= n_messages, f"{n_messages} messages on the phone, found {self.read(tag)}", START_S)
        return self.read(tag)


def install(home: HomeAssistant, blueprint: Path) -> None:
    """Put the blueprint where Home Assistant looks for it, with an automation of it."""
    folder = home.folder / "blueprints" / "automation" / "aegan"
    folder.mkdir(parents=True)
    (folder / blueprint.name).write_bytes(blueprint.read_bytes())
    home.configure(SETTINGS)


def answer(home: HomeAssistant, name: str, event_id: str, topic: str = "aegan/box/pump") -> None:
    """Press a button of a message."""
    home.fire("mobile_app_notification_action", {"action": f"AEGAN {topic} {name} {event_id}"})


def test_the_blueprint_reports_each_alarm_once(home_broker: Mosquitto, tmp_path: Path, repository: Path, home: HomeAssistant) -> None:
    """Over restarts of Home Assistant, broker and daemon; the phone's answers acknowledge, shelve and give verdicts."""
    evidence = "evidence: {path: evidence, min_free_mb: 0, mqtt_picture: true}\n"
    config, sound = write_config(tmp_path, home_broker.port, more=evidence), AlternatingSound()
    config.write_text(config.read_text().replace("off_delay_s: 0", "off_delay_s: 3600"))
    with Subscriber(home_broker.port, PHONE_TOPIC) as subscriber, Subscriber(home_broker.port, COMMAND_TOPIC) as commands:
        phone = Phone(subscriber)
        home.stop()
        install(home, repository / "configs" / "examples" / "home-assistant" / "blueprint.yaml")
        with Daemon(config, sound, 2.0, apart=True) as daemon:
            wait_until(lambda: daemon.n_logged, "an alarm while Home Assistant is away", START_S)
            home.start_again()
            assert home.check_config() == ""
            (message,) = phone.wait_for(1)
            assert (message["title"], message["data"]["image"]) == ("Pump sounds wrong", "/api/image_proxy/image.box_pump_picture")
            home_broker.kill()
            home.wait_for(ALARM, "unavailable")
            home_broker.start()
            home.wait_for(ALARM, "on")
            home.stop()
            home.start_again()
            home.wait_for(ALARM, "on")
            alarm_id = home.states()[ALARM]["attributes"]["event_id"]
            assert [action["title"] for action in message["data"]["actions"]] == [
                "Acknowledge", "Shelve for 1 h", "True fault", "False alarm",
            ]  # fmt: skip
            assert message["data"]["actions"][0]["action"] == f"AEGAN aegan/box/pump acknowledge {alarm_id}"
            home.fire("mobile_app_notification_action", {"action": "SOME_OTHER_APPS"})
            answer(home, "acknowledge", alarm_id, topic="aegan/box/pump2")
            answer(home, "acknowledge", "another-alarm")
            answer(home, "true_fault", alarm_id)
            wait_until(lambda: home.states()[ALARM]["attributes"].get("acknowledged"), f"acknowledged {alarm_id} of {commands.received()}")
            answer(home, "shelve", alarm_id)
            home.wait_for(ALARM, "off")
            by = {"by": "Home Assistant"}
            assert [message.json() for message in commands.received()] == [
                {"command": "acknowledge", "event_id": "another-alarm", **by},
                {"command": "acknowledge", "verdict": "true_fault", "event_id": alarm_id, **by},
                {"command": "shelve", **by},
            ]
            assert len(phone.read()) == 1
            daemon.kill()
            home.wait_for(CONNECTIVITY, "off")
        with Daemon(config, NoSound()):
            home.wait_for(CONNECTIVITY, "on")
            home.press("button.box_pump_unshelve")
            home.wait_for(ALARM, "on")
            home.press("button.box_pump_close_alarm")
            assert [message["message"] for message in phone.wait_for(2)[1:]] == [CLOSED]
        config.write_text(config.read_text().replace("off_delay_s: 3600", "off_delay_s: 0"))
        with Daemon(config, sound, 2.0, apart=True):
            found = phone.wait_for(6)
            assert [message["message"] == NORMAL for message in found[2:6]] == [False, True, False, True]
            wait_until(lambda: home.render("{{ states('input_text.pump')[1] }}") == "h", "the memory that it is heard", START_S)
            n_before = len(phone.read("sensor"))
        assert phone.wait_for(n_before + 1, "sensor")[-1]["message"] == DEAF
