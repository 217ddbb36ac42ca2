"""Commands that arrive while the monitor stops or a reload removes their machine."""

import subprocess
import threading
from pathlib import Path

import pytest

from aegan_monitor.config.model import MonitorConfig, load_config
from aegan_monitor.service.monitor import Monitor
from broker import Mosquitto, Subscriber, wait_until
from monitoring import HoldingCapture, running, write_config

RATE_HZ = 16_000


def say_in_a_turn(broker: Mosquitto, capture: HoldingCapture) -> None:
    """Hold the worker after it has read the queue, then send a command."""
    wait_until(lambda: "Sending SUBACK to aegan-box" in broker.log, "the subscription")
    capture.holds.set()
    assert capture.held.wait(10.0)
    said = ["-t", "aegan/box/pump/command", "-m", '{"command": "shelve", "id": "7"}']
    subprocess.run(["mosquitto_pub", "-p", str(broker.port), "-q", "1", *said], check=True)
    wait_until(lambda: "Received PUBACK from aegan-box" in broker.log, "the command")


@pytest.mark.broker
def test_a_command_that_comes_as_the_monitor_stops_is_refused(broker: Mosquitto, tmp_path: Path) -> None:
    """A command that arrives while the monitor stops is answered with a refusal."""
    capture = HoldingCapture(RATE_HZ)
    with Subscriber(broker.port, "aegan/box/pump/result") as results:
        monitor = Monitor(load_config(write_config(tmp_path, broker.port, "pump")), capture=lambda *_: capture)
        with running(monitor):
            say_in_a_turn(broker, capture)
            monitor.stop()
            capture.released.set()
        answer = results.wait_for(bool).json()
    assert (answer["id"], answer["accepted"], answer["reason"]) == ("7", False, "the monitor is stopping")


@pytest.mark.broker
def test_a_command_for_a_machine_that_a_reload_removes_is_refused(broker: Mosquitto, tmp_path: Path) -> None:
    """A queued command for a machine that a reload removes is answered with a refusal."""
    captures = {name: HoldingCapture(RATE_HZ) for name in ("pump", "fan")}
    asked, may_read = threading.Event(), threading.Event()

    def read_again() -> MonitorConfig:
        asked.set()
        may_read.wait(60.0)
        return load_config(write_config(tmp_path, broker.port, "fan"))

    config = load_config(write_config(tmp_path, broker.port, "pump"))
    monitor = Monitor(config, read_again=read_again, capture=lambda machine, _: captures[machine.name])
    with Subscriber(broker.port, "aegan/box/pump/result") as results, running(monitor):
        monitor.reload()
        assert asked.wait(10.0)
        say_in_a_turn(broker, captures["pump"])
        may_read.set()
        wait_until(lambda: "reload" not in {thread.name for thread in threading.enumerate()}, "the new setup")
        captures["pump"].released.set()
        answer = results.wait_for(bool).json()
    assert (answer["id"], answer["accepted"], answer["reason"]) == ("7", False, "no such machine: a reload has just removed it")
