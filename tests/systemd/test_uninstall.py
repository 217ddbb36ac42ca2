"""`make uninstall`; the last of the tests that need the service."""

import pytest

from booted import BootedSystem
from broker import Mosquitto
from service import CONFIG, UNIT, config, machine

pytestmark = [  # the first of them installs it
    *(pytest.mark.systemd, pytest.mark.broker, pytest.mark.mic),
    *(pytest.mark.timeout(900), pytest.mark.usefixtures("as_installed")),
]


def test_uninstalled(system: BootedSystem, broker: Mosquitto) -> None:
    """`make uninstall` stops and removes the service and keeps configuration and state, except with PURGE."""
    system.write(CONFIG, config(broker.port, machine()))
    system.write("/etc/aegan-monitor/hall.yaml", config(broker.port, machine()).replace("node: box", "node: hall"))
    both = (UNIT, "aegan-monitor@hall.service")
    system.run("systemctl", "enable", "--now", *both)
    make = ("make", "--no-print-directory", "-C", "/source", "uninstall")
    assert system.run(*make, "PREFIX=/opt/typo").startswith("Nothing is installed in /opt/typo/lib/aegan-monitor.\nLeft as they are: ")
    refused = system.attempt(*make, "PREFIX=/opt/typo", "PURGE=1").stdout
    assert "make uninstall: /usr/local/lib/systemd/system/aegan-monitor.service is there: uninstall with its PREFIX first\n" in refused
    assert [system.show(unit, "ActiveState") for unit in both] == ["active"] * 2
    reported = system.run(*make, "PURGE=0")
    assert "rror" not in reported
    assert [system.show(unit, name) for unit in both for name in ("LoadState", "ActiveState")] == ["not-found", "inactive"] * 2
    assert "Left as they are: /etc/aegan-monitor, /var/lib/aegan-monitor*" in reported
    assert system.run("find", "/usr/local", "/etc/systemd", "-name", "*aegan*") == ""
    assert system.path(CONFIG).exists()
    assert system.run(*make).startswith("Nothing is installed in /usr/local/lib/aegan-monitor.\nLeft as they are: ")
    system.run(*make, "PURGE=1")
    images = ("-path", "/var/lib/containers", "-prune", "-o")  # this system's, of other programs
    assert system.run("find", "/etc", "/var/lib", *images, "-name", "*aegan*", "-print") == ""
    system.write(CONFIG, "")
