"""The service as installed by `make install`, in a really booted systemd with real parts."""

import contextlib
import re
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from aegan_monitor.config.names import make_name
from aegan_monitor.demo.pump import Pump
from booted import BootedSystem
from broker import Mosquitto, Subscriber, find_free_port, wait_until
from certificates import Authority
from pulse import SINK, PulseServer
from service import (
    BUNDLE,
    CONFIG,
    DEADLINE_S,
    DROP_IN,
    PASSWORD,
    RATE_HZ,
    START_S,
    STOP_S,
    STOPPED,
    STOPPING,
    UNIT,
    config,
    logged_at_s,
    machine,
    main_pid,
    stamp_s,
    statuses_since_online,
)
from soundcard import write_noisy_sounddevice
from synthetic import write_wav

TOKEN = f"{PASSWORD} battery staple"
FETCH = """
import sys, urllib.request
request = urllib.request.Request("http://127.0.0.1:8765" + sys.argv[1], headers={"Authorization": "Bearer " + sys.argv[2]})
sys.stdout.buffer.write(urllib.request.urlopen(request, timeout=30).read())
"""

pytestmark = [  # the first of them installs it
    *(pytest.mark.systemd, pytest.mark.broker, pytest.mark.mic),
    *(pytest.mark.timeout(900), pytest.mark.usefixtures("as_installed")),
]


def test_as_installed_it_starts_and_reports_how_it_fares(system: BootedSystem) -> None:
    """It is active within 5 s without microphone and broker; `systemctl status` shows its state."""
    system.run("systemctl", "start", UNIT)
    assert system.show(UNIT, "ActiveState") == "active"
    assert 0 < stamp_s(system, "ActiveEnter") - stamp_s(system, "InactiveExit") < START_S
    assert re.findall("(?m)^node:.*", system.path(CONFIG).read_text())[0].split()[:2] == ["node:", f'"{make_name(socket.gethostname())}"']
    broker = "broker: cannot be reached (Connection refused); retrying every 1 to 30 s"
    reported = f'Status: "demo: sensor missing; inference on cpu in fp32; {broker}"'
    wait_until(lambda: reported in system.run("systemctl", "status", "--no-pager", "--full", UNIT), "its status", DEADLINE_S)


def test_manual_page_and_completions_are_installed(system: BootedSystem) -> None:
    """Every user can read them, whatever the umask of the installation."""
    found = system.run("find", "/usr/local/share", "-name", "*aegan-monitor*", "-perm", "644", "-printf", "%h\n").split()
    places = ["bash-completion/completions", "fish/vendor_completions.d", "man/man1", "zsh/site-functions"]
    assert sorted(found) == [f"/usr/local/share/{place}" for place in places]
    assert system.run("find", "/usr/local/share", "-type", "d", "!", "-perm", "-005") == ""


def fetch(system: BootedSystem, path: str) -> bytes:
    """What the page gives an operator in the network of the system; nothing if it refuses."""
    return subprocess.run([*system.network, sys.executable, "-c", FETCH, path, TOKEN], capture_output=True, check=False, timeout=60).stdout


