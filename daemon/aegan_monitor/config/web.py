"""Configuration of the HTTP interface and the page: address, certificate, and who may use it."""

import ipaddress
from typing import Annotated, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, model_validator

from aegan_monitor.config.broker import Host, SecretPath
from aegan_monitor.config.validation import ConfigPath, Settings

MAKE_ONE = "write a secret of 16 characters or more to a file, for instance with `openssl rand -hex 32`"


def _need_network(value: str) -> str:
    try:
        ipaddress.ip_network(value)
    except ValueError:
        raise ValueError(f"expected an address or a network such as 172.30.32.0/23, found {value!r}") from None
    return value


def _need_page(value: str) -> str:
    try:
        parts = urlsplit(value)
        is_page = bool(parts.hostname) and parts.port != 0 and parts.scheme in ("http", "https") and "@" not in parts.netloc
    except ValueError:  # a port that is no number, a half of an IPv6 address
        is_page = False
    if not is_page or not value.isprintable() or set(value) & set(" #?"):
        raise ValueError(f"expected the address of the page, such as https://plant.example/aegan, found {value!r}")
    return value.rstrip("/")


def is_loopback(host: str) -> bool:
    """Whether only this computer reaches an address; a name other than localhost counts as one that others reach."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


class WebTlsConfig(Settings):
    """The certificate of the page."""

    certificate_file: SecretPath = Field(description="Certificate in PEM, with those that stand between it and the authority.")
    key_file: SecretPath | None = Field(
        default=None, description="Its private key, without a passphrase; null looks for it in certificate_file."
    )


class WebConfig(Settings):
    """HTTP interface and page."""

    host: Host = Field(
        default="127.0.0.1",
        description="Address to listen on. Any other than the loopback address needs a token, and HTTPS or a reverse proxy.",
    )
    port: Annotated[int, Field(ge=1, le=65535)] | None = Field(
        default=None, description="TCP port to listen on, for instance 8765. null: neither interface nor page."
    )
    tls: WebTlsConfig | None = Field(default=None, description="HTTPS; null is plain HTTP.")
    token_file: SecretPath | None = Field(
        default=None, description="File that holds the token of operators and nothing else; 16 characters or more. They may do everything."
    )
    reader_token_file: SecretPath | None = Field(
        default=None, description="File that holds the token of readers, who see and hear everything and change nothing."
    )
    insecure: bool = Field(
        default=False,
        description="True allows plain HTTP on an address that others reach: token and sound go over the network unencrypted.",
    )
    trusted_proxies: list[Annotated[str, AfterValidator(_need_network)]] = Field(
        default=[], description="Addresses or networks of reverse proxies. Only their X-Forwarded-* and X-Ingress-Path headers count."
    )
    user_header: Annotated[str, Field(pattern=r"^[A-Za-z0-9-]{1,64}$")] | None = Field(
        default=None,
        description="Header in which a trusted proxy names the user that it has logged in, for instance X-Remote-User-Name. Such a user "
        "needs no token. `operators` says which of them are operators.",
    )
    operators: list[Annotated[str, Field(min_length=1, max_length=64)]] = Field(
        default=[],
        description="Names in user_header whose bearers may do everything. Any other user is a reader: sees and hears everything and "
        "changes nothing. []: every user is an operator.",
    )
    allowed_hosts: list[Host] = Field(
        default=[],
        description="Names under which browsers reach the page. Addresses, localhost, the host's own name and `host` are always "
        "allowed. Other names are refused.",
    )
    recordings: ConfigPath | None = Field(
        default=None,
        description="Folder that `aegan-monitor record --out` writes into: the page shows how far the recording of each machine is. It "
        "must be readable for the daemon. null: it shows none.",
    )
    url: Annotated[str, AfterValidator(_need_page)] | None = Field(
        default=None,
        description="Address under which people reach the page, such as https://plant.example/aegan: links in MQTT messages and in Home "
        "Assistant begin with it. null: there are no links.",
    )

    @model_validator(mode="after")
    def _protect(self) -> Self:
        if self.port is None:
            if self.url:
                raise ValueError("url is set without port: links would lead to no page; set port, or remove url")
            return self
        if self.user_header and not self.trusted_proxies:
            raise ValueError("user_header is set without trusted_proxies: anybody could send that header; set trusted_proxies")
        if self.operators and not self.user_header:
            raise ValueError("operators is set without user_header, which brings their names; set user_header, or remove operators")
        if self.reader_token_file and not self.token_file:
            raise ValueError("reader_token_file is set without token_file, so no one could acknowledge an alarm; set token_file")
        is_reached = bool(self.trusted_proxies) or not is_loopback(self.host)
        if is_reached and not (self.token_file or self.user_header):
            raise ValueError(f"others reach the page, so it needs a token: {MAKE_ONE}, and set token_file to that file")
        if is_reached and not (self.tls or self.trusted_proxies or self.insecure):
            raise ValueError(
                f"host {self.host} is reached by others without encryption; set tls, or trusted_proxies to the address of a reverse proxy "
                "with HTTPS, or insecure: true"
            )
        return self
