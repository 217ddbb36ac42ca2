"""The stages of `check` on the way to a broker: each failure is reported at its stage."""

import socket
import threading
from pathlib import Path

import pytest

from aegan_monitor.config.broker import TlsConfig
from aegan_monitor.homeassistant.discovery import list_trials
from aegan_monitor.mqtt.endpoint import Endpoint
from aegan_monitor.tools.broker_visit import Permission
from broker import MARKS, STEP_DEADLINE_S, Mosquitto, Subscriber, find_free_port
from broker_stages import COMMAND_TOPIC, COMMAND_TOPICS, RUNS_OUT_S, TOPIC, probe

REFUSED = "TCP: Connection refused; no broker listens there; start it, or correct mqtt.host and mqtt.port"


@pytest.mark.broker
@pytest.mark.parametrize(
    ("protocol", "last"),
    [
        ("5", f"permission to publish: ok, tried on {TOPIC}"),
        ("3.1.1", f"permission to publish: unknown on {TOPIC}: MQTT 3.1.1 acknowledges what an ACL throws away"),
    ],
)
def test_all_is_well(broker: Mosquitto, protocol: str, last: str) -> None:
    """Every stage succeeds, a daemon with the same client id stays connected, and nothing is retained."""
    reported, failure = probe(Endpoint("127.0.0.1", broker.port, "aegan-hall"), protocol)
    assert (reported, failure) == (["DNS: 127.0.0.1", "TCP: ok", f"MQTT: ok, version {protocol}", last], "")
    assert "aegan-hall-check" in broker.log
    with Subscriber(broker.port) as subscriber:
        subscriber.catch_up()
        assert subscriber.received() == []


@pytest.mark.broker
@pytest.mark.parametrize(
    ("protocol", "acl", "verdict", "failure"),
    [
        ("5", "topic readwrite #", f"ok, tried on {COMMAND_TOPIC}", ""),
        ("3.1.1", "topic readwrite #", f"ok, tried on {COMMAND_TOPIC}", ""),
        ("5", "topic write #", None, "was granted, but nothing is delivered; the ACL must let this user read it"),
        (
            *("3.1.1", "topic write #"),
            f"unknown on {COMMAND_TOPIC}: the message did not come back, and MQTT 3.1.1 does not say why",
            "",
        ),
        (
            *("5", f"topic write {TOPIC}\ntopic read {COMMAND_TOPIC}"),
            f"granted on {COMMAND_TOPICS}, but not tried: this user may not write there, and need not",
            "",
        ),
    ],
)
def test_permission_to_subscribe(tmp_path: Path, protocol: str, acl: str, verdict: str | None, failure: str) -> None:
    """Mosquitto grants subscriptions that its ACL forbids, so only a returned message proves the permission."""
    broker = Mosquitto(tmp_path / "mosquitto", acl=acl + "\n")
    broker.start()
    timeout_s = RUNS_OUT_S if acl == "topic write #" else STEP_DEADLINE_S
    reported, failed = probe(
        Endpoint("127.0.0.1", broker.port, "aegan-hall"), protocol, (COMMAND_TOPICS, COMMAND_TOPIC), timeout_s=timeout_s
    )
    broker.stop()
    assert failed == (failure and f"permission to subscribe: the subscription to {COMMAND_TOPICS} {failure}")
    assert reported[4:] == ([f"permission to subscribe: {verdict}"] if verdict else [])


DISCOVERY = Permission("discovery", list_trials("hall", ["pump", "fan"], "homeassistant"), ", or let it be")
TRIALS = "homeassistant/sensor/hall/check/config, homeassistant/sensor/hall_pump/check/config, homeassistant/sensor/hall_fan/check/config"


@pytest.mark.broker
@pytest.mark.parametrize(
    ("acl", "verdict", "failure"),
    [
        ("homeassistant/+/hall/+/config hall_pump hall_fan", f"ok, tried on {TRIALS}", ""),
        (
            *("homeassistant/+/hall/+/config hall_fan", None),
            (
                "a message on homeassistant/sensor/hall_pump/check/config was refused (Not authorized); "
                "the ACL must let this user write homeassistant/+/hall_pump/+/config, or let it be"
            ),
        ),
        (
            *("homeassistant/+/hall_fan/+/config", None),
            (
                "a message on homeassistant/sensor/hall/check/config and on homeassistant/sensor/hall_pump/check/config was refused "
                "(Not authorized); the ACL must let this user write homeassistant/+/hall/+/config and homeassistant/+/hall_pump/+/config, "
                "or let it be"
            ),
        ),
    ],
)
def test_permission_to_tell_home_assistant(tmp_path: Path, acl: str, verdict: str | None, failure: str) -> None:
    """Discovery permission is tried for the node and each machine, and no message is left behind."""
    first, *devices = acl.split()
    grants = [f"{MARKS}/#", TOPIC, first, *(f"homeassistant/+/{device}/+/config" for device in devices)]
    broker = Mosquitto(tmp_path / "mosquitto", acl="".join(f"topic write {grant}\n" for grant in grants) + "topic read #\n")
    broker.start()
    reported, failed = probe(Endpoint("127.0.0.1", broker.port, "aegan-hall"), "5", None, DISCOVERY)
    with Subscriber(broker.port) as subscriber:
        subscriber.catch_up()
        assert subscriber.received() == []
    broker.stop()
    assert failed == (failure and f"discovery: {failure}")
    assert reported[4:] == ([f"discovery: {verdict}"] if verdict else [])


