"""Tries the way to the broker stage by stage, as `aegan-monitor check` does; nothing that anybody waits for is published."""

import contextlib
import select
import socket
import ssl
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage
from paho.mqtt.reasoncodes import ReasonCode

from aegan_monitor.errors import PublishError
from aegan_monitor.mqtt.client import ADVICE, WHERE_ADVICE, Protocol, connect, make_client
from aegan_monitor.mqtt.endpoint import Connection, explain

TIMEOUT_S = 5.0
OK = "ok"


@dataclass(frozen=True, slots=True)
class Permission:
    """To publish, tried as one stage.

    Attributes:
        grants: By the topic on which an empty message tries it: the filter that the broker's access list must let us write.
        otherwise: What may be done in place of granting it.
    """

    stage: str
    grants: Mapping[str, str]
    otherwise: str = ""


class BrokerProbe:
    """One visit to the broker, under a client id of its own: a daemon that runs is not thrown out."""

    def __init__(
        self,
        connection: Connection,
        protocol: Protocol,
        permissions: Sequence[Permission],
        commands: tuple[str, str] | None,
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        """Store; `commands`, if the daemon hears any: what it subscribes to, and one of it."""
        self._connection = replace(connection, client_id=f"{connection.client_id}-check")
        self._protocol, self._permissions, self._commands, self._timeout_s = protocol, permissions, commands, timeout_s

    def run(self, tell: Callable[[str], object], *, logs_in: bool = True) -> None:
        """Tell each stage's verdict: on the way to the broker up to the first that fails, then, if it `logs_in`, of every permission.

        Raises:
            PublishError: Stages failed: which, and why, one a line.
        """
        if self._connection.warning:
            tell(f"warning: {self._connection.warning}")
        self._try("DNS", self._resolve, tell)
        self._try("TCP", self._reach, tell)
        if self._connection.tls is not None:
            self._try("TLS", self._shake_hands, tell)
        if logs_in:
            with contextlib.closing(_Visit(self._connection, self._protocol, self._timeout_s)) as visit:
                self._try("MQTT", visit.connect, tell)
                self._try_permissions(visit, tell)

    def _try_permissions(self, visit: "_Visit", tell: Callable[[str], object]) -> None:
        stages = [(permission.stage, partial(visit.publish, permission)) for permission in self._permissions]
        if self._commands is not None:
            stages.append(("permission to subscribe", partial(visit.subscribe, *self._commands)))
        failures = []
        for name, stage in stages:
            try:
                self._try(name, stage, tell)
            except PublishError as error:
                failures.append(str(error))
                if visit.ended:
                    break
        if failures:
            raise PublishError("\n".join(failures))

    def _try(self, name: str, stage: Callable[[], str], tell: Callable[[str], object]) -> None:
        where = f"MQTT broker {self._connection.host}:{self._connection.port}"
        try:
            tell(f"{where}: {name}: {stage()}")
        except PublishError as error:
            raise PublishError(f"{where}: {name}: {error}") from error
        except OSError as error:
            raise PublishError(f"{where}: {name}: {explain(error, self._connection)}") from error

    def _resolve(self) -> str:
        found = socket.getaddrinfo(self._connection.host, self._connection.port, type=socket.SOCK_STREAM)
        return ", ".join(dict.fromkeys(str(address[0]) for *_, address in found))

    def _reach(self) -> str:
        with self._open():
            return OK

    def _shake_hands(self) -> str:
        context = self._connection.make_tls_context()
        assert context is not None  # noqa: S101 - asked only where TLS is configured
        with self._open() as plain, context.wrap_socket(plain, server_hostname=self._connection.host) as sock:
            return f"{sock.version()}, {self._read_alert(sock)}"

    def _read_alert(self, sock: ssl.SSLSocket) -> str:
        """Under TLS 1.3 the broker judges our certificate after the handshake; it has nothing else to say before we speak.

        What it says in another way (the connection is gone) the next stage tells.
        """
        sock.settimeout(0.5)
        with contextlib.suppress(TimeoutError, ConnectionResetError):
            sock.recv(1)
        return OK if self._connection.tls is not None and self._connection.tls.verify else "its certificate was not verified"

    def _open(self) -> socket.socket:
        return socket.create_connection((self._connection.host, self._connection.port), self._timeout_s)


class _Visit:
    """One MQTT connection, made and used step by step."""

    def __init__(self, connection: Connection, protocol: Protocol, timeout_s: float) -> None:
        self._connection, self._protocol, self._timeout_s = connection, protocol, timeout_s
        self._client: Client | None = None
        self._reasons: dict[str, ReasonCode] = {}
        self._heard = False

    def connect(self) -> str:
        """Log in."""
        self._client, trouble = make_client(self._connection, self._protocol, self._timeout_s)
        self._client.on_connect, self._client.on_disconnect, self._client.on_publish = self._on_connect, self._on_end, self._on_publish
        self._client.on_subscribe, self._client.on_message = self._on_subscribe, self._on_message
        connect(self._client, self._connection, round(2 * self._timeout_s), lasting=False)
        reason = self._wait("connect")
        if reason is None and "end" in self._reasons:
            doubt = f"the connection ended before an answer: is it an MQTT {self._protocol} broker? {WHERE_ADVICE}"
            raise PublishError(trouble.explain() or doubt)
        if reason is None:
            raise PublishError(f"no answer within {self._timeout_s:g} s: {WHERE_ADVICE}")
        if reason.is_failure:
            raise PublishError(f"refused client {self._connection.client_id!r} ({reason}): {ADVICE.get(str(reason), 'see its log')}")
        return f"{OK}, version {self._protocol}"

    def publish(self, permission: Permission) -> str:
        """Say a word on topics that nobody needs."""
        refused: dict[str, ReasonCode] = {}
        for topic in permission.grants:
            reason = self._publish(topic)
            if reason is None:
                raise self._missing(f"a message on {topic}")
            if reason.is_failure:
                refused[topic] = reason
        if refused:
            needed = " and ".join(permission.grants[topic] for topic in refused)
            raise PublishError(
                f"a message on {' and on '.join(refused)} was refused ({next(iter(refused.values()))}); "
                f"the ACL must let this user write {needed}{permission.otherwise}"
            )
        tried = ", ".join(permission.grants)
        unknown = f"unknown on {tried}: MQTT 3.1.1 acknowledges what an ACL throws away"
        return f"{OK}, tried on {tried}" if self._protocol == "5" else unknown

    def subscribe(self, topics: str, topic: str) -> str:
        """Listen to `topics`, and say a word there that is no command: some brokers grant a subscription and deliver nothing."""
        assert self._client is not None  # noqa: S101 - `connect` came before
        self._client.subscribe(topics, qos=1)
        reason = self._wait("subscribe")
        if reason is None:
            raise self._missing(f"the subscription to {topics}")
        if reason.is_failure:
            raise PublishError(f"the subscription to {topics} was refused ({reason}); the ACL must let this user read it")
        said = self._publish(topic)
        if self._serve(lambda: self._heard or said is None or said.is_failure) and self._heard:
            return f"{OK}, tried on {topic}"
        if said is not None and said.is_failure:
            return f"granted on {topics}, but not tried: this user may not write there, and need not"
        if self._protocol == "5":
            raise PublishError(f"the subscription to {topics} was granted, but nothing is delivered; the ACL must let this user read it")
        return f"unknown on {topic}: what was said there did not come back, and MQTT 3.1.1 does not say why"

    @property
    def ended(self) -> bool:
        """The broker has ended the connection: nothing more can be tried on it."""
        return "end" in self._reasons

    def _missing(self, what: str) -> PublishError:
        told = "the connection ended before an answer" if self.ended else f"no answer within {self._timeout_s:g} s"
        return PublishError(f"{told} to {what}; see the log of the broker")

    def close(self) -> None:
        """Part well."""
        if self._client is not None:
            self._client.disconnect()

    def _publish(self, topic: str) -> ReasonCode | None:
        """An empty message: nobody takes it for anything."""
        assert self._client is not None  # noqa: S101 - `connect` came before
        return self._wait(f"publish {self._client.publish(topic, b'', qos=1).mid}")

    def _wait(self, what: str) -> ReasonCode | None:
        """The answer, none if the connection ends or time is up before it is there."""
        self._serve(lambda: what in self._reasons)
        return self._reasons.get(what)

    def _serve(self, until: Callable[[], bool]) -> bool:
        """Serve the connection until something holds, it ends, or time is up; whether it holds."""
        client = self._client
        deadline_s = time.monotonic() + self._timeout_s
        while client is not None and not until() and time.monotonic() < deadline_s:
            sock = client.socket()
            if sock is None:
                break
            select.select([sock], [sock] if client.want_write() else [], [], 0.05)
            client.loop_read()
            client.loop_write()
        return until()

    def _on_connect(self, _client: Client, _userdata: object, _flags: ConnectFlags, reason: ReasonCode, _: object) -> None:
        self._reasons["connect"] = reason

    def _on_end(self, _client: Client, _userdata: object, _flags: DisconnectFlags, reason: ReasonCode, _: object) -> None:
        self._reasons["end"] = reason

    def _on_publish(self, _client: Client, _userdata: object, mid: int, reason: ReasonCode, _: object) -> None:
        self._reasons[f"publish {mid}"] = reason  # one that comes late is not taken for the next one's

    def _on_subscribe(self, _client: Client, _userdata: object, _mid: int, reasons: list[ReasonCode], _: object) -> None:
        self._reasons["subscribe"] = reasons[0]

    def _on_message(self, _client: Client, _userdata: object, _message: MQTTMessage) -> None:
        self._heard = True
