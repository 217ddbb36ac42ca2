"""Serves the page and a `FakeMonitor` on a loopback port, with the headers of the real one."""

import json
import queue
import re
import socket
import struct
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import parse_qs, unquote, urlsplit

import numpy as np

from fake_monitor import FakeMonitor, make_event, parse_time
from synthetic_plant import RATE_HZ, make_sound

PAGE = Path(__file__).resolve().parents[3] / "daemon" / "aegan_monitor" / "web" / "page"
TYPES = {".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; media-src 'self'; "
    "base-uri 'none'; form-action 'none'"
)
BEAT_S = 0.5
COMMISSIONING = [
    "12.4 h of normal sound in 31 stretches, 4590 blocks of 9.7 s worth 3820 independent ones",
    "designed: 1 false alarm a week; proved with 95 % confidence: at most 21 a week",
]


class Request(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    monitor: ClassVar[FakeMonitor]
    server: "FakeServer"

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 # the base class names it so
        pass

    def setup(self) -> None:
        super().setup()
        self.server.connections.add(self.connection)

    def do_GET(self) -> None:
        address = urlsplit(self.path)
        path = unquote(address.path)
        if not path.startswith("/api/v1/"):
            self.send_page(path.lstrip("/") or "index.html")
        elif self.monitor.token and "session=yes" not in self.headers.get("Cookie", "") and not path.endswith("/session"):
            self.send_json({"error": "log in first: send the token to api/v1/session"}, 401)
        else:
            self.answer(path.removeprefix("/api/v1/"), {name: values[0] for name, values in parse_qs(address.query).items()})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        path = unquote(urlsplit(self.path).path).removeprefix("/api/v1/")
        if path == "session":
            is_right = body["token"] == self.monitor.token
            cookie = [("Set-Cookie", "session=yes; HttpOnly; SameSite=Strict; Path=/")] if is_right else []
            self.send_json({"role": "operator"} if is_right else {"error": "wrong token"}, 200 if is_right else 401, cookie)
        elif found := re.fullmatch(r"machines/([^/]+)/command", path):
            self.send_json(self.monitor.obey(found[1], body))
        elif found := re.fullmatch(r"cases/([^/]+)", path):
            self.send_json(self.monitor.mark(found[1], body))
        elif path == "demo/fault":
            self.monitor.demo_faults[body["machine"]] = body["faulty"]
            self.send_json(body)

    def answer(self, path: str, query: dict[str, str]) -> None:
        """Answer a GET below `api/v1/`."""
        if path == "live":
            self.send_live()
        elif found := re.fullmatch(r"machines/([^/]+)/(\w+)(\.wav)?", path):
            self.answer_machine(found[1], found[2], query)
        elif found := re.fullmatch(r"cases/([^/]+)/?([a-z0-9_.]*)", path):
            self.answer_case(found[1], found[2])
        else:
            self.send_json(self.lists[path](query))

    @property
    def lists(self) -> dict[str, Callable[[dict[str, str]], Any]]:
        """Answers by their paths."""
        monitor = self.monitor
        is_in = not monitor.token or "session=yes" in self.headers.get("Cookie", "")
        return {
            "machines": lambda _: monitor.show_machines(),
            "health": lambda _: monitor.show_health(),
            "session": lambda _: {"role": monitor.role if is_in else None, "name": monitor.person, "needs_token": bool(monitor.token)},
            "cases": lambda query: monitor.list_cases(query.get("machine"), unseen=query.get("unseen") == "true"),
            "events": lambda query: monitor.list_events(query.get("machine")),
        }

    def answer_machine(self, machine: str, what: str, query: dict[str, str]) -> None:
        """Answer what is about one machine."""
        if what == "series":
            begin_s, end_s = parse_time(query["begin"]), parse_time(query["end"])
            self.send_json(self.monitor.show_series(machine, begin_s, end_s, int(query["points"])))
        elif what == "commissioning":
            self.send_json({"lines": COMMISSIONING})
        elif what == "recording":
            self.send_json(self.monitor.recordings.get(machine, {"state": "none", "verdict": []}))
        elif what == "spectrogram":
            self.send_stream("text/event-stream", self.monitor.watch_spectrogram(machine))
        else:
            self.send_stream("audio/wav", listen())

    def answer_case(self, case_id: str, file: str) -> None:
        """Answer what is about one case."""
        rows = [each for each in self.monitor.cases if each["id"] == case_id]
        if not rows:
            self.send_json({"error": "no such case"}, 404)
        elif file:
            kind, make = self.monitor.files[file]
            self.send_bytes(make(), kind)
        else:
            self.send_json(rows[0])

    def send_page(self, name: str) -> None:
        """A file of the page."""
        path = PAGE / name
        if path.is_file() and path.resolve().is_relative_to(PAGE):
            self.send_bytes(path.read_bytes(), TYPES[path.suffix])
        else:
            self.send_json({"error": "no such file"}, 404)

    def send_json(self, body: Any, status: int = 200, headers: list[tuple[str, str]] | None = None) -> None:
        """JSON."""
        self.send_bytes(json.dumps(body).encode(), "application/json", status, headers)

    def send_bytes(self, body: bytes, kind: str, status: int = 200, headers: list[tuple[str, str]] | None = None) -> None:
        """A whole body, or the range of it that is wanted."""
        wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", "")) if status == 200 else None
        more = [("Accept-Ranges", "bytes"), *(headers or [])]
        if wanted:
            first, last = int(wanted[1]), int(wanted[2] or len(body) - 1)
            more.append(("Content-Range", f"bytes {first}-{last}/{len(body)}"))
            body, status = body[first : last + 1], 206
        self.send_response(status)
        for name, value in [("Content-Type", kind), ("Content-Length", str(len(body))), ("Content-Security-Policy", POLICY), *more]:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def send_live(self) -> None:
        """What is live, until the page goes away."""
        viewer: queue.Queue[bytes] = queue.Queue()
        self.monitor.viewers.add(viewer)

        def pieces() -> Any:
            yield make_event("reset", {})
            while True:
                try:
                    yield viewer.get(timeout=BEAT_S)
                except queue.Empty:
                    yield make_event("alive", {})

        try:
            self.send_stream("text/event-stream", pieces())
        finally:
            self.monitor.viewers.discard(viewer)

    def send_stream(self, kind: str, pieces: Any) -> None:
        """Pieces without an end."""
        self.close_connection = True
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Connection", "close")
        self.end_headers()
        for piece in pieces:
            self.wfile.write(piece)
            self.wfile.flush()


class FakeServer(ThreadingHTTPServer):
    """The server; `kill` ends it as a kill does: all connections at once."""

    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 128

    def __init__(self, monitor: FakeMonitor, port: int = 0) -> None:
        self.connections: set[socket.socket] = set()
        self.ticks = threading.Event()
        self.monitor = monitor
        super().__init__(("127.0.0.1", port), type("Bound", (Request,), {"monitor": monitor}))
        self.port = self.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}/"
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        threading.Thread(target=self._tick, daemon=True).start()

    def kill(self) -> None:
        """End it."""
        self.ticks.set()
        self.shutdown()
        self.server_close()
        for connection in list(self.connections):
            try:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass  # closed already

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A page that goes away in mid-stream is no error."""

    def _tick(self) -> None:
        while not self.ticks.wait(1.0):
            self.monitor.tick()


def listen() -> Any:
    """An endless WAV of the pump, in real time."""
    layout = struct.pack("<IHHIIHH", 16, 1, 1, RATE_HZ, 2 * RATE_HZ, 2, 16)
    yield b"RIFF\xff\xff\xff\xffWAVEfmt " + layout + b"data\xff\xff\xff\xff"
    sound = (32767 * make_sound(is_wrong=False)).astype(np.int16)
    for begin in range(0, len(sound), RATE_HZ // 10):
        yield sound[begin : begin + RATE_HZ // 10].tobytes()
        time.sleep(0.1)
