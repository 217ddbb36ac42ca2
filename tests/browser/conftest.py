"""One browser for all tests of this folder, and a monitor of synthesised machines for each."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from chromium import Browser
    from fake_server import FakeServer


@pytest.fixture(scope="session")
def _chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator["Browser"]:
    from chromium import Browser

    browser = Browser(tmp_path_factory.mktemp("chromium"))
    yield browser
    browser.stop()


@pytest.fixture
def browser(_chromium: "Browser") -> Iterator["Browser"]:
    """The browser, with an empty console before and after."""
    _chromium.resize(1280, 900)
    _chromium.errors()
    yield _chromium
    assert _chromium.errors() == []
    _chromium.driver.get("about:blank")
    _chromium.driver.delete_all_cookies()


@pytest.fixture
def server() -> Iterator["FakeServer"]:
    """The page over five machines: one deaf, two unproved, two quiet."""
    from fake_monitor import FakeMonitor
    from fake_server import FakeServer

    found = FakeServer(FakeMonitor())
    yield found
    found.kill()
