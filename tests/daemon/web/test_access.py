"""Who may do what: a table of settings, senders, and what they get."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from aegan_monitor.web.access import Attempts, Tokens, Viewer
from page import DIRECT, OPERATOR, PROXY, READER, WRONG, Page, write_tokens
from publishers import Clock

HEALTH, COMMAND, SESSION = "/api/v1/health", "/api/v1/machines/pump/command", "/api/v1/session"
ACKNOWLEDGE = {"command": "acknowledge", "id": "7"}
USER = "X-Remote-User-Name"


def bearer(token: str) -> dict[str, str]:
    """The header of a program."""
    return {"Authorization": f"Bearer {token}"}


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Page]]:
    """A running interface for each way to set it up."""
    tokens = write_tokens(tmp_path_factory.mktemp("tokens"))
    settings: dict[str, dict[str, Any]] = {
        "bare": {},
        "token": {**tokens, "allowed_hosts": ["hall.example"]},
        "users": {"trusted_proxies": [PROXY], "user_header": USER},
        "some": {**tokens, "trusted_proxies": [PROXY], "user_header": USER, "operators": ["Anna", "Jürgen"]},
        "proxy": {**tokens, "trusted_proxies": [PROXY], "user_header": USER},
    }
    made = {name: Page(web) for name, web in settings.items()}
    for page in made.values():
        page.__enter__()
    yield made
    for page in made.values():
        page.__exit__()


MATRIX: list[tuple[str, str, dict[str, str], int, int]] = [  # setting, sender, headers, status of a GET, status of a command
    ("bare", DIRECT, {}, 200, 200),
    ("bare", DIRECT, bearer(WRONG), 200, 200),  # there is no token to be wrong
    ("bare", DIRECT, {"Host": "localhost:80"}, 200, 200),
    ("bare", DIRECT, {"Host": "[::1]:80"}, 200, 200),
    ("bare", DIRECT, {"Host": "evil.example"}, 403, 403),
    ("bare", DIRECT, {"Host": ""}, 403, 403),
    ("bare", DIRECT, {"Host": "hall.example", "Origin": "http://hall.example"}, 403, 403),
    ("bare", DIRECT, {"Host": "localhost", "Origin": "http://localhost"}, 200, 200),
    ("bare", DIRECT, {"Origin": "http://evil.example"}, 403, 403),
    ("bare", DIRECT, {"Host": "localhost", "Origin": "http://localhost:81"}, 403, 403),
    ("bare", DIRECT, {"Origin": "null"}, 403, 403),
    ("bare", DIRECT, {"Sec-Fetch-Site": "cross-site"}, 403, 403),
    ("bare", DIRECT, {"Sec-Fetch-Site": "same-site"}, 403, 403),
    ("bare", DIRECT, {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}, 200, 403),  # a link to the page
    ("bare", DIRECT, {"Sec-Fetch-Site": "same-origin"}, 200, 200),
    ("bare", DIRECT, {"X-Forwarded-For": "198.51.100.1"}, 403, 403),  # others could come through that proxy
    ("bare", DIRECT, {"X-Ingress-Path": "/api/hassio_ingress/x"}, 403, 403),
    ("bare", DIRECT, {"X-Forwarded-Host": "localhost"}, 403, 403),
    ("token", DIRECT, {}, 401, 401),
    ("token", DIRECT, bearer(WRONG), 401, 401),
    ("token", DIRECT, bearer(""), 401, 401),
    ("token", DIRECT, bearer(OPERATOR), 200, 200),
    ("token", DIRECT, bearer(READER), 200, 403),
    ("token", DIRECT, {"Cookie": "operator"}, 200, 200),
    ("token", DIRECT, {"Cookie": "reader"}, 200, 403),
    ("token", DIRECT, {"Cookie": "forged"}, 401, 401),
    ("token", DIRECT, {"Cookie": "operator", "Origin": "http://evil.example"}, 403, 403),
    ("token", DIRECT, {"Cookie": "operator", "Host": "evil.example"}, 403, 403),
    ("token", DIRECT, {"Cookie": "operator", "Host": "hall.example", "Origin": "http://hall.example"}, 200, 200),
    ("token", DIRECT, {USER: "Anna"}, 401, 401),
    ("users", PROXY, {}, 401, 401),
    ("users", PROXY, bearer(OPERATOR), 401, 401),
    ("users", PROXY, {USER: "Anna"}, 200, 200),
    ("users", DIRECT, {}, 401, 401),
    ("users", DIRECT, {USER: "Anna"}, 401, 401),
    ("some", PROXY, {USER: "Anna"}, 200, 200),
    ("some", PROXY, {USER: "J\u00c3\u00bcrgen"}, 200, 200),  # UTF-8, as proxies send it
    ("some", PROXY, {USER: "Bert"}, 200, 403),
    ("some", PROXY, {USER: "anna"}, 200, 403),
    ("some", PROXY, {USER: "Anna, Bert"}, 200, 403),
    ("some", PROXY, {USER: "Bert", **bearer(OPERATOR)}, 200, 403),  # the proxy has said who it is
    ("some", PROXY, {}, 401, 401),
    ("some", PROXY, bearer(OPERATOR), 200, 200),
    ("some", DIRECT, {USER: "Anna"}, 401, 401),
    ("proxy", PROXY, {}, 401, 401),
    ("proxy", PROXY, {USER: "Anna"}, 200, 200),
    ("proxy", PROXY, {USER: "Anna", "Host": "hall.example", "Origin": "https://hall.example"}, 200, 200),
    ("proxy", PROXY, {USER: "Anna", "Host": "evil.example", "Origin": "https://hall.example"}, 403, 403),
    ("proxy", PROXY, {USER: "Anna", "Origin": "null"}, 403, 403),
    ("proxy", PROXY, {USER: "Anna", "Origin": "http://["}, 403, 403),
    ("proxy", PROXY, {USER: "Anna", "X-Forwarded-Host": "hall.example", "Origin": "https://hall.example"}, 200, 200),
    ("proxy", PROXY, {USER: "Anna", "Origin": "https://hall.example", "Sec-Fetch-Site": "same-origin"}, 200, 200),  # Host is not passed on
    ("proxy", PROXY, {USER: "Anna", "X-Ingress-Path": "/api/hassio_ingress/x", "X-Forwarded-For": "198.51.100.1"}, 200, 200),
    ("proxy", PROXY, {USER: "Anna", "X-Ingress-Path": "//evil.example/x"}, 400, 400),
    ("proxy", PROXY, {USER: "A" * 65}, 400, 400),
    ("proxy", PROXY, bearer(OPERATOR), 200, 200),
    ("proxy", PROXY, bearer(READER), 200, 403),
    ("proxy", PROXY, bearer(WRONG), 401, 401),
    ("proxy", DIRECT, {USER: "Anna"}, 401, 401),  # past the proxy
    ("proxy", DIRECT, {USER: "Anna", "X-Forwarded-For": "198.51.100.1"}, 403, 403),
    ("proxy", DIRECT, bearer(OPERATOR), 200, 200),
]


@pytest.mark.parametrize(("setting", "sender", "headers", "seen", "obeyed"), MATRIX)
def test_the_access_matrix(pages: dict[str, Page], setting: str, sender: str, headers: dict[str, str], seen: int, obeyed: int) -> None:
    """Each row gets what it should, and a refused command reaches nobody."""
    page, headers = pages[setting], dict(headers)
    if cookie := headers.get("Cookie"):
        headers["Cookie"] = log_in(page, OPERATOR if cookie != "reader" else READER)
        if cookie == "forged":
            headers["Cookie"] = headers["Cookie"][:-3] + ("AAA" if headers["Cookie"][-3:] != "AAA" else "BBB")
    page.commands.clear()
    assert page.request(HEALTH, headers=headers, source=sender).status == seen
    answer = page.request(COMMAND, "POST", headers, ACKNOWLEDGE, source=sender)
    assert answer.status == obeyed
    assert (len(page.commands) == 1) == (obeyed == 200)
    if obeyed == 200:
        assert (answer.json["accepted"], answer.json["id"]) == (True, "7")
        assert page.commands[0][1].by == (headers[USER].encode("latin-1").decode() if USER in headers else "the page")
    else:
        assert set(answer.json) == {"error"}


def log_in(page: Page, token: str, **more: str) -> str:
    """The cookie for a token."""
    answer = page.request(SESSION, "POST", body={"token": token, **more})
    assert answer.status == 200
    return answer.headers["set-cookie"].partition(";")[0]


def test_the_cookie_is_for_this_page_alone(pages: dict[str, Page]) -> None:
    """No script can read it, no other site sends it, and behind HTTPS it never travels in plain text."""
    direct = pages["token"].request(SESSION, "POST", body={"token": OPERATOR}).headers["set-cookie"].lower()
    assert {"httponly", "samesite=strict", "path=/"} <= set(direct.split("; "))
    assert "secure" not in direct
    headers = {"X-Forwarded-Proto": "https", "X-Ingress-Path": "/api/hassio_ingress/x"}
    proxied = pages["proxy"].request(SESSION, "POST", headers, {"token": OPERATOR}, PROXY).headers["set-cookie"].lower()
    assert {"httponly", "samesite=strict", "secure", "path=/api/hassio_ingress/x/"} <= set(proxied.split("; "))


def test_who_did_it_is_in_the_command(pages: dict[str, Page]) -> None:
    """The name of the session counts more than what the command says."""
    page = pages["token"]
    page.commands.clear()
    for headers in ({"Cookie": log_in(page, OPERATOR, name="Anna")}, bearer(OPERATOR)):
        page.request(COMMAND, "POST", headers, {"command": "acknowledge", "by": "Bert"})
    assert [command.by for _, command in page.commands] == ["Anna", "Bert"]


def test_a_session_is_described_and_ends(pages: dict[str, Page]) -> None:
    """Without a session nobody is logged in; logging out removes the cookie."""
    page = pages["token"]
    assert page.request(SESSION).json == {"role": None, "name": "", "needs_token": True}
    headers = {"Cookie": log_in(page, READER, name="Bert")}
    assert page.request(SESSION, headers=headers).json == {"role": "reader", "name": "Bert", "needs_token": True}
    assert "max-age=0" in page.request(SESSION, "DELETE", headers).headers["set-cookie"].lower()
    assert pages["bare"].request(SESSION).json == {"role": "operator", "name": "", "needs_token": False}
    assert pages["bare"].request(SESSION, "POST", body={"token": OPERATOR}).status == 409


def test_wrong_tokens_are_limited(tmp_path: Path) -> None:
    """After five of them an address waits, even with the right token; another address does not."""
    with Page({**write_tokens(tmp_path), "trusted_proxies": [PROXY]}) as page:

        def attempt(token: str, address: str) -> int:
            return page.request(SESSION, "POST", {"X-Forwarded-For": f"192.0.2.77, {address}"}, {"token": token}, PROXY).status

        assert [attempt(WRONG, "198.51.100.1") for _ in range(6)] == [401] * 5 + [429]
        assert attempt(OPERATOR, "198.51.100.1") == 429
        assert attempt(OPERATOR, "198.51.100.2") == 200
        refused = page.request(HEALTH, headers={**bearer(OPERATOR), "X-Forwarded-For": "198.51.100.1"}, source=PROXY)
        assert refused.status == 429
        assert 0 < int(refused.headers["retry-after"]) <= 60


def test_the_attempts_of_an_address_come_back() -> None:
    """A minute after the first of five wrong tokens there is another attempt; many addresses take bounded memory."""
    clock = Clock()
    attempts = Attempts(clock)
    for _ in range(5):
        attempts.note_wrong("a")
    assert attempts.wait_s("a") == 60.0
    for number in range(5000):
        attempts.note_wrong(str(number))
    assert len(attempts._wrong) == 1024
    for _ in range(5):
        attempts.note_wrong("b")
    clock.now_s = 60.0
    assert attempts.wait_s("b") == 0.0


def test_a_session_outlives_the_daemon_but_not_its_token(tmp_path: Path) -> None:
    """It is neither stored nor forgotten: another token, or 30 days, end it."""
    files, clock = write_tokens(tmp_path), Clock()
    roles: dict[Any, Path] = {"operator": files["token_file"], "reader": files["reader_token_file"]}
    cookie = Tokens(roles, clock).seal(Viewer("operator", "Änna"))
    later = Tokens(roles, clock)
    assert later.unseal(cookie) == Viewer("operator", "Änna")
    clock.now_s = 31 * 86_400.0
    assert later.unseal(cookie) is None
    clock.now_s = 0.0
    files["token_file"].write_text(WRONG)
    assert later.unseal(cookie) is None


def test_a_token_that_is_lost_lets_nobody_in(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """One line says so; the other role goes on, and a token that is back is used again."""
    files = write_tokens(tmp_path)
    roles: dict[Any, Path] = {"operator": files["token_file"], "reader": files["reader_token_file"]}
    tokens = Tokens(roles)
    files["token_file"].unlink()
    assert [tokens.find_role(token) for token in (OPERATOR, "", READER)] == [None, None, "reader"]
    assert len(caplog.messages) == 1
    files["token_file"].write_text(OPERATOR)
    assert tokens.find_role(OPERATOR) == "operator"
