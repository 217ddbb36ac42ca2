"""The stages on the way to a broker: each fails for itself, and says so."""

import socket
import threading
from pathlib import Path

import pytest

from aegan_monitor.broker_config import TlsConfig
from aegan_monitor.connection import Connection
from aegan_monitor.errors import PublishError
from aegan_monitor.probe import BrokerProbe
from broker import Mosquitto, Subscriber, find_free_port

TOPIC = "aegan/hall/check"


def probe(connection: Connection, protocol: str = "5") -> tuple[list[str], str]:
    """The stages' verdicts, and the one that failed, without the broker's name."""
    told: list[str] = []
    failure = ""
    try:
        BrokerProbe(connection, protocol, TOPIC, timeout_s=1.0).run(told.append)  # type: ignore[arg-type]
    except PublishError as error:
        failure = str(error)
    where = f"MQTT broker {connection.host}:{connection.port}: "
    return [line.removeprefix(where) for line in told], failure.removeprefix(where)


@pytest.mark.broker
@pytest.mark.parametrize(
    ("protocol", "last"),
    [
        ("5", f"permission to publish: ok, tried on {TOPIC}"),
        ("3.1.1", f"permission to publish: unknown on {TOPIC}: MQTT 3.1.1 acknowledges what an ACL throws away"),
    ],
)
def test_all_is_well(broker: Mosquitto, protocol: str, last: str) -> None:
    """Every stage has its verdict; a daemon of that client id stays connected, and nothing is retained."""
    told, failure = probe(Connection("127.0.0.1", broker.port, "aegan-hall"), protocol)
    assert (told, failure) == (["DNS: 127.0.0.1", "TCP: ok", f"MQTT: ok, version {protocol}", last], "")
    assert "aegan-hall-check" in broker.log
    with Subscriber(broker.port) as subscriber:
        assert subscriber.received() == []


def test_no_such_name() -> None:
    """A name under .invalid never resolves (RFC 6761)."""
    told, failure = probe(Connection("broker.invalid", 1883, "c"))
    assert told == []
    assert failure.startswith("DNS: no such host broker.invalid (")


def test_nobody_listens() -> None:
    """The host is there, the broker is not."""
    told, failure = probe(Connection("127.0.0.1", find_free_port(), "c"))
    assert (told, failure) == (["DNS: 127.0.0.1"], "TCP: Connection refused")


@pytest.mark.broker
def test_no_tls_there(broker: Mosquitto) -> None:
    """TLS is configured, and the port speaks none."""
    told, failure = probe(Connection("127.0.0.1", broker.port, "c", tls=TlsConfig(verify=False)))
    warned = (
        f"warning: MQTT broker 127.0.0.1:{broker.port}: mqtt.tls.verify is false: whoever answers there is believed, and gets the password"
    )
    assert told == [warned, "DNS: 127.0.0.1", "TCP: ok"]
    assert failure.startswith("TLS: ")


@pytest.mark.parametrize(
    ("reply", "line"),
    [
        (b"", "MQTT: the connection ended before an answer: is it an MQTT 5 broker?"),
        (b"\x20\x03\x00\x88\x00", "MQTT: refused client 'c-check' (Server unavailable): see its log"),
        (None, "MQTT: no answer within 1 s: check mqtt.host, mqtt.port, mqtt.protocol and mqtt.tls"),
    ],
)
def test_a_peer_that_is_no_broker(reply: bytes | None, line: str) -> None:
    """It hangs up, refuses, or says nothing."""
    kept = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            server.accept()[0].close()  # the stage TCP
            peer, _ = server.accept()
            kept.append(peer)
            peer.recv(4096)
            if reply is not None:
                peer.sendall(reply)
                peer.close()

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        assert probe(Connection("127.0.0.1", server.getsockname()[1], "c"))[1] == line
        thread.join(5.0)
    for peer in kept:
        peer.close()


def test_a_folder_of_certificates_needs_no_broker(tmp_path: Path) -> None:
    """What cannot be read is told before anything is tried."""
    told, failure = probe(Connection("127.0.0.1", find_free_port(), "c", tls=TlsConfig(ca_file=tmp_path / "none")))
    assert (told, failure) == (["DNS: 127.0.0.1"], "TCP: Connection refused")
