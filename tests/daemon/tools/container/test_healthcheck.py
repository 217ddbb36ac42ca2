"""The health check of a container."""

import threading
from pathlib import Path

import pytest

from aegan_monitor.service.systemd import Notifier
from aegan_monitor.tools.container.healthcheck import wait_for_sign


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """What the image sets, with a short interval."""
    return {"NOTIFY_SOCKET": str(tmp_path / "health.socket"), "WATCHDOG_USEC": "300000"}


def test_a_sign_of_life_is_healthy(environment: dict[str, str], tmp_path: Path) -> None:
    """Other messages are none; nothing is left behind. A socket that a killed check has left is no obstacle."""
    (tmp_path / "health.socket").touch()
    environment["WATCHDOG_USEC"] = "60000000"
    notifier, ended = Notifier(environment["NOTIFY_SOCKET"]), threading.Event()

    def live() -> None:
        while not ended.wait(0.01):
            notifier.status("judging")
            notifier.send("WATCHDOG=1")

    daemon = threading.Thread(target=live)
    daemon.start()
    try:
        assert wait_for_sign(environment) == ""
    finally:
        ended.set()
        daemon.join()
    assert list(tmp_path.iterdir()) == []


def test_other_messages_are_no_sign(environment: dict[str, str]) -> None:
    """A daemon that only starts is not healthy."""
    notifier, ended = Notifier(environment["NOTIFY_SOCKET"]), threading.Event()

    def start() -> None:
        while not ended.wait(0.01):
            notifier.send("READY=1")

    daemon = threading.Thread(target=start)
    daemon.start()
    try:
        assert wait_for_sign(environment) == "no sign of life for 0.3 s: the daemon hangs, or has not begun yet"
    finally:
        ended.set()
        daemon.join()


def test_silence_is_not_healthy(environment: dict[str, str], tmp_path: Path) -> None:
    """The line says for how long."""
    assert wait_for_sign(environment).startswith("no sign of life for 0.3 s")
    assert list(tmp_path.iterdir()) == []


def test_an_environment_that_is_not_the_images_is_one_line(environment: dict[str, str], tmp_path: Path) -> None:
    """Neither is a folder that cannot be written a crash."""
    assert "expected NOTIFY_SOCKET and WATCHDOG_USEC" in wait_for_sign({})
    assert "cannot be made: No such file or directory" in wait_for_sign({**environment, "NOTIFY_SOCKET": str(tmp_path / "x" / "y")})
