"""Who may use the page: tokens, the cookie that stands for one, and how many wrong tokens are tried."""

import base64
import hashlib
import hmac
import json
import logging
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from aegan_monitor.config.web import MAKE_ONE, WebConfig
from aegan_monitor.errors import ConfigError

log = logging.getLogger(__name__)

Role: TypeAlias = Literal["reader", "operator"]

MIN_TOKEN = 16  # characters
SESSION_S = 30 * 86_400.0
MAX_NAME = 64  # as a command's `by`
MAX_WRONG, WRONG_S = 5, 60.0  # wrong tokens of one address in so many seconds; then it waits
MAX_ADDRESSES = 1024


@dataclass(frozen=True, slots=True)
class Viewer:
    """Who has sent a request; the name is empty where only the role is known."""

    role: Role
    name: str = ""

    def may(self, role: Role) -> bool:
        """Whether this is the role, or more than it."""
        return role in ("reader", self.role)


class Tokens:
    """The tokens in their files, read each time: another token holds at once, and ends all sessions of the one before.

    A session is a cookie with role, name and end, signed with a key made of the token. So it survives a restart, and nothing is stored.
    """

    def __init__(self, files: Mapping[Role, Path], clock: Callable[[], float] = time.time) -> None:
        """`clock` gives the wall time in seconds."""
        self._files, self._clock = files, clock
        self._lost: set[Role] = set()

    def __bool__(self) -> bool:
        """Whether there are any."""
        return bool(self._files)

    def check(self) -> None:
        """Read all of them.

        Raises:
            ConfigError: A token cannot be read, is too short, or is that of the other role.
        """
        found = {role: _read(path) for role, path in self._files.items()}
        for role, token in found.items():
            if len(token) < MIN_TOKEN:
                raise ConfigError(f"web: {self._files[role]}: has {len(token)} characters, expected {MIN_TOKEN} or more; {MAKE_ONE}")
        if len(set(found.values())) < len(found):
            raise ConfigError("web: token_file and reader_token_file hold the same token; readers need another one")

    def find_role(self, token: str) -> Role | None:
        """The role that a token gives."""
        found = [role for role, known in self._read().items() if hmac.compare_digest(known.encode(), token.encode())]
        return found[0] if found else None

    def seal(self, viewer: Viewer) -> str:
        """The cookie of a session that begins now."""
        body = _encode(json.dumps([viewer.role, viewer.name, round(self._clock() + SESSION_S)]).encode())
        return f"{body}.{_sign(self._read()[viewer.role], body)}"

    def unseal(self, cookie: str) -> Viewer | None:
        """Who the cookie stands for; None for one that is forged, too old, or of another token."""
        body, _, signature = cookie.partition(".")
        for role, token in self._read().items():
            if hmac.compare_digest(_sign(token, body).encode(), signature.encode()):
                sealed_role, name, ends_s = json.loads(base64.urlsafe_b64decode(body))
                return Viewer(role, name) if sealed_role == role and self._clock() < ends_s else None
        return None

    def _read(self) -> dict[Role, str]:
        """The tokens that can be read; one that cannot gives no access, and is logged once."""
        found: dict[Role, str] = {}
        for role, path in self._files.items():
            try:
                token = _read(path)
            except ConfigError as error:
                token = ""
                if role not in self._lost:
                    log.error("%s; no login as %s until it can be read", error, role)
            if len(token) >= MIN_TOKEN:
                found[role] = token
        self._lost = set(self._files) - set(found)
        return found


class Attempts:
    """Counts wrong tokens for each address."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._wrong: OrderedDict[str, deque[float]] = OrderedDict()

    def wait_s(self, address: str) -> float:
        """Seconds until the address may try a token again; 0 if it may now."""
        times = self._wrong.get(address)
        return max(0.0, times[0] + WRONG_S - self._clock()) if times and len(times) == MAX_WRONG else 0.0

    def note_wrong(self, address: str) -> None:
        """The address has tried a wrong token."""
        self._wrong.setdefault(address, deque(maxlen=MAX_WRONG)).append(self._clock())
        self._wrong.move_to_end(address)
        while len(self._wrong) > MAX_ADDRESSES:
            self._wrong.popitem(last=False)


def find_tokens(config: WebConfig) -> Tokens:
    """The tokens of a configuration.

    Raises:
        ConfigError: As `Tokens.check`.
    """
    files: dict[Role, Path | None] = {"operator": config.token_file, "reader": config.reader_token_file}
    tokens = Tokens({role: path for role, path in files.items() if path is not None})
    tokens.check()
    return tokens


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8"
        raise ConfigError(f"web: {path}: the token cannot be read ({reason})") from error


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode()


def _sign(token: str, body: str) -> str:
    key = hashlib.sha256(b"aegan session\0" + token.encode()).digest()
    return _encode(hmac.digest(key, body.encode(), "sha256"))
