"""What an attacker or a broken client sends: it is refused in one line, and others are served."""

import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from aegan_monitor.web.connections import Limits
from aegan_monitor.web.guard import HEADERS
from broker import STEP_DEADLINE_S, wait_until
from page import OPERATOR, Page, write_tokens

HEALTH, COMMAND, LIVE = "/api/v1/health", "/api/v1/machines/pump/command", "/api/v1/live"
REQUEST_S = 0.3


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    """A running interface with short limits."""
    with Page({}, Limits(request_s=REQUEST_S, idle_s=1)) as made:
        yield made


def send(page: Page, raw: bytes) -> bytes:
    """What comes back for these bytes until the connection ends."""
    with socket.create_connection(("127.0.0.1", page.port), STEP_DEADLINE_S) as link:
        link.sendall(raw)
        found = b""
        while piece := link.recv(65_536):
            found += piece
        return found


def get(path: str, more: str = "") -> bytes:
    """A request that ends its connection."""
    return f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{more}\r\n".encode()


@pytest.mark.parametrize(
    "path",
    [
        "/../app.py",
        "/../../../../../../../../etc/passwd",
        "/%2e%2e/app.py",
        "/..%2fapp.py",
        "/%2e%2e%2f%2e%2e%2fcli.py",
        "/..%5capp.py",
        "//etc/passwd",
        "/robots.txt/../../app.py",
        "/%00",
        "/api/v1/cases/..%2f..%2fx/sound.flac",
        "/api/v1/machines/..%2fpump",
    ],
)
def test_no_path_leads_out_of_the_page(page: Page, path: str) -> None:
    """Nothing but the page's own files is served."""
    answer = send(page, get(path))
    assert answer.startswith(b"HTTP/1.1 404 ")
    assert b"import" not in answer
    assert b"root:" not in answer


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", 400),  # no Host
        (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nX: a\rb\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nX : a\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 20_000, 400),
        (b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", 400),
        (b"\x16\x03\x01\x02\x00\x01", 400),  # TLS to a port without
        (b"GET /" + b"a" * 20_000, 400),
    ],
)
def test_what_is_no_request_is_refused(page: Page, raw: bytes, status: int) -> None:
    """Doubled, split and oversized headers reach no code of ours."""
    assert send(page, raw).startswith(b"HTTP/1.1 %d " % status)


def test_a_name_cannot_forge_a_header(tmp_path: Path) -> None:
    """A line end in what a person types is refused before it reaches a header or the history."""
    with Page(write_tokens(tmp_path)) as page:
        answer = page.request("/api/v1/session", "POST", body={"token": OPERATOR, "name": "Anna\r\nSet-Cookie: x=1"})
        assert answer.status == 400
        assert "set-cookie" not in answer.headers


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b"{" + b" " * 40_000 + b"}", {}, 413),
        (b"{}", {"Content-Type": "text/plain"}, 415),  # what a form of another site can send
        (b"{}", {"Content-Type": "application/x-www-form-urlencoded"}, 415),
        (b"{", {}, 400),
        (b"\xff", {}, 400),
        (b"[" * 4000, {}, 400),
        (b'{"command": "acknowledge", "more": 1}', {}, 400),
        (b'{"command": "state", "value": "' + b"a" * 65 + b'"}', {}, 400),
        (b"null", {}, 400),
    ],
)
def test_a_wrong_body_is_refused_in_one_line(page: Page, body: bytes, headers: dict[str, str], status: int) -> None:
    """It names what is wrong, and no command reaches the monitor."""
    answer = page.request(COMMAND, "POST", {"Content-Type": "application/json", **headers}, body)
    assert answer.status == status
    assert len(answer.json["error"].splitlines()) == 1
    assert not page.commands


def test_what_does_not_exist_says_what_does(page: Page) -> None:
    """An unknown machine, path or method has an answer in JSON."""
    assert page.request("/api/v1/machines/fan").json == {"error": "no machine 'fan'; there are: pump"}
    assert page.request("/api/v1/nothing").status == 404
    assert page.request(HEALTH, "POST").status == 405
    assert page.request("/api/v1/cases").status == 404  # there is no history here


def test_every_answer_carries_the_security_headers(page: Page) -> None:
    """Also refusals, files of the page, and streams: no script of another origin, no script in a line, no frame elsewhere."""
    for path, headers in ((HEALTH, {}), (HEALTH, {"Host": "evil.example"}), ("/robots.txt", {}), ("/nothing", {})):
        found = page.request(path, headers=headers).headers
        assert HEADERS.items() <= found.items()
        assert "server" not in found
    assert "script-src 'self';" in HEADERS["content-security-policy"]
    assert "unsafe" not in HEADERS["content-security-policy"]
    with page.stream(LIVE) as link:
        assert b"content-security-policy" in link.recv(4096)


def test_an_error_of_ours_says_nothing_of_itself(caplog: pytest.LogCaptureFixture) -> None:
    """The traceback is in the log alone."""

    def fail() -> None:
        raise RuntimeError("a secret")

    with Page({}, read_health=fail) as page:
        answer = page.request(HEALTH)
        assert answer.status == 500
        assert answer.json == {"error": "an error of the daemon; its log has the details"}
        assert page.request("/api/v1/session").status == 200
    assert "a secret" in caplog.text


@pytest.mark.parametrize(
    "begin",
    [
        b"",
        b"GET / HTTP/1.1\r\n",
        b"POST " + COMMAND.encode() + b" HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{",
        get(HEALTH).replace(b"Connection: close\r\n", b"") + b"GET",  # a second request that does not go on
    ],
)
def test_a_request_that_does_not_arrive_is_ended(page: Page, begin: bytes) -> None:
    """Bytes that trickle in do not prolong it, and others are served meanwhile."""
    began_s = time.monotonic()
    with socket.create_connection(("127.0.0.1", page.port), STEP_DEADLINE_S) as link:
        link.sendall(begin)
        assert page.request(HEALTH).status == 200
        try:
            while link.recv(65_536):
                pass
        except ConnectionResetError:
            pass
    assert REQUEST_S / 2 < time.monotonic() - began_s < STEP_DEADLINE_S / 2


def test_connections_are_limited() -> None:
    """One too many is closed at once; when another ends, there is room again."""
    with Page({}, Limits(n_connections=2, request_s=STEP_DEADLINE_S)) as page:
        wait_until(lambda: answers(page), "it serves")
        wait_until(lambda: page.server.connections.n_open == 0, "those that have looked for it are gone")
        first, second, third = (socket.create_connection(("127.0.0.1", page.port), STEP_DEADLINE_S / 3) for _ in range(3))
        with first, second, third:
            assert third.recv(1) == b""
            assert page.server.connections.n_open == 2
        wait_until(lambda: answers(page), "there is room again")


def answers(page: Page) -> bool:
    """Whether it serves."""
    try:
        return page.request(HEALTH).status == 200
    except OSError:
        return False
