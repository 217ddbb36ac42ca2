"""The installed service restarts after a kill, a crash or a hang, and until its bundle exists."""

import contextlib
import subprocess
import sys
from pathlib import Path

import pytest

from booted import BootedSystem
from broker import Mosquitto, Subscriber, wait_until
from service import (
    AGAIN,
    BUNDLE,
    CONFIG,
    DEADLINE_S,
    DROP_IN,
    UNIT,
    WATCHDOG_S,
    config,
    machine,
    main_pid,
    stamp_s,
    statuses_since_online,
    wait_for_restart,
)

pytestmark = [  # the first of them installs it
    *(pytest.mark.systemd, pytest.mark.broker, pytest.mark.mic),
    *(pytest.mark.timeout(900), pytest.mark.usefixtures("as_installed")),
]


@pytest.mark.parametrize("signal", ["SIGKILL", "SIGSEGV"])
def test_one_that_dies_is_started_again(system: BootedSystem, broker: Mosquitto, signal: str) -> None:
    """After a kill or a crash the last will says `offline`, and the service returns."""
    system.write(CONFIG, config(broker.port, machine()))
    system.write(f"{DROP_IN}/again.conf", AGAIN)
    system.run("systemctl", "daemon-reload")
    with Subscriber(broker.port, "aegan/box/status", through=system.network) as subscriber:
        system.run("systemctl", "start", UNIT)
        subscriber.wait_for(lambda m: m.payload == "online" and not m.retained, DEADLINE_S)
        before = main_pid(system)
        system.run("systemctl", "kill", "--kill-whom=main", f"--signal={signal}", UNIT)
        wait_for_restart(system, before)
        wait_until(lambda: statuses_since_online(subscriber) == ["online", "offline", "online"], "online again", DEADLINE_S)


@pytest.mark.parametrize("what", ["process", "worker"])
def test_one_that_hangs_is_started_again(system: BootedSystem, broker: Mosquitto, repository: Path, what: str) -> None:
    """A hanging process, or a hanging worker alone, is restarted by the watchdog."""
    system.write(CONFIG, config(broker.port, machine()))
    system.write(f"{DROP_IN}/watchdog.conf", f"{AGAIN}WatchdogSec={WATCHDOG_S:g}\n")
    system.run("systemctl", "daemon-reload")
    system.run("systemctl", "start", UNIT)
    before = main_pid(system)
    wait_until(lambda: stamp_s(system, "Watchdog") - stamp_s(system, "ActiveEnter") > WATCHDOG_S, "food for its watchdog", DEADLINE_S)
    assert main_pid(system) == before
    with contextlib.ExitStack() as ends:
        if what == "process":
            system.run("systemctl", "kill", "--kill-whom=main", "--signal=SIGSTOP", UNIT)
        else:
            command = [sys.executable, str(repository / "tests" / "parts" / "hang.py"), str(system.outside_pid(before))]
            hanging = ends.enter_context(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
            ends.callback(hanging.kill)
            assert hanging.stdout is not None
            assert hanging.stdout.readline() == "hangs\n"
        wait_for_restart(system, before)
    log = system.journal(UNIT)
    assert f"aegan-monitor.service: Watchdog timeout (limit {WATCHDOG_S:g}s)!" in log
    if what == "worker":
        assert "Fatal Python error: Aborted" in log
        assert "in _work" in log  # where it hung


def test_a_late_bundle_is_waited_for(system: BootedSystem, broker: Mosquitto) -> None:
    """A bundle that is not mounted or not readable yet is waited for by restarts."""
    late = "/srv/late/bundle"
    system.write(CONFIG, config(broker.port, machine().replace(BUNDLE, late)))
    system.write(f"{DROP_IN}/again.conf", AGAIN)
    system.run("systemctl", "daemon-reload")
    system.attempt("systemctl", "start", UNIT)
    wait_until(lambda: system.show(UNIT, "ExecMainStatus") == "1", "a failure, perhaps of the next start", DEADLINE_S)
    assert f"aegan-monitor: {late}: no such bundle folder; mount its disk, " in system.journal(UNIT)
    system.run("bash", "-c", f"mkdir -p {Path(late).parent}; umask 077; cp -rL {BUNDLE} {late}")
    reported = f"aegan-monitor: {late}/bundle.json: may not be read by this user; make it readable (chmod -R a+rX {late}), "
    wait_until(lambda: reported in system.journal(UNIT), "the refusal", DEADLINE_S)
    system.run("chmod", "-R", "a+rX", late)
    wait_until(lambda: system.show(UNIT, "ActiveState") == "active", "a start", DEADLINE_S)
