"""The page while it is loaded."""

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from chromium import Browser
    from fake_server import FakeServer

pytestmark = pytest.mark.browser


def test_a_part_that_is_lost_on_the_way_is_loaded_again(browser: "Browser", server: "FakeServer") -> None:
    """The page says that it is loading, and comes by itself once the network carries its files."""
    browser.cdp("Network.enable")
    browser.cdp("Network.setBlockedURLs", urls=["*/views/health.js"])
    try:
        browser.open(server.port)
        assert browser.text().strip() == "The page is loading. If this text stays, this browser is too old."
    finally:
        browser.cdp("Network.setBlockedURLs", urls=[])
    browser.wait_for("feed-pump", ".cards")
    assert "The page is loading." not in browser.text()