TAKEN, PUBLISHED, NOT_PUBLISHED = b"\x20\x03\x00\x00\x00", b"\x40\x02\x00\x01", b"\x40\x03\x00\x01\x87"
SUBSCRIBED, NOT_SUBSCRIBED = b"\x90\x04\x00\x02\x00\x01", b"\x90\x04\x00\x02\x00\x87"
NO_PUBLISHING = f"permission to publish: a message on {TOPIC} was refused (Not authorized); the ACL must let this user write aegan/hall/#"
NO_SUBSCRIBING = (
    f"permission to subscribe: the subscription to {COMMAND_TOPICS} was refused (Not authorized); the ACL must let this user read it"
)
NO_DELIVERY = (
    f"permission to subscribe: the subscription to {COMMAND_TOPICS} was granted, but nothing is delivered; "
    "the ACL must let this user read it"
)
NO_ANSWER = f"permission to publish: no answer within {RUNS_OUT_S:g} s to a message on {TOPIC}; see the log of the broker"
ENDED = f"permission to publish: the connection ended before an answer to a message on {TOPIC}; see the log of the broker"


@pytest.mark.parametrize(
    ("replies", "lines"),
    [
        ([TAKEN, PUBLISHED, NOT_SUBSCRIBED], [NO_SUBSCRIBING]),
        ([TAKEN, NOT_PUBLISHED, NOT_SUBSCRIBED], [NO_PUBLISHING, NO_SUBSCRIBING]),
        ([TAKEN, b"", SUBSCRIBED, NOT_PUBLISHED], [NO_ANSWER, NO_DELIVERY]),
        ([TAKEN], [ENDED]),
    ],
)
def test_every_permission_is_tried(replies: list[bytes], lines: list[str]) -> None:
    """Every permission is tried after a refusal, unless the broker disconnects; refused subscriptions are reported."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            server.accept()[0].close()  # the stage TCP
            peer, _ = server.accept()
            with peer:
                for reply in replies:
                    peer.recv(4096)
                    peer.sendall(reply)
                peer.recv(4096)

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        port = server.getsockname()[1]
        timeout_s = RUNS_OUT_S if b"" in replies else STEP_DEADLINE_S
        failure = probe(Endpoint("127.0.0.1", port, "c"), "5", (COMMAND_TOPICS, COMMAND_TOPIC), timeout_s=timeout_s)[1]
        thread.join(STEP_DEADLINE_S)
    assert [line.removeprefix(f"MQTT broker 127.0.0.1:{port}: ") for line in failure.splitlines()] == lines


def test_no_such_name() -> None:
    """A name under .invalid never resolves (RFC 6761)."""
    reported, failure = probe(Endpoint("broker.invalid", 1883, "c"))
    assert reported == []
    assert failure.startswith("DNS: no such host broker.invalid (")


def test_no_broker_listens() -> None:
    """A host without a broker fails at the connection."""
    reported, failure = probe(Endpoint("127.0.0.1", find_free_port(), "c"))
    assert (reported, failure) == (["DNS: 127.0.0.1"], REFUSED)


@pytest.mark.broker
def test_no_tls_there(broker: Mosquitto) -> None:
    """TLS to a port without TLS fails at the handshake."""
    reported, failure = probe(Endpoint("127.0.0.1", broker.port, "c", tls=TlsConfig(verify=False)))
    warned = f"warning: MQTT broker 127.0.0.1:{broker.port}: mqtt.tls.verify is false: any host that answers gets the password"
    assert reported == [warned, "DNS: 127.0.0.1", "TCP: ok"]
    assert failure == "TLS: the broker broke off the TLS handshake; does this port speak TLS? Check mqtt.port and mqtt.tls"


@pytest.mark.parametrize(
    ("reply", "line"),
    [
        (
            b"",
            "MQTT: the connection ended (no answer): is it an MQTT 5 broker? check mqtt.host, mqtt.port, mqtt.protocol and mqtt.tls",
        ),
        (b"\x20\x03\x00\x88\x00", "MQTT: refused client 'c-check' (Server unavailable): see its log"),
        (None, f"MQTT: no answer within {RUNS_OUT_S:g} s: check mqtt.host, mqtt.port, mqtt.protocol and mqtt.tls"),
    ],
)
def test_a_peer_that_is_no_broker(reply: bytes | None, line: str) -> None:
    """A peer that hangs up, refuses or says nothing is reported."""
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
        timeout_s = RUNS_OUT_S if reply is None else STEP_DEADLINE_S
        assert probe(Endpoint("127.0.0.1", server.getsockname()[1], "c"), timeout_s=timeout_s)[1] == line
        thread.join(STEP_DEADLINE_S)
    for peer in kept:
        peer.close()


def test_a_folder_of_certificates_needs_no_broker(tmp_path: Path) -> None:
    """An unreadable certificate file is reported before any connection."""
    reported, failure = probe(Endpoint("127.0.0.1", find_free_port(), "c", tls=TlsConfig(ca_file=tmp_path / "none")))
    assert (reported, failure) == (["DNS: 127.0.0.1"], REFUSED)
