"""Which broker a command visits: by its options, or by a configuration."""

from pathlib import Path

import pytest

from aegan_monitor.arguments import make_parser
from aegan_monitor.errors import AeganError, ConfigError, UsageError
from aegan_monitor.tools.terminal.broker import Broker, find_broker

CONFIG = (
    "node: box\nmqtt: {host: b.example, port: 1884, protocol: 3.1.1, base_topic: plant/hall, username: box, password_file: pw}\n"
    "machines: [{name: pump, bundle: b}]\n"
)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The present folder, with a password in it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pw").write_text("secret\n")
    (tmp_path / "mine").write_text("other\n")
    return tmp_path


def find(*options: str) -> Broker:
    """The broker of a command line."""
    return find_broker(make_parser().parse_args(["status", *options]), [Path("monitor.yaml")])


def test_by_options() -> None:
    """All nodes below aegan, with MQTT 5; a port of its own with TLS."""
    broker = find("--host", "b.example", "--username", "me", "--password-file", "pw")
    endpoint = broker.endpoint
    assert (endpoint.host, endpoint.port, endpoint.username, endpoint.password, endpoint.tls) == ("b.example", 1883, "me", "secret", None)
    assert (broker.protocol, broker.topic, broker.config) == ("5", "aegan/+", None)
    broker = find("--host", "b.example", "--tls", "--topic", "plant/hall/+", "--protocol", "3.1.1")
    assert (broker.endpoint.port, broker.topic, broker.protocol) == (8883, "plant/hall/+", "3.1.1")


def test_by_the_configuration_in_this_folder(folder: Path) -> None:
    """Broker, node and user of the configuration; --username is another user of the same broker."""
    (folder / "monitor.yaml").write_text(CONFIG)
    broker = find()
    assert (broker.endpoint.host, broker.endpoint.port, broker.endpoint.password) == ("b.example", 1884, "secret")
    assert (broker.protocol, broker.topic) == ("3.1.1", "plant/hall/box")
    broker = find("--username", "me", "--password-file", "mine")
    assert (broker.endpoint.host, broker.endpoint.username, broker.endpoint.password) == ("b.example", "me", "other")
    assert find("--username", "me").endpoint.password is None


def test_two_commands_do_not_end_each_other(folder: Path) -> None:
    """No two have one client id, and none has the daemon's; it is as long as any MQTT 3.1.1 broker takes."""
    (folder / "monitor.yaml").write_text(CONFIG)
    ids = {find().endpoint.client_id for _ in range(10)}
    assert len(ids) == 10
    assert max(map(len, ids)) <= 23


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ([], "status: name the broker with --host, or a configuration with --config (no monitor.yaml here)"),
        (["--host", "h", "--config", "c"], "status: --host and --config name a broker each; keep one"),
        (["--port", "1"], "status: --port needs --host"),
        (["--password-file", "pw"], "status: --password-file needs --username"),
        (["--host", "mqtt://h"], "status: --host: expected a host name or address, without scheme and port, found 'mqtt://h'"),
        (["--host", "h", "--password-file", "pw"], "status: --password-file: a password needs a user name; set username too"),
        (
            ["--host", "h", "--username", "u", "--password-file", "no"],
            "status: --password-file: no: cannot be read (FileNotFoundError); check path and permissions",
        ),
        (["--host", "h", "--ca-file", "no"], "status: --ca-file: no: expected certificates in PEM, found: No such file or directory"),
    ],
)
def test_wrong_options_have_one_line(options: list[str], line: str) -> None:
    """In the words of the options."""
    with pytest.raises(UsageError) as caught:
        find(*options)
    assert str(caught.value) == line


@pytest.mark.parametrize("password_file", ["missing", "credential:mqtt"])
def test_a_configuration_of_the_service_has_a_way_out(folder: Path, password_file: str) -> None:
    """A person may not read the daemon's password: the last line says what to do instead."""
    (folder / "monitor.yaml").write_text(CONFIG.replace("password_file: pw", f'password_file: "{password_file}"'))
    with pytest.raises(ConfigError) as caught:
        find()
    assert str(caught.value).splitlines()[-1].startswith("or name the broker in place of the configuration: --host, --username")


def test_what_the_broker_says_names_options_or_keys(folder: Path) -> None:
    """As the broker was named."""
    (folder / "monitor.yaml").write_text(CONFIG)
    by_options, by_config = find("--host", "h"), find()
    advice = "check mqtt.host, mqtt.protocol and mqtt.tls.ca_file or mqtt.tls"
    problems: list[AeganError] = [by_options.fail(advice), by_config.fail(advice)]
    assert [str(problem).partition(": ")[2] for problem in problems] == ["check --host, --protocol and --ca-file or --tls", advice]
    assert "The daemon's often may not" in str(by_config.miss())
    assert "The daemon's often may not" not in str(by_options.miss())
