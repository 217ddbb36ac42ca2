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
    for label, is_broken in (("Break", True), ("Repair", False)):
        browser.wait_for(f"{label} the bearing", ".demo")
        browser.click("[data-demo=fault]")
        browser.wait(lambda wanted=is_broken: server.monitor.demo_faults == {"mill": wanted}, "the fault is switched")
    browser.wait_for("Break the bearing", ".demo")
    browser.show("machine/gearbox")
    browser.wait_for("gearbox", "h1")
    assert "bearing" not in browser.text("main")
