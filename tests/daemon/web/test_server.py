"""The server as a part of the daemon: its address, its certificate, its stop."""

import http.client
import json
import shutil
import socket
import ssl
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from aegan_monitor.errors import ConfigError
from aegan_monitor.web.connections import Limits
from broker import STEP_DEADLINE_S, wait_until
from certificates import Authority
from network import Cable
from page import OPERATOR, Page, write_tokens

HEALTH = "/api/v1/health"
WITHOUT_PAGE = """
import logging, sys
sys.modules.update(dict.fromkeys(("starlette", "uvicorn", "anyio", "h11")))  # none can be imported
from pathlib import Path
from aegan_monitor import cli
from aegan_monitor.demo.configuration import make_config
from aegan_monitor.service.monitor import Monitor
logging.disable()
Monitor(make_config(["pump"], 1883, None, Path(sys.argv[1]), pace="fast"))
print("made")
"""
FETCH = """
import http.client, json, sys
_, host, port, path, headers = sys.argv
connection = http.client.HTTPConnection(host, int(port), timeout=30)
connection.request("GET", path, headers=json.loads(headers))
print(connection.getresponse().status)
"""


@pytest.mark.process
def test_a_daemon_without_the_page_pays_nothing_for_it(tmp_path: Path) -> None:
    """It loads neither the web framework nor the server."""
    command = [sys.executable, "-W", "error", "-c", WITHOUT_PAGE, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.stdout, done.returncode) == ("made\n", 0)
    assert [line for line in done.stderr.splitlines() if not line.startswith("pump: accepted false alarms")] == []


def test_a_taken_port_is_retried(caplog: pytest.LogCaptureFixture) -> None:
    """One line in the log says what to do; when the port is free, the page is there."""
    page = Page({})
    with socket.socket() as other:
        other.bind(("127.0.0.1", page.port))
        other.listen()
        page.server.start()
        wait_until(lambda: page.server.problem, "the problem")
        assert "set web.host and web.port to an address that is free" in page.server.problem
    wait_until(lambda: not page.server.problem, "it listens")
    assert page.request(HEALTH).status == 200
    page.server.stop()
    assert len([line for line in caplog.messages if "cannot listen" in line]) == 1


def test_a_server_that_never_started_stops() -> None:
    """It is as harmless as a second stop."""
    page = Page({})
    page.server.stop()
    page.server.start()
    page.server.stop()  # before it may have begun
    assert "web" not in [thread.name for thread in threading.enumerate()]
    page.server.stop()


@pytest.mark.parametrize(("content", "words"), [("short", "has 5 characters"), (None, "cannot be read")])
def test_a_token_that_protects_nothing_is_refused(tmp_path: Path, content: str | None, words: str) -> None:
    """The daemon does not start with it."""
    path = tmp_path / "token"
    if content is not None:
        path.write_text(content)
    with pytest.raises(ConfigError, match=words):
        Page({"token_file": path})


def test_two_roles_with_one_token_are_refused(tmp_path: Path) -> None:
    """Readers would be operators."""
    files = write_tokens(tmp_path)
    files["reader_token_file"].write_text(OPERATOR)
    with pytest.raises(ConfigError, match="the same token"):
        Page(files)


@pytest.mark.process
def test_https_with_a_certificate_that_is_renewed(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The next connection has the new one; a broken one is logged, and the one from before stays. Plain HTTP gets nothing."""
    authority = Authority(tmp_path / "authority")
    certificate, key = authority.sign("first", "127.0.0.1")
    used = {"certificate_file": tmp_path / "page.pem", "key_file": tmp_path / "page.key"}

    def install(certificate: Path, key: Path) -> None:
        shutil.copyfile(key, used["key_file"])
        shutil.copyfile(certificate, used["certificate_file"])

    def find_name() -> str:
        context = ssl.create_default_context(cafile=authority.certificate)
        connection = http.client.HTTPSConnection("127.0.0.1", page.port, timeout=STEP_DEADLINE_S, context=context)
        connection.request("GET", HEALTH)
        assert connection.getresponse().read()
        found: Any = connection.sock.getpeercert()
        connection.close()
        return str(found["subject"][0][0][1])

    install(certificate, key)
    with Page({"tls": used}, Limits(request_s=0.3)) as page:
        assert find_name() == "first"
        install(*authority.sign("second", "127.0.0.1"))
        assert find_name() == "second"
        used["certificate_file"].write_text("no certificate")
        assert find_name() == "second"
        assert any("the certificate from before stays in use" in line for line in caplog.messages)
        with socket.create_connection(("127.0.0.1", page.port), STEP_DEADLINE_S) as plain:
            plain.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert b"HTTP" not in plain.recv(1000)
        with socket.create_connection(("127.0.0.1", page.port), STEP_DEADLINE_S) as silent:
            assert silent.recv(1) == b""  # a handshake that does not begin is ended
        wait_until(lambda: page.server.connections.n_open == 0, "no connection is left")


@pytest.mark.process
def test_a_wrong_certificate_is_refused_at_the_start(tmp_path: Path) -> None:
    """One line names the file."""
    (tmp_path / "page.pem").write_text("no certificate")
    with pytest.raises(ConfigError, match=r"web\.tls\.certificate_file: .*page\.pem: expected a certificate in PEM"):
        Page({"tls": {"certificate_file": tmp_path / "page.pem"}})


@pytest.mark.netns
@pytest.mark.process
def test_others_need_a_token_over_the_network(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """From another host: nothing without a token, all with it; and the log says at the start that nothing is encrypted."""
    with Cable() as cable, Page({"host": cable.here, "insecure": True, **write_tokens(tmp_path)}, address=cable.here) as page:
        assert any("without encryption" in line for line in caplog.messages)

        def fetch(**headers: str) -> str:
            command = [*cable.through, sys.executable, "-c", FETCH, cable.here, str(page.port), HEALTH, json.dumps(headers)]
            return subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout.strip()

        bearer = f"Bearer {OPERATOR}"
        assert [fetch(), fetch(Authorization=bearer), fetch(Authorization=bearer, Host="evil.example")] == ["401", "200", "403"]
