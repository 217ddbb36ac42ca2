"""The service as its users have it: installed by `make install`, in a systemd that really boots, with real parts around it."""

import contextlib
import itertools
import json
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from aegan_monitor.config.names import make_name
from aegan_monitor.demo.pump import Pump
from booted import BootedSystem
from broker import Mosquitto, Subscriber, find_free_port, wait_until
from certificates import Authority
from pulse import SINK, PulseServer
from soundcard import write_noisy_sounddevice
from synthetic import write_wav

pytestmark = [pytest.mark.systemd, pytest.mark.broker, pytest.mark.mic, pytest.mark.timeout(900)]  # the first installs it

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
DECISION_SAMPLES = 32 * 512


@pytest.fixture(scope="module")
def system(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[BootedSystem]:
    """It has the service installed, and recordings of a pump in `/shared`."""
    with BootedSystem(tmp_path_factory.mktemp("system"), repository, "umask 077; make install") as booted:
        for seed, name in enumerate(("pump", "fan")):
            write_wav(booted.shared / f"{name}.wav", Pump(41 + seed).read(30 * RATE_HZ)).chmod(0o644)
        yield booted


@pytest.fixture(scope="module")
def broker(system: BootedSystem, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mosquitto]:
    """In its network."""
    server = Mosquitto(tmp_path_factory.mktemp("mosquitto"), through=system.network)
    server.start()
    yield server
    server.stop()


@pytest.fixture(autouse=True)
def _as_installed(system: BootedSystem) -> Iterator[None]:
    """Each test begins and ends with the service stopped and as it was installed."""
    original = system.path(CONFIG).read_text()
    yield
    system.attempt("systemctl", "kill", "--signal=SIGCONT", UNIT)
    system.attempt("systemctl", "stop", UNIT)
    system.attempt("systemctl", "reset-failed", UNIT)
    system.run("rm", "-rf", DROP_IN)
    system.run("systemctl", "daemon-reload")
    system.write(CONFIG, original)


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


def test_as_installed_it_starts_and_tells_how_it_fares(system: BootedSystem) -> None:
    """Active within 5 s, with neither microphone nor broker; `systemctl status` tells machine, sensor, provider and broker."""
    system.run("systemctl", "start", UNIT)
    assert system.show(UNIT, "ActiveState") == "active"
    assert 0 < stamp_s(system, "ActiveEnter") - stamp_s(system, "InactiveExit") < START_S
    assert re.findall("(?m)^node:.*", system.path(CONFIG).read_text())[0].split()[:2] == ["node:", f'"{make_name(socket.gethostname())}"']
    told = 'Status: "demo: sensor missing; inference on cpu; broker: cannot be reached (Connection refused); retrying every 1 to 30 s"'
    wait_until(lambda: told in system.run("systemctl", "status", "--no-pager", "--full", UNIT), "its status", DEADLINE_S)


def test_its_whole_work_in_the_sandbox(system: BootedSystem, repository: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """A microphone behind PulseAudio's socket, MQTT over TLS with a password from a credential, the outbox on disk, inference."""
    authority = Authority(tmp_path_factory.mktemp("authority"))
    certificate, key = authority.sign("broker", "localhost")
    plain_port = find_free_port()
    more = [f"certfile {certificate}", f"keyfile {key}", f"listener {plain_port} 127.0.0.1"]  # the second is for us
    server = Mosquitto(tmp_path_factory.mktemp("tls"), users={"box": PASSWORD}, more=more, through=system.network)
    longer_than_waited_for = np.tile(Pump(41, fault_from_s=0.0).read(20 * RATE_HZ), 8)
    sound = write_wav(system.shared / "faulty.wav", longer_than_waited_for)
    (system.shared / "pulse").mkdir()
    with contextlib.ExitStack() as ends, PulseServer(system.shared / "pulse") as pulse:
        server.start()
        ends.callback(server.stop)
        ends.enter_context(pulse.playing(sound))
        example = (repository / "configs" / "examples" / "systemd" / "pulse.conf").read_text()
        system.write(f"{DROP_IN}/pulse.conf", example.replace("unix:/run/pulse/native", "unix:/shared/pulse/native"))
        system.write(f"{DROP_IN}/password.conf", "[Service]\nLoadCredential=mqtt-password:/etc/aegan-monitor/mqtt-password\n")
        system.write("/etc/aegan-monitor/mqtt-password", PASSWORD, 0o600)
        system.write("/etc/aegan-monitor/ca.pem", authority.certificate.read_text())
        mqtt = (
            f"{{host: localhost, port: {server.port}, username: box, password_file: 'credential:mqtt-password', tls: {{ca_file: ca.pem}}}}"
        )
        machine = f"{{name: pump, bundle: {BUNDLE}, alarm: {{on_delay_s: 0}}, capture: {{device: 'pulse:{SINK}.monitor'}}}}"
        system.write(CONFIG, f"node: box\nhealth_interval_s: 1\nmqtt: {mqtt}\nmachines: [{machine}]\n")
        system.run("systemctl", "daemon-reload")
        with Subscriber(plain_port, "aegan/box/#", ("box", PASSWORD), through=system.network) as subscriber:
            system.run("systemctl", "start", UNIT)
            event = subscriber.wait_for(lambda m: m.topic == "aegan/box/pump/event", DEADLINE_S).json()
            health = subscriber.wait_for(
                lambda m: m.topic == "aegan/box/health" and m.json()["machines"]["pump"]["state"] == "alarm", DEADLINE_S
            ).json()
            assert (event["kind"], event["sequence"]) == ("raised", 1)
            assert (health["outbox_problem"], health["provider"], health["machines"]["pump"]["sensor"]) == ("", "cpu", "ok")
            state = system.path("/var/lib/private/aegan-monitor/outbox-box.sqlite")
            assert state.stat().st_mode & 0o777 == 0o600
            assert state.stat().st_uid == int(system.run("stat", "--format=%u", f"/proc/{main_pid(system)}").strip()) != 0
            command_line = system.path(f"/proc/{main_pid(system)}/cmdline").read_bytes()
            assert PASSWORD.encode() not in command_line
            assert PASSWORD not in system.journal(UNIT)
    exposure = system.run("systemd-analyze", "security", "--no-pager", UNIT)
    assert float(re.findall(r"Overall exposure level for \S+: ([\d.]+)", exposure)[0]) <= 1.6


@pytest.mark.parametrize("signal", ["SIGKILL", "SIGSEGV"])
def test_one_that_dies_is_started_again(system: BootedSystem, broker: Mosquitto, signal: str) -> None:
    """Killed, or crashed: the last will says `offline`, and then it is back."""
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
    """The whole process, or its worker while every other thread goes on; the watchdog was fed until then."""
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
            command = [sys.executable, str(repository / "tests" / "hang.py"), str(system.outside_pid(before))]
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


def test_reloads_good_and_bad(system: BootedSystem, broker: Mosquitto) -> None:
    """`systemctl reload` waits until the new configuration is in use, and fails if the old one stays; what did not change decides on."""
    system.write(CONFIG, config(broker.port, machine(), machine("fan")))
    score, health = "aegan/box/pump/score", "aegan/box/health"
    with Subscriber(broker.port, "aegan/box/#", through=system.network) as subscriber:
        system.run("systemctl", "start", UNIT)
        before = main_pid(system)
        subscriber.wait_for(lambda m: m.topic == score, DEADLINE_S)
        system.write(CONFIG, config(broker.port, machine(), machine("fan", ", no_data_s: 7")))
        system.run("systemctl", "reload", UNIT)
        assert "reloaded: pump runs on, fan replaced\n" in system.journal(UNIT)
        system.write(CONFIG, config(broker.port, machine(), machine("fan", ", no_dato_s: 7")))
        assert system.attempt("systemctl", "reload", UNIT).returncode != 0
        reason = f"the configuration from before stays in use: {CONFIG}: machines[1].no_dato_s: unknown key; did you mean no_data_s?\n"
        assert f"aegan-monitor: reload: {reason}" in system.journal(UNIT)
        told = f"reload failed, the configuration from before is in use: {CONFIG}: machines[1].no_dato_s"
        assert told in system.run("systemctl", "status", "--no-pager", "--full", UNIT)
        n_before = len(subscriber.received(score))
        wait_until(lambda: len(subscriber.received(score)) >= n_before + 2, "decisions afterwards", DEADLINE_S)
        assert (system.show(UNIT, "ActiveState"), main_pid(system), system.show(UNIT, "NRestarts")) == ("active", before, "0")
        samples = [message.json()["sample"] for message in subscriber.received(score)]
        pump = [message.json()["machines"]["pump"] for message in subscriber.received(health) if not message.retained][-1]
    assert all(later > sooner for sooner, later in itertools.pairwise(samples))  # a score that is late gives way to the next
    assert {(sample - samples[0]) % DECISION_SAMPLES for sample in samples} == {0}
    assert (pump["gaps_total"], pump["dropped_samples_total"]) == (0, 0)


def test_a_wrong_configuration_stays_down(system: BootedSystem) -> None:
    """`start` fails with 78, the journal has the reason, and systemd does not try again."""
    system.write(CONFIG, "machines: [{name: pump, bundel: /nowhere}]\n")
    assert system.attempt("systemctl", "start", UNIT).returncode != 0
    assert [system.show(UNIT, name) for name in ("ActiveState", "ExecMainStatus", "NRestarts")] == ["failed", "78", "0"]
    reason = f"aegan-monitor: {CONFIG}: machines[0].bundel: unknown key; did you mean bundle?"
    assert reason in system.journal(UNIT)
    system.path(CONFIG).chmod(0o600)
    system.attempt("systemctl", "start", UNIT)
    remedy = f"the daemon's user must be able to read it: chmod a+r {CONFIG}"
    refused = f"{CONFIG}: expected a file that can be read, found: Permission denied; {remedy}"
    assert f"aegan-monitor: {refused}\n" in system.journal(UNIT)


def test_a_late_bundle_is_waited_for(system: BootedSystem, broker: Mosquitto) -> None:
    """One that is not mounted yet, then one that root has copied for itself alone: it starts again until it can read it."""
    late = "/srv/late/bundle"
    system.write(CONFIG, config(broker.port, machine().replace(BUNDLE, late)))
    system.write(f"{DROP_IN}/again.conf", AGAIN)
    system.run("systemctl", "daemon-reload")
    system.attempt("systemctl", "start", UNIT)
    wait_until(lambda: system.show(UNIT, "ExecMainStatus") == "1", "a failure, perhaps of the next start", DEADLINE_S)
    assert f"aegan-monitor: {late}: no such bundle folder; mount its disk, " in system.journal(UNIT)
    system.run("bash", "-c", f"mkdir -p {Path(late).parent}; umask 077; cp -rL {BUNDLE} {late}")
    told = f"aegan-monitor: {late}/bundle.json: may not be read by this user; make it readable (chmod -R a+rX {late}), "
    wait_until(lambda: told in system.journal(UNIT), "the refusal", DEADLINE_S)
    system.run("chmod", "-R", "a+rX", late)
    wait_until(lambda: system.show(UNIT, "ActiveState") == "active", "a start", DEADLINE_S)


def test_it_stops_in_order_and_at_once(system: BootedSystem, broker: Mosquitto) -> None:
    """`systemctl stop` takes less than 2 s, and `offline` is published, not left to the last will."""
    before = system.journal(UNIT)
    system.write(CONFIG, config(broker.port, machine()))
    with Subscriber(broker.port, "aegan/box/status", through=system.network) as subscriber:
        system.run("systemctl", "start", UNIT)
        subscriber.wait_for(lambda m: m.payload == "online" and not m.retained, DEADLINE_S)
        system.run("systemctl", "stop", UNIT)
        wait_until(lambda: statuses_since_online(subscriber) == ["online", "offline"], "offline", DEADLINE_S)
    assert f"{UNIT}: Deactivated successfully.\n" in system.journal(UNIT).removeprefix(before)
    assert 0 < logged_at_s(system, STOPPED) - logged_at_s(system, STOPPING) < STOP_S
    said = re.findall(r"Received PUBLISH from aegan-box \(.*'aegan/box/status', \.\.\. \((\d+) bytes\)\)", broker.log)
    assert said[-1:] == [str(len("offline"))], said


def test_a_microphone_is_not_missing_as_it_stops(system: BootedSystem, broker: Mosquitto) -> None:
    """PortAudio's process is not told to stop before the daemon is: no fault of the sensor stays with the broker."""
    before = system.journal(UNIT)
    (system.shared / "noisy").mkdir()
    write_noisy_sounddevice(system.shared / "noisy").chmod(0o755)
    system.write(CONFIG, config(broker.port, f"{{name: pump, bundle: {BUNDLE}}}"))
    system.write(f"{DROP_IN}/noisy.conf", "[Service]\nEnvironment=PYTHONPATH=/shared/noisy\n")
    system.run("systemctl", "daemon-reload")
    for _ in range(3):
        with Subscriber(broker.port, "aegan/box/#", through=system.network) as subscriber:
            system.run("systemctl", "start", UNIT)
            subscriber.wait_for(lambda m: m.topic == "aegan/box/pump/sensor" and m.json()["state"] == "ok" and not m.retained, DEADLINE_S)
            system.run("systemctl", "stop", UNIT)
            subscriber.wait_for(lambda m: (m.topic, m.payload, m.retained) == ("aegan/box/status", "offline", False), DEADLINE_S)
            states = [m.json()["state"] for m in subscriber.received() if m.topic == "aegan/box/pump/sensor" and not m.retained]
            assert states[-1] == "ok"
    assert "sensor missing" not in system.journal(UNIT).removeprefix(before)


def test_two_on_one_device(system: BootedSystem, broker: Mosquitto) -> None:
    """Each instance of the template has its own configuration, state and node."""
    names = ("hall", "yard")
    try:
        for name in names:
            system.write(f"/etc/aegan-monitor/{name}.yaml", config(broker.port, machine()).replace("node: box", f"node: {name}"))
        with Subscriber(broker.port, "aegan/+/status", through=system.network) as subscriber:
            for name in names:
                system.run("systemctl", "start", f"aegan-monitor@{name}")
            for name in names:
                is_on = (f"aegan/{name}/status", "online")
                subscriber.wait_for(lambda m, is_on=is_on: (m.topic, m.payload) == is_on, DEADLINE_S)  # type: ignore[misc]
                assert system.path(f"/var/lib/private/aegan-monitor-{name}/outbox-{name}.sqlite").is_file()
    finally:
        for name in names:
            system.run("systemctl", "stop", f"aegan-monitor@{name}")
            system.path(f"/etc/aegan-monitor/{name}.yaml").unlink()


def test_real_time_priority(system: BootedSystem, broker: Mosquitto, repository: Path) -> None:
    """The example's drop-in gives all its threads SCHED_RR, in the sandbox as it is."""
    system.write(CONFIG, config(broker.port, machine()))
    system.write(f"{DROP_IN}/realtime.conf", (repository / "configs" / "examples" / "systemd" / "realtime.conf").read_text())
    system.run("systemctl", "daemon-reload")
    system.run("systemctl", "start", UNIT)
    threads = system.run("ps", "-L", "-o", "cls=,rtprio=", "-p", str(main_pid(system))).splitlines()
    assert {tuple(thread.split()) for thread in threads} == {("RR", "10")}


def test_uninstalled(system: BootedSystem, broker: Mosquitto) -> None:
    """What runs is stopped, what was installed goes, configuration and state stay; with PURGE they go, too."""
    system.write(CONFIG, config(broker.port, machine()))
    system.write("/etc/aegan-monitor/hall.yaml", config(broker.port, machine()).replace("node: box", "node: hall"))
    both = (UNIT, "aegan-monitor@hall.service")
    system.run("systemctl", "enable", "--now", *both)
    make = ("make", "--no-print-directory", "-C", "/source", "uninstall")
    assert system.run(*make, "PREFIX=/opt/typo").startswith("Nothing is installed in /opt/typo/lib/aegan-monitor.\nLeft as they are: ")
    refused = system.attempt(*make, "PREFIX=/opt/typo", "PURGE=1").stdout
    assert "make uninstall: /usr/local/lib/systemd/system/aegan-monitor.service is there: uninstall with its PREFIX first\n" in refused
    assert [system.show(unit, "ActiveState") for unit in both] == ["active"] * 2
    told = system.run(*make, "PURGE=0")
    assert "rror" not in told
    assert [system.show(unit, name) for unit in both for name in ("LoadState", "ActiveState")] == ["not-found", "inactive"] * 2
    assert "Left as they are: /etc/aegan-monitor, /var/lib/aegan-monitor*" in told
    assert system.run("find", "/usr/local", "/etc/systemd", "-name", "*aegan*") == ""
    assert system.path(CONFIG).exists()
    assert system.run(*make).startswith("Nothing is installed in /usr/local/lib/aegan-monitor.\nLeft as they are: ")
    system.run(*make, "PURGE=1")
    assert system.run("find", "/etc", "/var/lib", "-name", "*aegan*") == ""
    system.write(CONFIG, "")
