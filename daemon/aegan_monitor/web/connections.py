"""Accepts connections and hands them to uvicorn's HTTP protocol, within limits of number, time and memory.

uvicorn's own server accepts any number of connections and waits for a request without end: both would take the daemon's file descriptors.
"""

import asyncio
import errno
import logging
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from starlette.types import ASGIApp
from uvicorn.config import Config
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

END_S = 1.0  # for answers to notice that they are over
FULL = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
FULL_S = 1.0  # until the next attempt where the process has no file descriptor left
TCP_USER_TIMEOUT = getattr(socket, "TCP_USER_TIMEOUT", 18)  # Linux's number


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of the connections.

    Attributes:
        n_connections: Open at once; one more is closed at once.
        request_s: From the connection, or the first byte, to the end of a request with its body; the same for a TLS handshake.
        stuck_s: For which a client may take nothing of what waits for it.
        idle_s: Between two requests.
        header_bytes: Of a request's line and headers.
        buffer_bytes: That wait for a client, in the process and again in the kernel: sound is not later than it takes to send them.
    """

    n_connections: int = 200
    request_s: float = 10.0
    stuck_s: float = 30.0
    idle_s: int = 30
    header_bytes: int = 16_384
    buffer_bytes: int = 16_384


class Protocol(H11Protocol):
    """uvicorn's, with a limit of the time that a request takes to arrive."""

    request_s: float
    buffer_bytes: int
    ended: Callable[[], object]
    _late: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn's
        """See asyncio."""
        super().connection_made(transport)
        transport.set_write_buffer_limits(high=self.buffer_bytes)
        self._watch()

    def data_received(self, data: bytes) -> None:
        """See asyncio."""
        super().data_received(data)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncio."""
        super().connection_lost(exc)
        self._stop_watch()
        self._unset_keepalive_if_required()
        self.ended()

    def _watch(self) -> None:
        """Time a request from its first byte; more bytes do not prolong it."""
        if self.cycle is not None and not self.cycle.response_complete and not self.cycle.more_body:
            self._stop_watch()
        elif self._late is None:
            self._late = self.loop.call_later(self.request_s, self.transport.abort)

    def _stop_watch(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None


class Connections:
    """All connections of one application.

    Attributes:
        n_open: How many there are, with those whose TLS handshake goes on.
    """

    def __init__(self, app: ASGIApp, limits: Limits, find_tls: Callable[[], ssl.SSLContext | None]) -> None:
        """`find_tls` gives the context for one connection."""
        self._limits, self._find_tls = limits, find_tls
        self._config = Config(
            app,
            http="h11",
            ws="none",
            loop="asyncio",
            lifespan="off",
            interface="asgi3",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            date_header=False,
            timeout_keep_alive=limits.idle_s,
            h11_max_incomplete_event_size=limits.header_bytes,
        )
        self._config.load()
        logging.getLogger("uvicorn.error").setLevel(logging.ERROR)  # a warning for each broken request would fill the log
        self._state = ServerState()
        self.n_open = 0
        self._beginning: set[asyncio.Task[None]] = set()

    async def serve(self, listening: socket.socket) -> None:
        """Accept until cancelled; then end every connection."""
        loop = asyncio.get_running_loop()
        loop.add_reader(listening, self._accept, listening)
        try:
            await loop.create_future()
        finally:
            loop.remove_reader(listening)
            await asyncio.sleep(0)  # what was just accepted has begun, and ends as the others do
            for task in self._beginning:
                task.cancel()
            for protocol in self._state.connections:
                protocol.transport.abort()  # whoever answers sees that the client has gone
            if answering := set(self._state.tasks):
                await asyncio.wait(answering, timeout=END_S)

    def _accept(self, listening: socket.socket) -> None:
        try:
            connection, _ = listening.accept()
        except OSError as error:
            if error.errno in FULL:
                loop = asyncio.get_running_loop()
                loop.remove_reader(listening)
                loop.call_later(FULL_S, lambda: None if listening.fileno() < 0 else loop.add_reader(listening, self._accept, listening))
            return  # or the client has gone already
        if self.n_open >= self._limits.n_connections:
            connection.close()
            return
        self.n_open += 1
        task = asyncio.get_running_loop().create_task(self._begin(connection))
        self._beginning.add(task)
        task.add_done_callback(self._beginning.discard)

    async def _begin(self, connection: socket.socket) -> None:
        limits = self._limits

        def make() -> Protocol:
            protocol = Protocol(self._config, self._state, {})
            protocol.request_s, protocol.buffer_bytes, protocol.ended = limits.request_s, limits.buffer_bytes, self._end
            return protocol

        try:
            tls = self._find_tls()
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, limits.buffer_bytes)
            connection.setsockopt(socket.IPPROTO_TCP, TCP_USER_TIMEOUT, round(limits.stuck_s * 1000))
            times: dict[str, Any] = {"ssl_handshake_timeout": limits.request_s, "ssl_shutdown_timeout": 1.0} if tls else {}
            await asyncio.get_running_loop().connect_accepted_socket(make, connection, ssl=tls, **times)
        except (OSError, asyncio.CancelledError):  # before `connection_made`: the client went away, speaks no TLS, or this is the end
            connection.close()
            self.n_open -= 1

    def _end(self) -> None:
        self.n_open -= 1
