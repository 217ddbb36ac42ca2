"""A running HTTP interface on loopback, with small real sources behind it, and a client of Python's standard library."""

import http.client
import json
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple, Self

from aegan_monitor.config.model import MonitorConfig
from aegan_monitor.detection.bundle import Bundle, demo_bundle, load_bundle
from aegan_monitor.messages.command_payloads import Command
from aegan_monitor.messages.commands import make_result
from aegan_monitor.messages.payloads import Health
from aegan_monitor.web.connections import Limits
from aegan_monitor.web.server import WebServer
from aegan_monitor.web.sources import Sources
from broker import STEP_DEADLINE_S, find_free_port, wait_until
from message_tables import make_example

TIME = datetime(2026, 1, 1, tzinfo=UTC)
DIRECT, PROXY = "127.0.0.1", "127.0.0.9"  # addresses from which a client connects
OPERATOR, READER, WRONG = "operator-token-of-32-characters-", "reader-token-of-32-characters---", "another-token-of-32-characters--"
HEALTH = Health.model_validate(make_example(Health))


class Answer(NamedTuple):
    """What came back; names of headers are in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@cache
def the_bundle() -> Bundle:
    """The demo's bundle."""
    return load_bundle(demo_bundle())


class Page:
    """A context manager.

    Attributes:
        server: The part of the daemon.
        sources: What it shows.
        commands: What was submitted, with the machine's name.
    """

    def __init__(
        self,
        web: Mapping[str, Any],
        limits: Limits | None = None,
        address: str = DIRECT,
        config: Mapping[str, Any] | None = None,
        **sources: Any,
    ) -> None:
        self.address = address
        self.port = find_free_port()
        self.commands: list[tuple[str, Command]] = []
        machines = [{"name": "pump", "bundle": demo_bundle()}]
        settings = MonitorConfig.model_validate({"node": "hall", "web": {"port": self.port, **web}, "machines": machines, **(config or {})})
        known = {
            "read_health": lambda: HEALTH,
            "read_metrics": lambda: b"aegan_uptime_seconds 1.0\n",
            "find_bundles": lambda: {"pump": the_bundle()},
            "describe_proof": lambda _: ["a week is proved"],
            "submit": self._submit,
        }
        self.sources = Sources(config=settings, **(known | sources))
        self.server = WebServer(self.sources, limits, retry_s=0.05)

    def _submit(self, machine: str, command: Command) -> str:
        """Obey, as the worker does, in another thread."""
        self.commands.append((machine, command))
        threading.Thread(target=lambda: self.server.take_message(machine, make_result(command, "", TIME))).start()
        return ""

    def __enter__(self) -> Self:
        """Start it."""
        self.server.start()
        wait_until(self.listens, "the page listens")
        return self

    def __exit__(self, *_: object) -> None:
        """Stop it."""
        self.server.stop()

    def listens(self) -> bool:
        """Whether it takes connections."""
        with socket.socket() as probe:
            return probe.connect_ex((self.address, self.port)) == 0

    def request(
        self, path: str, method: str = "GET", headers: Mapping[str, str] | None = None, body: Any = None, source: str = DIRECT
    ) -> Answer:
        """One request; a body that is no bytes is sent as JSON."""
        more = dict(headers or {})
        if body is not None and not isinstance(body, bytes):
            body, more = json.dumps(body).encode(), {"Content-Type": "application/json", **more}
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=STEP_DEADLINE_S, source_address=(source, 0))
        try:
            connection.request(method, path, body, more)
            found = connection.getresponse()
            return Answer(found.status, {name.lower(): value for name, value in found.getheaders()}, found.read())
        finally:
            connection.close()

    @contextmanager
    def stream(self, path: str, receive_buffer: int | None = None) -> Iterator[socket.socket]:
        """The connection of a request whose answer has no end; nothing is read from it."""
        with socket.socket() as link:
            if receive_buffer:
                link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
            link.settimeout(STEP_DEADLINE_S)
            link.connect(("127.0.0.1", self.port))
            link.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            yield link


def write_tokens(folder: Path) -> dict[str, Path]:
    """The keys `token_file` and `reader_token_file`, with their files."""
    (folder / "operator").write_text(f"{OPERATOR}\n")
    (folder / "reader").write_text(READER)
    return {"token_file": folder / "operator", "reader_token_file": folder / "reader"}
