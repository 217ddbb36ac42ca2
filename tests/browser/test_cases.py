"""Cases in a real browser: they are heard, and worked through with the keyboard."""

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from chromium import Browser
    from fake_server import FakeServer

pytestmark = pytest.mark.browser


def test_the_second_sound_of_a_case_can_be_heard(browser: "Browser", server: "FakeServer") -> None:
    """That of the alarm that came back; B leads to normal sound and back to it. A case without one offers none."""
    case = server.monitor.raise_fault("feed-pump")
    case["files"] = ["sound.flac", "sound_2.flac", "normal.flac", "picture.png"]
    browser.open(server.port, f"cases/feed-pump/{case['id']}")
    browser.wait_for("When it came back", ".comparison")
    browser.click("input[value=sound_2]")
    browser.click(".play")
    browser.wait(lambda: "0:00 of 0:06" not in browser.text(".transport .value"), "the second sound plays")
    browser.wait_for("of 0:06", ".transport .value")
    for wanted in ("normal", "sound_2"):
        browser.press("b")
        browser.wait_until("return document.querySelector('.comparison input:checked').value", wanted)
    browser.show(f"cases/gearbox/{next(each['id'] for each in server.monitor.cases if each['machine'] == 'gearbox')}")
    browser.wait_for("gearbox", ".case h2")
    assert browser.text(".comparison label").split("\n") == ["Sound of the case", "Normal sound"]


def test_cases_are_worked_through_with_the_keyboard(browser: "Browser", server: "FakeServer") -> None:
    """Next, true fault, false alarm, a comment: each reaches the monitor."""
    case = server.monitor.raise_fault("feed-pump")
    browser.open(server.port, "cases")
    browser.wait_for("feed-pump", ".case h2")
    browser.press("t")
    browser.wait_for("true fault", ".case .title .status")
    assert server.monitor.marks == [(case["id"], {"seen": True, "comment": "", "by": "", "verdict": "true_fault"})]
    assert server.monitor.commands[-1][1]["verdict"] == "true_fault", "the active alarm is acknowledged with it"
    browser.press("j")
    browser.wait_for("gearbox", ".case h2")
    browser.press("c")
    browser.write("textarea", "door slammed")
    browser.press("f")
    browser.wait_for("false alarm", ".case .title .status")
    assert server.monitor.marks[-1][1] == {"seen": True, "comment": "door slammed", "by": "", "verdict": "false_alarm"}
    browser.press("k")
    browser.wait_for("feed-pump", ".case h2")
