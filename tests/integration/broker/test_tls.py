"""Every TLS failure between broker and daemon has a line of its own in the log, in `check` and in health."""

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from aegan_monitor.demo.pump import Pump
from aegan_monitor.tools.broker_visit import SHARED_ID
from broker import STEP_DEADLINE_S, Mosquitto, Subscriber, find_free_port, wait_until
from certificates import Authority
from command_line import CommandLine
from synthetic import write_wav
from trust import CASES, PASSWORD, TRIALS, USER, WRONG, make_broker, write_config

DAEMON = [sys.executable, "-m", "aegan_monitor.cli"]


class ServiceManager:
    """The notifications that systemd receives from the daemon."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))
        self._socket.setblocking(False)
        self.heard: list[str] = []

    def statuses(self) -> list[str]:
        """All status lines so far."""
        with contextlib.suppress(BlockingIOError):
            while True:
                self.heard.append(self._socket.recv(65536).decode())
        return [text.removeprefix("STATUS=") for text in self.heard if text.startswith("STATUS=")]

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[ServiceManager]:
    """A service manager's socket."""
    made = ServiceManager(tmp_path / "notify")
    yield made
    made.close()


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Authorities and certificates by name."""
    folder = tmp_path_factory.mktemp("certificates")
    good, other = Authority(folder / "a"), Authority(folder / "b")
    found = {"good authority": good.certificate, "other authority": other.certificate}
    for name, host, expired in (("good", "127.0.0.1", False), ("expired", "127.0.0.1", True), ("other", "10.9.8.7", False)):
        found[name], found[f"{name} key"] = good.sign(name, host, expired=expired)
    found["client"], found["client key"] = good.sign("client", "client.example.org")
    found["sound"] = write_wav(folder / "pump.wav", Pump(41).read(30 * 16_000))
    return found


@contextlib.contextmanager
def run_daemon(config: Path, environment: dict[str, str]) -> Iterator["subprocess.Popen[str]"]:
    """`aegan-monitor run`, ended with the block."""
    command = [*DAEMON, "run", "--config", str(config)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment) as process:
        try:
            yield process
        finally:
            process.kill()


@pytest.fixture
def brokers() -> Iterator[list[Mosquitto]]:
    """Starts brokers that end with the test."""
    made: list[Mosquitto] = []
    yield made
    for broker in made:
        broker.stop()


@pytest.mark.broker
@pytest.mark.parametrize("name", CASES)
def test_each_way_has_its_line(
    aegan_monitor: CommandLine, tmp_path: Path, files: dict[str, Path], manager: ServiceManager, brokers: list[Mosquitto], name: str
) -> None:
    """Each failure has its line in the log, in systemd's status and in `check`, without a secret."""
    case = CASES[name]
    broker = make_broker(tmp_path, files, case)
    brokers.append(broker)
    broker.start()
    config = write_config(tmp_path, files, case, broker.port)
    where = f"MQTT broker 127.0.0.1:{broker.port}"
    environment = {**os.environ, "NOTIFY_SOCKET": str(tmp_path / "notify")}
    with run_daemon(config, environment) as daemon:
        reported = "broker: connected" if name == "good" or "ACL" in name else case.line
        wait_until(lambda: any(reported in status for status in manager.statuses()), reported, 60.0)
        arguments = Path(f"/proc/{daemon.pid}/cmdline").read_bytes()
        check = aegan_monitor("check", "--config", config)
        daemon.send_signal(signal.SIGTERM)
        _, log = daemon.communicate(timeout=STEP_DEADLINE_S)
    because = f"cannot be reached ({case.line})" if case.stage == "TLS" else case.line
    assert [line for line in log.splitlines() if f"{where} {because}" in line][1:] == [], log
    assert log.count(f"{where} {because}") == 1, log
    if case.stage:
        assert check.returncode == 1, check.stdout
        assert check.stderr == f"aegan-monitor: {where}: {case.stage}: {case.check_line or case.line}\n"
    else:
        assert (check.returncode, check.stderr) == (0, "")
        lines = re.sub(r"ok, \d+ bytes", "ok", check.stdout).splitlines()
        assert [line.removeprefix(f"{where}: ") for line in lines[-8:]] == [
            "DNS: 127.0.0.1",
            "TCP: ok",
            "TLS: TLSv1.3, ok",
            f"MQTT: ok, version 5 ({SHARED_ID})",
            "permission to publish: ok, tried on aegan/box/check",
            f"permission to publish discovery: ok, tried on {TRIALS}",
            "largest message: ok",
            "permission to subscribe: ok, tried on aegan/box/pump/command",
        ]
    everything = log + check.stdout + check.stderr + arguments.decode() + "".join(manager.heard)
    assert PASSWORD not in everything
    assert WRONG not in everything


