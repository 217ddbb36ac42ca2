"""Address and cookie of the sound server, found as PulseAudio's own library finds them."""

from pathlib import Path

import pytest

from aegan_monitor.audio.device.pulseaudio.server_address import find_addresses, read_cookie


@pytest.mark.parametrize(
    ("environ", "addresses"),
    [
        ({"PULSE_SERVER": "unix:/a/b"}, ["unix:/a/b"]),
        ({"PULSE_SERVER": "{0123}unix:/a/b tcp:host"}, ["unix:/a/b", "tcp:host"]),
        ({"PULSE_SERVER": "tcp:host:4713", "XDG_RUNTIME_DIR": "/x"}, ["tcp:host:4713"]),
        ({"PULSE_RUNTIME_PATH": "/x"}, ["unix:/x/native"]),
        ({"XDG_RUNTIME_DIR": "/nonexistent/1"}, ["unix:/nonexistent/1/pulse/native"]),
        ({"PULSE_SERVER": ""}, ["unix:/run/pulse/native"]),
    ],
)
def test_the_environment_names_the_server(environ: dict[str, str], addresses: list[str], tmp_path: Path) -> None:
    """The environment variable comes before the user's server, and that before the system's."""
    assert find_addresses({"HOME": str(tmp_path), **environ}, tmp_path / "etc") == addresses


def write(path: Path, text: str) -> None:
    """Write a file and make its folders."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_client_conf_names_the_server(tmp_path: Path) -> None:
    """The user's client.conf comes before the system's, PULSE_SERVER before both; comments are ignored."""
    environ, etc = {"HOME": str(tmp_path), "XDG_RUNTIME_DIR": "/run/user/7"}, tmp_path / "etc"
    write(etc / "client.conf", "# default-server = unix:/old\n; x = 1\nautospawn=no\n")
    assert find_addresses(environ, etc) == ["unix:/run/user/7/pulse/native"]
    write(etc / "client.conf.d" / "01.conf", "default-server = unix:/system unix:/second\n")
    assert find_addresses(environ, etc) == ["unix:/system", "unix:/second"]
    write(tmp_path / ".config" / "pulse" / "client.conf", "default-server=unix:/user\n")
    assert find_addresses(environ, etc) == ["unix:/user"]
    write(tmp_path / "other.conf", "default-server = tcp:host\n")
    assert find_addresses({**environ, "PULSE_CLIENTCONFIG": str(tmp_path / "other.conf")}, etc) == ["tcp:host"]
    assert find_addresses({**environ, "PULSE_SERVER": "unix:/named"}, etc) == ["unix:/named"]


def test_the_cookie_is_a_whole_one(tmp_path: Path) -> None:
    """A missing cookie, or one of another length, is ignored; client.conf may name the file."""
    environ, etc = {"HOME": str(tmp_path)}, tmp_path / "etc"
    assert read_cookie(environ, etc) == bytes(256)
    (tmp_path / ".pulse-cookie").write_bytes(bytes([7]) * 256)
    assert read_cookie(environ, etc) == bytes([7]) * 256
    (tmp_path / "short").write_bytes(b"short")
    assert read_cookie({**environ, "PULSE_COOKIE": str(tmp_path / "short")}, etc) == bytes([7]) * 256
    (tmp_path / "named").write_bytes(bytes([8]) * 256)
    write(etc / "client.conf", f"cookie-file = {tmp_path}/named\n")
    assert read_cookie(environ, etc) == bytes([8]) * 256
