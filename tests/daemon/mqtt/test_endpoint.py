"""The broker's endpoint: what is refused, what is warned about, and that no secret is shown."""

import socket
import ssl
from pathlib import Path

import pytest

from aegan_monitor.config.broker import MqttConfig, TlsConfig
from aegan_monitor.errors import ConfigError
from aegan_monitor.mqtt.endpoint import Endpoint, explain, make_endpoint
from certificates import Authority

SECRET = "s3cret"


def settle(**keys: object) -> Endpoint:
    """The connection that the `mqtt` section of a configuration describes."""
    return make_endpoint(MqttConfig.model_validate(keys), "hall")


def test_the_configuration_becomes_a_connection(tmp_path: Path) -> None:
    """Port and client id have defaults, and secrets are the first lines of their files."""
    (tmp_path / "user").write_text("pump\nmore\n")
    (tmp_path / "password").write_text(f"{SECRET}\n")
    assert settle() == Endpoint("localhost", 1883, "aegan-hall")
    assert settle(tls={}).port == 8883
    found = settle(host="h", port=5, client_id="c", username_file=tmp_path / "user", password_file=tmp_path / "password")
    assert found == Endpoint("h", 5, "c", "pump", SECRET)
    assert SECRET not in repr(found)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    """An unreadable secret file is named with its key, and no secret is shown."""
    with pytest.raises(ConfigError) as caught:
        settle(username="u", password_file=tmp_path / "none")
    reported = f"{tmp_path}/none: cannot be read (FileNotFoundError); check path and permissions"
    assert str(caught.value) == f"mqtt.password_file: {reported}"
    with pytest.raises(ConfigError) as caught:
        settle(username_file=tmp_path / "none", password_file=tmp_path / "none")
    assert str(caught.value) == f"mqtt.username_file: {reported}\nmqtt.password_file: {reported}"


def test_a_secret_of_a_windows_editor_is_read(tmp_path: Path) -> None:
    """A secret file may have a byte order mark and CRLF; a file that is not UTF-8 is named."""
    (tmp_path / "password").write_bytes(b"\xef\xbb\xbfp\xc3\xa4ss\r\n")
    assert settle(username="u", password_file=tmp_path / "password").password == "p\xe4ss"
    (tmp_path / "password").write_bytes(b"p\xe4ss\n")
    with pytest.raises(ConfigError, match=r"^mqtt.password_file: .*: expected UTF-8, found byte 0xe4; save the file as UTF-8$"):
        settle(username="u", password_file=tmp_path / "password")


@pytest.mark.parametrize(
    ("host", "password", "tls", "warning"),
    [
        ("broker.example.org", SECRET, None, "the password goes over the network in plain text; set mqtt.tls"),
        ("192.0.2.7", SECRET, None, "the password goes over the network in plain text; set mqtt.tls"),
        ("broker.example.org", None, None, None),
        *((host, SECRET, None, None) for host in ("localhost", "127.0.0.1", "127.8.8.8", "::1")),
        ("broker.example.org", SECRET, TlsConfig(), None),
        ("h", None, TlsConfig(verify=False), "mqtt.tls.verify is false: any host that answers gets the password"),
    ],
)
def test_what_is_risky_is_warned_of(host: str, password: str | None, tls: TlsConfig | None, warning: str | None) -> None:
    """Plain-text passwords over a network and unverified certificates are warned about, but not on this machine."""
    found = Endpoint(host, 1, "c", password and "u", password, tls).warning
    assert found == (warning and f"MQTT broker {host}:1: {warning}")


def test_tls_is_verified_and_new(tmp_path: Path) -> None:
    """TLS verifies certificates by default and uses version 1.2 or newer."""
    authority = Authority(tmp_path)
    context = Endpoint("h", 1, "c", tls=TlsConfig(ca_file=authority.certificate)).make_tls_context()
    assert context is not None
    assert (context.verify_mode, context.check_hostname, context.minimum_version) == (ssl.CERT_REQUIRED, True, ssl.TLSVersion.TLSv1_2)
    context = Endpoint("h", 1, "c", tls=TlsConfig(verify=False)).make_tls_context()
    assert context is not None
    assert (context.verify_mode, context.minimum_version) == (ssl.CERT_NONE, ssl.TLSVersion.TLSv1_2)
    assert Endpoint("h", 1, "c").make_tls_context() is None


