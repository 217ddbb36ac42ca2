"""Finds the address and the cookie of a sound server, as PulseAudio's own library does.

Source: pulse-client.conf(5), `src/pulse/client-conf.c` and `context.c` of PulseAudio.
"""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

COOKIE_BYTES = 256
ETC = Path("/etc/pulse")


def find_addresses(environ: Mapping[str, str], etc: Path = ETC) -> list[str]:
    """Addresses to try in turn: PULSE_SERVER, `default-server` of client.conf, or the usual sockets."""
    if named := (environ.get("PULSE_SERVER") or read_client_conf(environ, etc).get("default-server", "")).split():
        return [address.rpartition("}")[2] for address in named]  # {machine}address
    folders = [environ.get("PULSE_RUNTIME_PATH"), environ.get("XDG_RUNTIME_DIR") and environ["XDG_RUNTIME_DIR"] + "/pulse", "/run/pulse"]
    sockets = [f"{folder}/native" for folder in folders if folder]
    return ["unix:" + next((path for path in sockets if os.access(path, os.F_OK)), sockets[0])]


def read_cookie(environ: Mapping[str, str], etc: Path = ETC) -> bytes:
    """The secret for a server of another user or host; zeros without one."""
    home = environ.get("HOME", "/")
    paths = [
        environ.get("PULSE_COOKIE"),
        read_client_conf(environ, etc).get("cookie-file"),
        environ.get("XDG_CONFIG_HOME", f"{home}/.config") + "/pulse/cookie",
        f"{home}/.pulse-cookie",
    ]
    for path in filter(None, paths):
        if len(cookie := _read(Path(path))) == COOKIE_BYTES:
            return cookie
    return bytes(COOKIE_BYTES)


def read_client_conf(environ: Mapping[str, str], etc: Path = ETC) -> dict[str, str]:
    """The keys of the user's client.conf, or else of the system's with its `client.conf.d`; the last value of a key counts."""
    home = environ.get("HOME", "/")
    own = [environ.get("PULSE_CLIENTCONFIG"), environ.get("XDG_CONFIG_HOME", f"{home}/.config") + "/pulse/client.conf"]
    own += [f"{home}/.pulse/client.conf"]
    path = next((path for path in filter(None, own) if os.access(path, os.F_OK)), None)
    paths = [Path(path)] if path else [etc / "client.conf", *sorted((etc / "client.conf.d").glob("*.conf"))]
    return dict(pair for each in paths for pair in _parse(_read(each).decode(errors="replace")))


def _parse(text: str) -> Iterator[tuple[str, str]]:
    for line in text.splitlines():
        key, equals, value = line.partition("=")
        if equals and not key.lstrip().startswith((";", "#")):
            yield key.strip(), value.strip()


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""
