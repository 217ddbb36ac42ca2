"""A real Home Assistant: machines appear, follow the daemon, send commands by buttons, and disappear when removed."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import aegan_monitor
from aegan_monitor.homeassistant.discovery import discover
from aegan_monitor.messages.topics import Topics
from alternating import AlternatingSound
from broker import Mosquitto, Subscriber, wait_until
from example_config import make_config
from home_assistant import START_S, HomeAssistant
from running import Daemon, find_retained, write_config

pytestmark = [pytest.mark.broker, pytest.mark.homeassistant, pytest.mark.timeout(300)]

NODE, MACHINE = "aegan_monitor_box", "box_pump"
ALARM, CONNECTIVITY = f"binary_sensor.{MACHINE}_alarm", f"binary_sensor.{NODE}_connectivity"
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
WRONG, NORMAL = "Score 2.55, threshold 2.32", "The pump sounds normal again"
BROKER_GONE = "homeassistant.components.mqtt.client"  # complains of a broker that a test has killed
DEAF = "The pump is not heard: the monitor is gone\n"
CLOSED = "The pump's alarm has ended: by Home Assistant"
PHONE = "notify: [{platform: file, name: notify, filename: reported.txt}]\n"  # what is sent to it stands in a file

CONFIG = make_config("pump", node="box")


class NoSound(AlternatingSound):
    """A pipe without data, so that no decision falls."""

    def __init__(self) -> None:
        self.pcm = b""


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mosquitto]:
    """One broker for all tests of this module."""
    server = Mosquitto(tmp_path_factory.mktemp("mosquitto"))
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def running_home(broker: Mosquitto, tmp_path_factory: pytest.TempPathFactory) -> Iterator[HomeAssistant]:
    """One Home Assistant for all tests of this module, because its start is slow."""
    with HomeAssistant(tmp_path_factory.mktemp("home_assistant") / "home", broker.port) as found:
        yield found


@pytest.fixture
def home(broker: Mosquitto, running_home: HomeAssistant) -> Iterator[HomeAssistant]:
    """Home Assistant without machines; at the end its log must hold no complaint."""
    n_before = len(running_home.complaints)
    yield running_home
    assert [line for line in running_home.complaints[n_before:] if BROKER_GONE not in line] == []
    with Subscriber(broker.port) as subscriber:
        subscriber.catch_up()
        kept = find_retained(subscriber.received())
    for topic in kept:
        publish(broker, topic, "-r", "-n")
    wait_until(lambda: not running_home.states(), "the end of every entity", START_S)


def publish(broker: Mosquitto, topic: str, *options: str) -> None:
    """Publish with mosquitto_pub."""
    subprocess.run(["mosquitto_pub", "-p", str(broker.port), "-t", topic, *options], check=True)


def clear_discovery(broker: Mosquitto) -> None:
    """Clear all discovery messages, as a broker that has lost its memory."""
    for message in discover(CONFIG, Topics("aegan", "box")):
        publish(broker, message.topic, "-r", "-n")


def test_a_machine_appears_and_follows_the_daemon(broker: Mosquitto, tmp_path: Path, home: HomeAssistant) -> None:
    """Every entity has the right device and a state, none comes from `check`, and a killed daemon is shown at once."""
    config = write_config(tmp_path, broker.port)
    with Daemon(config, AlternatingSound(), 2.0, apart=True) as daemon:
        for entity, states in SHOWN.items():
            home.wait_for(entity, *states)
        home.wait_for(ALARM, "on")
        home.wait_for(ALARM, "off")
        home.wait_for(f"sensor.{NODE}_version", aegan_monitor.__version__)
        for entity in NUMBERS:
            home.wait_for_number(entity)
        subprocess.run([sys.executable, "-m", "aegan_monitor.cli", "check", "--config", str(config)], check=True)
        found = [json.loads(message.payload) for message in discover(CONFIG, Topics("aegan", "box"))]
        assert set(home.states()) == {entity["default_entity_id"] for entity in found if entity.get("enabled_by_default", True)}
        assert {home.device(entity) for entity in home.states()} == {"box pump", "aegan-monitor box"}
        assert home.render(f"{{{{ device_attr('{ALARM}', 'via_device_id') == device_id('{CONNECTIVITY}') }}}}") == "True"
        assert home.states()[ALARM]["attributes"]["event_id"]
        daemon.kill()
        home.wait_for(CONNECTIVITY, "off")
        for entity in {*SHOWN, *NUMBERS} - {CONNECTIVITY}:
            home.wait_for(entity, "unavailable")


def test_buttons_publish_commands(broker: Mosquitto, tmp_path: Path, home: HomeAssistant) -> None:
    """Each button publishes one valid command that is not retained."""
    with Subscriber(broker.port, "aegan/box/pump/command") as subscriber, Daemon(write_config(tmp_path, broker.port), AlternatingSound()):
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


def test_buttons_do_what_they_say(broker: Mosquitto, tmp_path: Path, home: HomeAssistant) -> None:
    """Buttons acknowledge, shelve and unshelve a lasting alarm, and the events carry the user."""
    config = write_config(tmp_path, broker.port)
    config.write_text(config.read_text().replace("off_delay_s: 0", "off_delay_s: 3600"))
    with Subscriber(broker.port, "aegan/box/pump/event") as subscriber, Daemon(config, AlternatingSound(), 2.0, apart=True):
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


def test_a_deaf_machine_does_not_look_well(broker: Mosquitto, tmp_path: Path, home: HomeAssistant) -> None:
    """A sensor fault is shown in place of the state, but an active alarm stays visible; both return with the sound."""
    config = write_config(tmp_path, broker.port)
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


def test_all_is_there_again_after_a_restart_of_home_assistant(broker: Mosquitto, tmp_path: Path, home: HomeAssistant) -> None:
    """All entities return after a restart of Home Assistant, even if the broker has lost its memory."""
    with Daemon(write_config(tmp_path, broker.port), AlternatingSound(), 2.0, apart=True):
        home.wait_for(ALARM, "on")
        home.stop()
        clear_discovery(broker)
        home.start_again()
        for entity, states in SHOWN.items():
            home.wait_for(entity, *states)


def test_what_leaves_the_configuration_leaves_home_assistant(broker: Mosquitto, tmp_path: Path, home: HomeAssistant) -> None:
    """A removed machine disappears with its retained messages, and everything when discovery is switched off."""
    config = write_config(tmp_path, broker.port)
    with Daemon(config, AlternatingSound()):
        home.wait_for(ALARM, "on")
    config.write_text(config.read_text().replace("name: pump", "name: fan"))
    with Daemon(config, AlternatingSound()):
        wait_until(lambda: {home.device(entity) for entity in home.states()} == {"box fan", "aegan-monitor box"}, "the pump is gone")
    with Subscriber(broker.port, "aegan/box/pump/#") as subscriber:
        publish(broker, "aegan/box/pump/command", "-m", "{}")
        subscriber.wait_for(bool)
        assert subscriber.payloads("aegan/box/pump/command") == [message.payload for message in subscriber.received()]
    config.write_text(config.read_text() + "home_assistant: {discovery: false}\n")
    with Daemon(config, AlternatingSound()):
        wait_until(lambda: not home.states(), "all is gone")


def test_the_example_reports_each_alarm_once(broker: Mosquitto, tmp_path: Path, repository: Path, home: HomeAssistant) -> None:
    """The example automation notifies once for each alarm over restarts, and the phone's answer becomes a command."""
    package, card = (repository / "configs" / "examples" / "home-assistant" / name for name in ("aegan-monitor.yaml", "card.yaml"))
    reported, quick = home.folder / "reported.txt", tmp_path / "quick.yaml"
    quick.write_text(package.read_text().replace("minutes: 5", "seconds: 1"))
    config, sound = write_config(tmp_path, broker.port), AlternatingSound()
    config.write_text(config.read_text().replace("off_delay_s: 0", "off_delay_s: 3600"))

    def lines() -> list[str]:
        """All notifications about the alarm, in order."""
        found = reported.read_text().splitlines() if reported.is_file() else []
        return [line for line in found if line.startswith(("Score ", NORMAL, "The pump's alarm"))]

    with Subscriber(broker.port, "aegan/box/pump/command") as commands:
        home.stop()
        home.configure(f"homeassistant: {{packages: {{aegan_monitor: !include {quick}}}}}\n{PHONE}")
        with Daemon(config, sound, 2.0, apart=True) as daemon:
            wait_until(lambda: daemon.n_logged, "an alarm while Home Assistant is away", START_S)
            home.start_again()
            assert home.check_config() == ""
            wait_until(lines, "the alarm on the phone", START_S)
            named = set(re.findall(r"\b(?:binary_sensor|sensor|button)\.box_\w+", package.read_text() + card.read_text()))
            wait_until(lambda: named <= set(home.states()), f"{named}")
            broker.kill()
            home.wait_for(ALARM, "unavailable")
            broker.start()
            home.wait_for(ALARM, "on")
            home.stop()
            home.start_again()
            home.wait_for(ALARM, "on")
            alarm_id = home.states()[ALARM]["attributes"]["event_id"]
            for other in ("SOME_OTHER_APPS", "AEGAN_box_pump_another-alarm", f"AEGAN_box_pump_{alarm_id}"):
                home.fire("mobile_app_notification_action", {"action": other})
            wait_until(lambda: home.states()[ALARM]["attributes"].get("acknowledged"), f"acknowledged {alarm_id} of {commands.received()}")
            assert [message.json()["event_id"] for message in commands.received()] == ["another-alarm", alarm_id]
            home.press(f"button.{MACHINE}_shelve_for_1_h")
            home.wait_for(ALARM, "off")
            assert len(lines()) == 1, lines()
            daemon.kill()
            home.wait_for(CONNECTIVITY, "off")
        with Daemon(config, NoSound()):
            home.wait_for(CONNECTIVITY, "on")
            home.press(f"button.{MACHINE}_unshelve")
            home.wait_for(ALARM, "on")
            home.press(f"button.{MACHINE}_close_alarm")
            wait_until(lambda: lines()[1:] == [CLOSED], "the end that nothing has measured", START_S)
        config.write_text(config.read_text().replace("off_delay_s: 3600", "off_delay_s: 0"))
        with Daemon(config, sound, 2.0, apart=True):
            wait_until(lambda: len(lines()) > 5, "further alarms on the phone", START_S)
            assert lines()[2:6] == [WRONG, NORMAL, WRONG, NORMAL]
            wait_until(lambda: home.render("{{ states('input_text.aegan_box_pump_deaf') }}") == "off", "the word that it is heard", START_S)
            reported.unlink()
        wait_until(lambda: reported.is_file() and DEAF in reported.read_text(), "the monitor's end on the phone", START_S)
