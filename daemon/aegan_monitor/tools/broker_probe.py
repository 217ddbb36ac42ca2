"""Tests the connection to the broker stage by stage, for `aegan-monitor check`, with empty or blank messages on separate topics."""

import contextlib
import socket
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

from aegan_monitor.errors import PublishError
from aegan_monitor.mqtt.client import Protocol
from aegan_monitor.mqtt.endpoint import Endpoint
from aegan_monitor.tools.broker_connection import advise
from aegan_monitor.tools.broker_visit import OK, BrokerVisit, Permission

TIMEOUT_S = 5.0


@dataclass(frozen=True, slots=True)
class BrokerProbe:
    """One visit to the broker, with a separate client id, so that a running daemon stays connected.

    Attributes:
        endpoint, protocol: The daemon's.
        permissions: What it must be allowed to publish; the topic of the first one takes the largest message, too.
        commands: The filter that it subscribes to for commands, and a topic under it; None if it takes none.
        timeout_s: For each answer.
        largest_bytes: Topic and payload of the largest message that the daemon sends; 0 tries none.
    """

    endpoint: Endpoint
    protocol: Protocol
    permissions: Sequence[Permission]
    commands: tuple[str, str] | None
    timeout_s: float = TIMEOUT_S
    largest_bytes: int = 0

    def run(self, report: Callable[[str], object], *, logs_in: bool = True) -> None:
        """Report each stage's verdict: on the way to the broker up to the first that fails, then, if it `logs_in`, of every permission.

        Raises:
            PublishError: Stages failed: which, and why, one a line.
        """
        if self.endpoint.warning:
            report(f"warning: {self.endpoint.warning}")
        self._try("DNS", self._resolve, report)
        self._try("TCP", self._reach, report)
        if self.endpoint.tls is not None:
            self._try("TLS", self._shake_hands, report)
        if logs_in:
            own = replace(self.endpoint, client_id=f"{self.endpoint.client_id}-check")
            with contextlib.closing(BrokerVisit(own, self.protocol, self.timeout_s)) as visit:
                self._try("MQTT", partial(visit.connect, self._check_topic), report)
                self._try_permissions(visit, report)

    def _try_permissions(self, visit: BrokerVisit, report: Callable[[str], object]) -> None:
        stages = [(permission.stage, partial(visit.publish, permission)) for permission in self.permissions]
        if self.largest_bytes:
            stages.append(("largest message", partial(visit.publish_largest, self._check_topic, self.largest_bytes)))
        if self.commands is not None:
            stages.append(("permission to subscribe", partial(visit.try_subscription, *self.commands)))
        failures = []
        for name, stage in stages:
            try:
                self._try(name, stage, report)
            except PublishError as error:
                failures.append(str(error))
                if visit.ended:
                    break
        if failures:
            raise PublishError("\n".join(failures))

    @property
    def _check_topic(self) -> str:
        return next(iter(self.permissions[0].grants))

    def _try(self, name: str, stage: Callable[[], str], report: Callable[[str], object]) -> None:
        where = f"MQTT broker {self.endpoint.host}:{self.endpoint.port}"
        try:
            report(f"{where}: {name}: {stage()}")
        except PublishError as error:
            raise PublishError(f"{where}: {name}: {error}") from error
        except OSError as error:
            raise PublishError(f"{where}: {name}: {advise(error, self.endpoint)}") from error

    def _resolve(self) -> str:
        found = socket.getaddrinfo(self.endpoint.host, self.endpoint.port, type=socket.SOCK_STREAM)
        return ", ".join(dict.fromkeys(str(address[0]) for *_, address in found))

    def _reach(self) -> str:
        with self._open():
            return OK

    def _shake_hands(self) -> str:
        context = self.endpoint.make_tls_context()
        assert context is not None  # noqa: S101 - asked only where TLS is configured
        with self._open() as plain, context.wrap_socket(plain, server_hostname=self.endpoint.host) as sock:
            return f"{sock.version()}, {self._read_alert(sock)}"

    def _read_alert(self, sock: ssl.SSLSocket) -> str:
        """Under TLS 1.3 the broker checks our certificate after the handshake, and sends nothing else before our first packet.

        If it closes the connection without an alert, the next stage reports that.
        """
        sock.settimeout(0.5)
        with contextlib.suppress(TimeoutError, ConnectionResetError):
            sock.recv(1)
        return OK if self.endpoint.tls is not None and self.endpoint.tls.verify else "its certificate was not verified"

    def _open(self) -> socket.socket:
        return socket.create_connection((self.endpoint.host, self.endpoint.port), self.timeout_s)
