"""The installed service in a booted system: its configuration, and how systemd sees it."""

import itertools
import json

from booted import BootedSystem
from broker import Subscriber, wait_until

UNIT = "aegan-monitor.service"
CONFIG = "/etc/aegan-monitor/monitor.yaml"
DROP_IN = f"/etc/systemd/system/{UNIT}.d"
BUNDLE = "/usr/local/lib/aegan-monitor/demo-bundle"
PASSWORD = "correct horse"
RATE_HZ = 16_000
START_S, STOP_S = 5.0, 2.0  # by the stamps of systemd: how long we took to look does not count
WATCHDOG_S = 6.0
AGAIN = "[Service]\nRestartSec=1\n"  # the unit's own 5 s are in test_unit.py
DEADLINE_S = 60.0
STOPPING, STOPPED = "de5b426a63be47a7b6ac3eaac82e2f6f", "9d1aaa27d60140bd96365438aad20286"  # systemd/sd-messages.h


def machine(name: str = "pump", more: str = "") -> str:
    """One that hears a recording for ever."""
    return f"{{name: {name}, bundle: {BUNDLE}, capture: {{kind: file, paths: [/shared/pump.wav], loop: true}}{more}}}"


def config(port: int, *machines: str, more: str = "") -> str:
    """A configuration with these machines."""
    return f"node: box\nmqtt: {{host: 127.0.0.1, port: {port}}}\nhealth_interval_s: 1\n{more}machines: [{', '.join(machines)}]\n"


def main_pid(system: BootedSystem) -> int:
    """The daemon's process in the system, 0 if there is none."""
    return int(system.show(UNIT, "MainPID"))


def logged_at_s(system: BootedSystem, message_id: str) -> float:
    """When systemd said that of the service last; of one that is stopped it forgets the stamps with the rest."""
    system.run("journalctl", "--sync")
    entries = system.run("journalctl", "--no-pager", "--output=json", f"--unit={UNIT}", f"MESSAGE_ID={message_id}").splitlines()
    return int(json.loads(entries[-1])["_SOURCE_REALTIME_TIMESTAMP"]) / 1e6


def stamp_s(system: BootedSystem, name: str) -> float:
    """When the service was seen to do that last, on the monotonic clock of systemd."""
    return int(system.show(UNIT, f"{name}TimestampMonotonic")) / 1e6


def wait_for_restart(system: BootedSystem, before: int) -> None:
    """Another process is active."""
    wait_until(lambda: main_pid(system) not in (0, before) and system.show(UNIT, "ActiveState") == "active", "a restart", DEADLINE_S)


def statuses_since_online(subscriber: Subscriber) -> list[str]:
    """What it has said since it was `online` for the first time; what the broker kept before is not of now."""
    return list(itertools.dropwhile(lambda text: text != "online", [m.payload for m in subscriber.received() if not m.retained]))
