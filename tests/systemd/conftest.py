"""One booted system with the service for all tests of a run, in one group of one worker."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from aegan_monitor.demo.pump import Pump
from booted import BootedSystem
from broker import Mosquitto
from service import CONFIG, DROP_IN, RATE_HZ, UNIT
from synthetic import write_wav


@pytest.fixture(scope="session")
def system(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[BootedSystem]:
    """A booted system with the service installed, and recordings of a pump in `/shared`."""
    with BootedSystem(tmp_path_factory.mktemp("system"), repository, "umask 077; make install") as booted:
        for seed, name in enumerate(("pump", "fan")):
            write_wav(booted.shared / f"{name}.wav", Pump(41 + seed).read(30 * RATE_HZ)).chmod(0o644)
        yield booted


@pytest.fixture(scope="session")
def broker(system: BootedSystem, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mosquitto]:
    """A broker in the network of the system."""
    server = Mosquitto(tmp_path_factory.mktemp("mosquitto"), through=system.network)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def as_installed(system: BootedSystem) -> Iterator[None]:
    """Each test begins and ends with the service stopped and as installed."""
    original = system.path(CONFIG).read_text()
    yield
    system.attempt("systemctl", "kill", "--signal=SIGCONT", UNIT)
    system.attempt("systemctl", "stop", UNIT)
    system.attempt("systemctl", "reset-failed", UNIT)
    system.run("rm", "-rf", DROP_IN)
    system.run("systemctl", "daemon-reload")
    system.write(CONFIG, original)