@pytest.mark.broker
@pytest.mark.parametrize(
    ("speaks_tls", "line"),
    [
        (False, "the broker broke off the TLS handshake; does this port speak TLS? Check mqtt.port and mqtt.tls"),
        (True, "is it an MQTT 5 broker? check mqtt.host, mqtt.port, mqtt.protocol and mqtt.tls"),
    ],
)
def test_tls_at_a_port_without_and_the_other_way_round(
    aegan_monitor: CommandLine, tmp_path: Path, files: dict[str, Path], brokers: list[Mosquitto], speaks_tls: bool, line: str
) -> None:
    """Daemon and `check` name TLS on a plain port, and plain text on a TLS port."""
    more = [f"certfile {files['good']}", f"keyfile {files['good key']}"] if speaks_tls else []
    broker = Mosquitto(tmp_path / "mosquitto", more=more)
    brokers.append(broker)
    broker.start()
    config = write_config(tmp_path, files, CASES["good"], broker.port)
    if speaks_tls:
        config.write_text(re.sub(r",\n  tls: \{.*?\}", "", config.read_text()))
    with run_daemon(config, dict(os.environ)) as daemon:
        assert daemon.stderr is not None
        log = ""
        while "retrying every" not in log:
            log = daemon.stderr.readline()
            assert log
    check = aegan_monitor("check", "--config", config)
    assert f"{line}); retrying" in log or f"{line}; retrying" in log
    assert (check.returncode, check.stderr.endswith(f"{line}\n")) == (1, True), check.stderr


@pytest.mark.broker
def test_health_reports_what_was_wrong_once_it_can(tmp_path: Path, files: dict[str, Path], brokers: list[Mosquitto]) -> None:
    """After the broker's certificate is renewed the daemon reconnects, and health reports the past failure."""
    broker = make_broker(tmp_path, files, CASES["expired"])
    brokers.append(broker)
    broker.start()
    config = write_config(tmp_path, files, CASES["expired"], broker.port)
    with run_daemon(config, dict(os.environ)) as daemon:
        wait_until(lambda: "alert certificate expired" in broker.log, "a refusal", 60.0)
        n_refusals = broker.log.count("alert certificate expired")
        wait_until(lambda: broker.log.count("alert certificate expired") > n_refusals, "one that is over just now")
        daemon.send_signal(signal.SIGSTOP)  # else it may try once more while the broker is down, and tell of that
        broker.stop()
        broker.more = [line.replace(str(files["expired"]), str(files["good"])) for line in broker.more]
        broker.more = [line.replace(str(files["expired key"]), str(files["good key"])) for line in broker.more]
        plain = find_free_port()  # a listener of its own for the subscriber, who has no certificate
        broker.more = [*broker.more, f"listener {plain} 127.0.0.1"]
        broker.start()
        with Subscriber(plain, "aegan/box/health", (USER, PASSWORD)) as subscriber:
            daemon.send_signal(signal.SIGCONT)
            health = subscriber.wait_for(lambda message: not message.retained, 60.0).json()
        daemon.send_signal(signal.SIGTERM)
        daemon.communicate(timeout=STEP_DEADLINE_S)
    assert CASES["expired"].line in health["broker_problem"]
    assert PASSWORD not in json.dumps(health)


@pytest.mark.broker
def test_the_example_broker_takes_a_node_and_no_other(
    aegan_monitor: CommandLine, tmp_path: Path, files: dict[str, Path], brokers: list[Mosquitto], repository: Path
) -> None:
    """configs/examples/mosquitto lets a user write below the node of that name alone, and read its commands."""
    example = repository / "configs" / "examples" / "mosquitto"
    text = (example / "mosquitto.conf").read_text(encoding="utf-8")
    for name, path in (("ca.pem", "good authority"), ("broker.pem", "good"), ("broker.key", "good key")):
        text = text.replace(f"/etc/mosquitto/certificates/{name}", str(files[path]))
    listener, rest = text.split("listener 8883\n")[1].split("allow_anonymous false\n")
    more = [*listener.splitlines(), *(line for line in rest.splitlines() if "_file" not in line and "persistence" not in line)]
    acl = (example / "acl").read_text(encoding="utf-8").replace("pump-house", "box")
    broker = Mosquitto(tmp_path / "mosquitto", users={"box": PASSWORD, "other": PASSWORD, "dashboard": PASSWORD}, acl=acl, more=more)
    brokers.append(broker)
    broker.start()
    config = write_config(tmp_path, files, CASES["good"], broker.port)
    where = f"MQTT broker 127.0.0.1:{broker.port}: permission to"
    for user, code, reported in (
        (
            *("box", 0),
            (
                f"{where} publish: ok, tried on aegan/box/check\n{where} publish discovery: ok, tried on {TRIALS}\n"
                f"{where} subscribe: ok, tried on aegan/box/pump/command\n"
            ),
        ),
        (
            *("other", 1),
            (
                f"aegan-monitor: {where} publish: a message on aegan/box/check was refused (Not authorized); "
                "the ACL must let this user write aegan/box/#\n"
                f"aegan-monitor: {where} publish discovery: {CASES['ACL of discovery'].check_line}\n"
            ),
        ),
    ):
        config.write_text(
            config.read_text().replace(f"username: {USER}", f"username: {user}").replace("username: box", f"username: {user}")
        )
        check = aegan_monitor("check", "--config", config)
        said = re.sub(r".* largest message: .*\n", "", check.stdout) + check.stderr
        assert (check.returncode, said.endswith(reported)) == (code, True), said
