"""The page of the real daemon: a fault is seen and heard, what a person does reaches MQTT, and a kill loses nothing."""

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from broker import Mosquitto, Subscriber, wait_until

if TYPE_CHECKING:
    from chromium import Browser

pytestmark = [pytest.mark.browser, pytest.mark.broker]
WIDTH = "return document.querySelector('.picture')?.naturalWidth"
CONDITION = "return document.querySelector('.card')?.dataset.condition"


def test_a_fault_is_seen_acknowledged_and_shelved_over_a_kill(browser: "Browser", broker: Mosquitto, tmp_path: Path) -> None:
    """The pump's fault appears live and opens a case; acknowledge and shelve reach MQTT and come back; a restart is noticed."""
    from real_monitor import RealMonitor

    with Subscriber(broker.port, "aegan/hall/#") as subscriber, RealMonitor(tmp_path, broker.port) as monitor:
        subscriber.wait_for(lambda message: message.topic == "aegan/hall/pump/score")
        wait_until((tmp_path / "history-hall.sqlite").exists, "the history")
        wait_until(lambda: "listening; open" in monitor.log.read_text(), "the page")
        browser.open(monitor.port)
        browser.wait(lambda: browser.run(CONDITION) in ("quiet", "unproved"), "a pump that sounds normal")
        monitor.fail()
        browser.wait_until(CONDITION, "wrong")
        browser.show("cases")
        browser.wait_for("pump", ".case h2")
        browser.wait(lambda: (browser.run(WIDTH) or 0) > 100, "the picture")
        browser.wait(lambda: "0:00 of" not in browser.text(".transport .value"), "the sound begins at the change")
        begin = browser.text(".transport .value")
        browser.click(".play")
        browser.wait(lambda: begin != browser.text(".transport .value"), "the sound plays")
        browser.press("b")
        browser.wait_for("of 0:10", ".transport .value")
        browser.click(".play")
        browser.write(".case input[name=by]", "Anna")
        browser.press("t")
        browser.wait_for("true fault", ".case .title .status")
        event = subscriber.wait_for(lambda message: message.topic.endswith("/event") and message.json()["kind"] == "acknowledged").json()
        assert event["case"]["verdict"] == "true_fault"
        assert "Anna" in event["cause"]
        browser.show("machine/pump")
        browser.wait_for("acknowledged", ".alarm-bar .badges")
        browser.wait_for("dB", ".colour-scale")
        browser.wait_for("true fault", ".case-list")
        browser.click(".listen")
        browser.wait_for("Live sound", ".panel .hint")
        browser.click("[data-command=shelve]")
        browser.wait_for("shelved until", ".alarm-bar .badges")
        subscriber.wait_for(lambda message: message.topic.endswith("/alarm") and bool(message.json()["shelved_until"]))
        browser.show("machines")
        monitor.kill()
        browser.wait_for("No connection to the monitor since")
        browser.wait_until(CONDITION, "unknown")
        monitor.start()
        browser.wait_for("Live", ".connection")
        browser.wait_until(CONDITION, "wrong")
        browser.wait_for("shelved until", ".card .badges")