def test_its_whole_work_in_the_sandbox(system: BootedSystem, repository: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """In the sandbox it uses PulseAudio, MQTT over TLS with a credential, outbox, evidence and page with a token, and inference."""
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
        credentials = "".join(f"LoadCredential={name}:/etc/aegan-monitor/{name}\n" for name in ("mqtt-password", "page-token"))
        system.write(f"{DROP_IN}/credentials.conf", f"[Service]\n{credentials}")
        system.write("/etc/aegan-monitor/mqtt-password", PASSWORD, 0o600)
        system.write("/etc/aegan-monitor/page-token", TOKEN, 0o600)
        system.write("/etc/aegan-monitor/ca.pem", authority.certificate.read_text())
        mqtt = (
            f"{{host: localhost, port: {server.port}, username: box, password_file: 'credential:mqtt-password', tls: {{ca_file: ca.pem}}}}"
        )
        machine = f"{{name: pump, bundle: {BUNDLE}, alarm: {{on_delay_s: 0}}, capture: {{device: 'pulse:{SINK}.monitor'}}}}"
        web = "{port: 8765, token_file: 'credential:page-token'}\nevidence: {min_free_mb: 0}"  # the system's disk is small
        system.write(CONFIG, f"node: box\nhealth_interval_s: 1\nmqtt: {mqtt}\nweb: {web}\nmachines: [{machine}]\n")
        system.run("systemctl", "daemon-reload")
        with Subscriber(plain_port, "aegan/box/#", ("box", PASSWORD), through=system.network) as subscriber:
            system.run("systemctl", "start", UNIT)
            event = subscriber.wait_for(lambda m: m.topic == "aegan/box/pump/event", DEADLINE_S).json()
            health = subscriber.wait_for(
                lambda m: m.topic == "aegan/box/health" and m.json()["machines"]["pump"]["state"] == "alarm", DEADLINE_S
            ).json()
            assert (event["kind"], event["sequence"]) == ("raised", 1)
            case = f"/api/v1/cases/{event['case']['id']}"
            wait_until(lambda: b'"sound.flac"' in fetch(system, case), "the page has the sound of the case", DEADLINE_S)
            assert fetch(system, f"{case}/sound.flac").startswith(b"fLaC")
            assert (health["history_problem"], health["evidence_problem"]) == ("", "")
            assert (health["outbox_problem"], health["provider"], health["machines"]["pump"]["sensor"]) == ("", "cpu", "ok")
            state = system.path("/var/lib/private/aegan-monitor/outbox-box.sqlite")
            assert state.stat().st_mode & 0o777 == 0o600
            assert state.stat().st_uid == int(system.run("stat", "--format=%u", f"/proc/{main_pid(system)}").strip()) != 0
            command_line = system.path(f"/proc/{main_pid(system)}/cmdline").read_bytes()
            assert PASSWORD.encode() not in command_line
            assert PASSWORD not in system.journal(UNIT)
    exposure = system.run("systemd-analyze", "security", "--no-pager", UNIT)
    assert float(re.findall(r"Overall exposure level for \S+: ([\d.]+)", exposure)[0]) <= 1.6


def test_reloads_good_and_bad(system: BootedSystem, broker: Mosquitto) -> None:
    """`systemctl reload` waits for the new configuration, and fails if the old one stays."""
    system.write(CONFIG, config(broker.port, machine(), machine("fan")))
    system.run("systemctl", "start", UNIT)
    before = main_pid(system)
    system.write(CONFIG, config(broker.port, machine(), machine("fan", ", no_data_s: 7")))
    system.run("systemctl", "reload", UNIT)
    assert "reloaded: " in system.journal(UNIT)
    system.write(CONFIG, config(broker.port, machine(), machine("fan", ", no_dato_s: 7")))
    assert system.attempt("systemctl", "reload", UNIT).returncode != 0
    reason = f"{CONFIG}: machines[1].no_dato_s: unknown key; did you mean no_data_s?"
    assert reason in system.journal(UNIT)
    assert reason.partition(": unknown")[0] in system.run("systemctl", "status", "--no-pager", "--full", UNIT)
    assert (system.show(UNIT, "ActiveState"), main_pid(system), system.show(UNIT, "NRestarts")) == ("active", before, "0")


def test_a_bundle_is_installed_as_root(system: BootedSystem, broker: Mosquitto) -> None:
    """The command finds the service by its outbox, makes it reload, and waits for its answer; the service can read the bundle."""
    own = "/etc/aegan-monitor/bundles/pump"
    install = ("/usr/local/bin/aegan-monitor", "bundle", "install", BUNDLE, "--config", CONFIG)
    system.write(CONFIG, config(broker.port, machine().replace(BUNDLE, own)))
    assert "no daemon runs with this configuration; it loads the bundle when it starts" in system.run(*install)
    system.run("systemctl", "start", UNIT)
    assert system.run(*install).splitlines()[-1] == "the daemon has reloaded"
    assert "reloaded: pump runs on" in system.journal(UNIT)


def test_a_wrong_configuration_stays_down(system: BootedSystem) -> None:
    """A wrong configuration fails with 78 and its reason in the journal, without a restart."""
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


def test_it_stops_in_order_and_at_once(system: BootedSystem, broker: Mosquitto) -> None:
    """`systemctl stop` takes less than 2 s, and the daemon publishes `offline` itself."""
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
    """On a stop PortAudio's process does not end first, so no sensor fault stays at the broker."""
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
    """The example's drop-in gives all threads SCHED_RR within the sandbox."""
    system.write(CONFIG, config(broker.port, machine()))
    system.write(f"{DROP_IN}/realtime.conf", (repository / "configs" / "examples" / "systemd" / "realtime.conf").read_text())
    system.run("systemctl", "daemon-reload")
    system.run("systemctl", "start", UNIT)
    threads = system.run("ps", "-L", "-o", "cls=,rtprio=", "-p", str(main_pid(system))).splitlines()
    assert {tuple(thread.split()) for thread in threads} == {("RR", "10")}