def test_a_wrong_certificate_file_is_reported_at_once(tmp_path: Path) -> None:
    """A wrong certificate file gives an error with key, file, expected and found content."""
    certificate, key = Authority(tmp_path / "a").sign("c", "h")
    other = Authority(tmp_path / "b").sign("d", "h")[1]
    (tmp_path / "text").write_text("hello")
    ca = "expected certificates in PEM, found"
    own = "expected a certificate in PEM and its key in"
    for keys, line in (
        ({"ca_file": tmp_path / "none"}, f"ca_file: {tmp_path}/none: {ca}: No such file or directory"),
        ({"ca_file": tmp_path / "text"}, f"ca_file: {tmp_path}/text: {ca}: no certificate or crl found"),
        (
            {"certificate_file": certificate, "key_file": other},
            f"certificate_file: {certificate}: {own} {other}, without a passphrase, found: key values mismatch",
        ),
        (
            {"certificate_file": certificate},
            f"certificate_file: {certificate}: {own} the same file, without a passphrase, found: no such thing",
        ),
    ):
        with pytest.raises(ConfigError) as caught:
            settle(tls=keys)
        assert str(caught.value) == f"mqtt.tls.{line}"
    settle(tls={"certificate_file": certificate, "key_file": key})


@pytest.mark.parametrize("changed", [True, False])
def test_another_password_makes_another_connection(tmp_path: Path, changed: bool) -> None:
    """A reload compares the content of the file, which no repr shows."""
    path = tmp_path / "password"
    path.write_text(SECRET)
    before = settle(username="u", password_file=path)
    path.write_text(f"other {SECRET}" if changed else SECRET)
    after = settle(username="u", password_file=path)
    assert (after == before, repr(after)) == (not changed, repr(before))


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (ConnectionRefusedError(111, "Connection refused"), "Connection refused"),
        (socket.gaierror(-2, "Name or service not known"), "no such host nowhere (Name or service not known)"),
        (TimeoutError("timed out"), "no answer in time; check mqtt.host, mqtt.port and the firewall between"),
        (ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER] x"), "the broker speaks no TLS on this port; check mqtt.port and mqtt.tls"),
        (ssl.SSLError(1, "[SSL: ODD] odd"), "TLS failed ([SSL: ODD] odd)"),
    ],
)
def test_an_error_is_explained(error: Exception, line: str) -> None:
    """A connection error gives one line, with a remedy where one is known."""
    assert explain(error, Endpoint("nowhere", 1, "c")) == line


@pytest.mark.parametrize(
    ("error", "with_tls", "without"),
    [
        (ConnectionResetError(104, "Connection reset by peer"), "the broker broke off the TLS handshake; ", "Connection reset by peer"),
        (ssl.SSLEOFError(8, "[SSL: UNEXPECTED_EOF_WHILE_READING] x"), "the broker broke off the TLS handshake; ", ""),
        (TimeoutError("_ssl.c:989: The handshake operation timed out"), "no answer in the TLS handshake; ", ""),
        (ConnectionRefusedError(111, "Connection refused"), "", "Connection refused"),
        (TimeoutError("timed out"), "", "no answer in time; check mqtt.host, mqtt.port and the firewall between"),
    ],
)
def test_a_port_without_tls_is_suspected(error: Exception, with_tls: str, without: str) -> None:
    """A port without TLS is suspected only where the handshake itself fails."""
    suspected = with_tls and f"{with_tls}does this port speak TLS? Check mqtt.port and mqtt.tls"
    assert explain(error, Endpoint("h", 1, "c", tls=TlsConfig())) == (suspected or without)
    if without:
        assert explain(error, Endpoint("h", 1, "c")) == without
