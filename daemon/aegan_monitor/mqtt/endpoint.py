"""Address of the broker, credentials and certificates, and advice for errors of the network and TLS."""

import re
import socket
import ssl
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from aegan_monitor.config.broker import MqttConfig, TlsConfig
from aegan_monitor.errors import ConfigError

PORT, TLS_PORT = 1883, 8883
LOOPBACK = re.compile(r"localhost|ip6-localhost|127\.[0-9.]+|::1", re.IGNORECASE)

_UNTRUSTED = "the broker's certificate is signed by an unknown authority; name the authority's certificate in mqtt.tls.ca_file"
VERIFICATION_ADVICE = {  # by X509_V_ERR_..., openssl/x509_vfy.h
    9: "the broker's certificate is not valid yet; is this machine's clock right?",
    10: "the broker's certificate has expired; renew it",
    62: "the broker's certificate is for another host; set mqtt.host to a name in it",
    64: "the broker's certificate is for another address; set mqtt.host to a name in it",
    **dict.fromkeys((18, 19, 20, 21), _UNTRUSTED),
}
REFUSES_CERTIFICATE = "the broker does not accept our client certificate; check mqtt.tls.certificate_file"
TLS_ADVICE = {  # by a part of OpenSSL's reason; the first that fits holds
    "CERTIFICATE_REQUIRED": "the broker wants a client certificate; set mqtt.tls.certificate_file and mqtt.tls.key_file",
    "ALERT_HANDSHAKE_FAILURE": "the broker broke off the TLS handshake; does it want a client certificate (mqtt.tls.certificate_file)?",
    **dict.fromkeys(("ALERT_UNKNOWN_CA", "ALERT_BAD_CERTIFICATE", "ALERT_CERTIFICATE_"), REFUSES_CERTIFICATE),
    "WRONG_VERSION_NUMBER": "the broker speaks no TLS on this port; check mqtt.port and mqtt.tls",
    **dict.fromkeys(("UNSUPPORTED_PROTOCOL", "ALERT_PROTOCOL_VERSION"), "the broker speaks no TLS 1.2 or newer"),
}


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Address of the broker, and the daemon's identity there; no repr shows a secret."""

    host: str
    port: int
    client_id: str
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    tls: TlsConfig | None = None
    websocket_path: str | None = None

    @property
    def warning(self) -> str | None:
        """A risk, in one line; None without one."""
        where = f"MQTT broker {self.host}:{self.port}"
        if self.tls is None and self.password is not None and not LOOPBACK.fullmatch(self.host):
            return f"{where}: the password goes over the network in plain text; set mqtt.tls"
        if self.tls is not None and not self.tls.verify:
            return f"{where}: mqtt.tls.verify is false: any host that answers gets the password"
        return None

    def make_tls_context(self) -> ssl.SSLContext | None:
        """Context for one connection, from the files as they are now: a renewed certificate needs no restart.

        TLS 1.2 or newer, with the broker's certificate verified unless `verify` is false; None without TLS.

        Raises:
            ConfigError: A file cannot be read, or has other content than expected.
        """
        if (tls := self.tls) is None:
            return None
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if not tls.verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        if tls.ca_file is None:
            context.load_default_certs()
        else:
            try:
                context.load_verify_locations(tls.ca_file)
            except OSError as error:  # an SSLError is one
                raise ConfigError(
                    f"mqtt.tls.ca_file: {tls.ca_file}: expected certificates in PEM, found: {_describe_file(error)}"
                ) from error
        if tls.certificate_file is not None:
            try:
                context.load_cert_chain(tls.certificate_file, tls.key_file, password=lambda: b"")  # without it OpenSSL asks on the terminal
            except OSError as error:
                raise ConfigError(
                    f"mqtt.tls.certificate_file: {tls.certificate_file}: expected a certificate in PEM and its key in "
                    f"{tls.key_file or 'the same file'}, without a passphrase, found: {_describe_file(error)}"
                ) from error
        return context


def make_endpoint(mqtt: MqttConfig, node: str) -> Endpoint:
    """The endpoint of the configuration, with its secrets read and its certificates checked.

    Raises:
        ConfigError: A file cannot be read, or has other content than expected.
    """
    endpoint = add_secrets(locate(mqtt, node), mqtt)
    endpoint.make_tls_context()
    return endpoint


def locate(mqtt: MqttConfig, node: str) -> Endpoint:
    """The endpoint without secrets: no file is read."""
    return Endpoint(
        host=mqtt.host,
        port=mqtt.port or (PORT if mqtt.tls is None else TLS_PORT),
        client_id=mqtt.client_id or f"aegan-{node}",
        username=mqtt.username,
        tls=mqtt.tls,
        websocket_path=mqtt.websocket_path,
    )


def add_secrets(endpoint: Endpoint, mqtt: MqttConfig) -> Endpoint:
    """The endpoint with the user name and password from their files.

    Raises:
        ConfigError: Files cannot be read; one a line.
    """
    found: dict[str, Any] = {}
    problems = []
    for key, path in (("username", mqtt.username_file), ("password", mqtt.password_file)):
        try:
            found.update({} if path is None else {key: read_line(f"mqtt.{key}_file", path)})
        except ConfigError as error:
            problems.append(str(error))
    if problems:
        raise ConfigError("\n".join(problems))
    return replace(endpoint, **found)


def read_line(key: str, path: Path) -> str:
    """The first line of the file that `key` names, without the byte order mark that Windows editors write.

    Raises:
        ConfigError: It cannot be read, or is not UTF-8.
    """
    try:
        return path.read_text(encoding="utf-8-sig").split("\n", 1)[0]
    except UnicodeDecodeError as error:
        raise ConfigError(f"{key}: {path}: expected UTF-8, found byte 0x{error.object[error.start]:02x}; save the file as UTF-8") from error
    except OSError as error:
        raise ConfigError(f"{key}: {path}: cannot be read ({type(error).__name__}); check path and permissions") from error


def explain(error: Exception, endpoint: Endpoint) -> str:
    """Why the broker cannot be reached, in one line, with the remedy where one is known."""
    if endpoint.tls is not None and (what := _find_broken_handshake(error)):
        return f"{what}; does this port speak TLS? Check mqtt.port and mqtt.tls"
    if isinstance(error, ssl.SSLCertVerificationError):
        return VERIFICATION_ADVICE.get(error.verify_code, f"the broker's certificate cannot be verified ({error.verify_message})")
    if isinstance(error, ssl.SSLError):
        return explain_tls(str(getattr(error, "reason", None) or error))
    if isinstance(error, TimeoutError):
        return "no answer in time; check mqtt.host, mqtt.port and the firewall between"
    if isinstance(error, socket.gaierror):
        return f"no such host {endpoint.host} ({error.strerror})"
    return str(getattr(error, "strerror", None) or error)


def _find_broken_handshake(error: Exception) -> str | None:
    """How a port without TLS ends the handshake; None for any other error."""
    if isinstance(error, (ConnectionResetError, BrokenPipeError, ssl.SSLEOFError)):
        return "the broker broke off the TLS handshake"
    return "no answer in the TLS handshake" if isinstance(error, TimeoutError) and "handshake" in str(error) else None


def explain_tls(text: str) -> str:
    """Advice for a reason that OpenSSL gives."""
    advice = next((advice for word, advice in TLS_ADVICE.items() if word in text.upper()), None)
    return advice or f"TLS failed ({text})"


def _describe_file(error: OSError) -> str:
    if isinstance(error, ssl.SSLError):
        return (error.reason or "no such thing").replace("_", " ").lower()
    return error.strerror or type(error).__name__
