"""The switch of the demo on the page."""

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from chromium import Browser
    from fake_server import FakeServer

pytestmark = pytest.mark.browser


def test_a_bearing_is_broken_and_repaired_from_the_page(browser: "Browser", server: "FakeServer") -> None:
    """The view of a machine of the demo has a switch, and that of any other machine has none."""
    server.monitor.demo_faults = {"mill": False}
    browser.open(server.port, "machine/mill")
    browser.wait_for("Break the bearing", ".demo")
    browser.click("[data-demo=fault]")
    browser.wait_for("Repair the bearing", ".demo")
    assert server.monitor.demo_faults == {"mill": True}
    browser.click("[data-demo=fault]")
    browser.wait_for("Break the bearing", ".demo")
    assert server.monitor.demo_faults == {"mill": False}
    assert "Demonstration" in browser.text()
    browser.show("machine/gearbox")
    browser.wait_for("gearbox", "h1")
    assert "Demonstration" not in browser.text()
