"""What every request passes before it is answered: its address, Host and Origin are checked, and its viewer is found."""

import ipaddress
import logging
import re
import socket
from email.utils import formatdate

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from aegan_monitor.config.web import WebConfig, is_loopback
from aegan_monitor.web.access import MAX_NAME, Attempts, Role, Tokens, Viewer

log = logging.getLogger(__name__)

HEADERS = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "media-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'",
    "x-content-type-options": "nosniff",
    "x-frame-options": "SAMEORIGIN",  # not DENY: Home Assistant shows it in a frame of its own origin
    "referrer-policy": "same-origin",  # without any, a browser may send Origin: null to ourselves
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
}
SECURITY = [(name.encode(), value.encode()) for name, value in HEADERS.items()]
FORWARDED = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-ingress-path", "x-real-ip")
ROOT = re.compile(r"(/[A-Za-z0-9._~-]+)*/?")
SAFE = ("GET", "HEAD")
SAME = ("same-origin", "none")  # of Sec-Fetch-Site: a page of ours, or the address bar


class RefusedError(Exception):
    """A request that is refused: HTTP status, one line that says what to do, and headers of the answer."""

    def __init__(self, status: int, words: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(words)
        self.status, self.words, self.headers = status, words, headers

    def answer(self) -> JSONResponse:
        """The answer to it."""
        return JSONResponse({"error": self.words}, self.status, self.headers)


class Guard:
    """ASGI middleware. It leaves in the request's state: `viewer`, `address`, `is_https`, `root` (the browser's path before ours)."""

    def __init__(self, app: ASGIApp, config: WebConfig, tokens: Tokens, attempts: Attempts, cookie: str) -> None:
        self._app, self._config, self._tokens, self._attempts, self._cookie = app, config, tokens, attempts, cookie
        self._proxies = [ipaddress.ip_network(each) for each in config.trusted_proxies]
        own = socket.gethostname().lower()
        self._hosts = {each.lower() for each in ("localhost", own, f"{own}.local", config.host, *config.allowed_hosts)}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or refuse."""

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                date = (b"date", formatdate(usegmt=True).encode())  # from which the page knows how far its own clock is off
                message["headers"] = [*message["headers"], *SECURITY, date]
            await send(message)

        app = self._app
        try:
            self._look(Request(scope))
        except RefusedError as refused:
            app = refused.answer()
        await app(scope, receive, send_guarded)

    def _look(self, request: Request) -> None:
        headers, state = request.headers, request.state
        peer = request.client.host if request.client else ""
        is_proxied = self._is_proxy(peer)
        if is_proxied:
            state.address = self._find_address(headers, peer)
            state.is_https = headers.get("x-forwarded-proto", request.url.scheme) == "https"
            state.root = headers.get("x-ingress-path") or headers.get("x-forwarded-prefix") or ""
            if not ROOT.fullmatch(state.root):
                raise RefusedError(400, "the proxy's X-Ingress-Path or X-Forwarded-Prefix is no path")
        else:
            state.address, state.is_https, state.root = peer, request.url.scheme == "https", ""
            self._check_direct(request, peer)
        self._check_origin(request, is_proxied)
        state.viewer = self._find_viewer(request, is_proxied)

    def _is_proxy(self, address: str) -> bool:
        try:
            found = ipaddress.ip_address(address)
        except ValueError:
            return False
        found = getattr(found, "ipv4_mapped", None) or found
        return any(found in network for network in self._proxies)

    def _find_address(self, headers: Headers, peer: str) -> str:
        """The last address that no trusted proxy has: those before it could be invented."""
        passed = [each.strip() for value in headers.getlist("x-forwarded-for") for each in value.split(",")]
        return next((each for each in reversed(passed) if not self._is_proxy(each)), peer)[:64]

    def _check_direct(self, request: Request, peer: str) -> None:
        """Refuse what comes past the proxy without encryption, through an unknown proxy, or under a foreign name (DNS rebinding)."""
        config = self._config
        if found := [name for name in FORWARDED if name in request.headers]:
            raise RefusedError(403, f"a proxy has sent this ({found[0]}); add its address {peer} to web.trusted_proxies")
        if config.trusted_proxies and not (config.tls or config.insecure or is_loopback(peer)):
            raise RefusedError(403, "unencrypted requests are accepted from the proxies in web.trusted_proxies alone; connect through one")
        host = _split_host(request.headers.get("host", ""))
        if host not in self._hosts and not _is_address(host):
            raise RefusedError(403, f"the name {host!r} is not known here; add it to web.allowed_hosts"[:200])

    def _check_origin(self, request: Request, is_proxied: bool) -> None:
        """Refuse what a page of another origin sends (CSRF), or embeds."""
        headers = request.headers
        site, mode = headers.get("sec-fetch-site"), headers.get("sec-fetch-mode")
        is_link = request.method in SAFE and mode == "navigate"
        if site is not None and site not in SAME and not is_link:
            raise RefusedError(403, "a page of another origin has sent this; use the page of this daemon")
        if (origin := headers.get("origin")) is None:
            return
        hosts = {headers.get("host", "").lower()}
        if is_proxied:
            hosts.add(headers.get("x-forwarded-host", "").lower())
        host = origin.partition("://")[2].lower()  # empty for `null`, the origin of a sandbox or a file
        if not (host and host in hosts) and not (is_proxied and site in SAME):
            raise RefusedError(403, "Origin is not the address of this page; a proxy must pass Host on, or set X-Forwarded-Host")

    def _find_viewer(self, request: Request, is_proxied: bool) -> Viewer | None:
        config, headers = self._config, request.headers
        if is_proxied and config.user_header and (name := headers.get(config.user_header)):
            name = check_name(name.encode("latin-1").decode("utf-8", "replace"))
            return Viewer("operator" if not config.operators or name in config.operators else "reader", name)
        if not self._tokens:
            return None if config.trusted_proxies else Viewer("operator")  # the configuration allows this on the loopback address alone
        kind, _, token = headers.get("authorization", "").partition(" ")
        if kind.lower() == "bearer":
            return Viewer(try_token(token.strip(), request.state.address, self._tokens, self._attempts))
        cookie = request.cookies.get(self._cookie)
        return self._tokens.unseal(cookie) if cookie else None


def try_token(token: str, address: str, tokens: Tokens, attempts: Attempts) -> Role:
    """The role that a token gives.

    Raises:
        RefusedError: It is wrong, or the address has tried too many wrong ones: then no token is tried.
    """
    if wait_s := attempts.wait_s(address):
        raise RefusedError(429, f"too many wrong tokens; wait {wait_s:.0f} s", {"retry-after": f"{wait_s:.0f}"})
    role = tokens.find_role(token)
    if role is None:
        attempts.note_wrong(address)
        log.warning("a wrong token from %s", address)
        raise RefusedError(401, "wrong token; it stands in the file that web.token_file or web.reader_token_file names")
    return role


def check_name(name: str) -> str:
    """The name of a person.

    Raises:
        RefusedError: It is too long, or not printable.
    """
    if len(name) > MAX_NAME or not name.isprintable():
        raise RefusedError(400, f"expected a name of at most {MAX_NAME} printable characters")
    return name.strip()


def _split_host(host: str) -> str:
    """The name or address in a Host header, without port."""
    if host.startswith("["):
        return host[1:].partition("]")[0].lower()
    return host.partition(":")[0].lower().rstrip(".")


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
