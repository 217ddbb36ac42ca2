"""The page in a real browser: what it shows, what it sends, and what it says when the monitor is gone."""

import json
import time
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from chromium import Browser
    from fake_server import FakeServer

pytestmark = pytest.mark.browser
CONDITIONS = (
    "return Object.fromEntries([...document.querySelectorAll('.card')]"
    ".map((each) => [each.querySelector('h2').innerText, each.dataset.condition]))"
)
AT_ONCE_S = 2.5  # sooner than the page would have looked by itself
ENABLED = "return [...document.querySelectorAll(arguments[0])].filter((each) => !each.disabled && !each.hidden).length"
TILES = "return [...document.querySelectorAll('.tile')].map((each) => each.dataset.condition)"
LENGTH = "return document.querySelector('[data-length][aria-pressed=true]')?.dataset.length"
ALL = {"compressor": "quiet", "cooling-fan": "deaf", "feed-pump": "quiet", "gearbox": "unproved", "mill": "unproved"}


def test_one_look_shows_the_condition_of_every_machine(browser: "Browser", server: "FakeServer") -> None:
    """Sounding wrong comes first, then deaf, unproved and quiet; words say what is the matter."""
    server.monitor.raise_fault("feed-pump")
    browser.open(server.port)
    browser.wait_until(CONDITIONS, {**ALL, "feed-pump": "wrong"})
    order = browser.run("return [...document.querySelectorAll('.card')].map((each) => each.dataset.condition)")
    assert order == ["wrong", "deaf", "unproved", "unproved", "quiet"]
    assert "1 sounds wrong" in browser.text(".counts")
    assert "2.86 to 3.19 kHz louder than ever" in browser.text(".card[data-condition=wrong]")
    assert "no such device: usb:1-1.4" in browser.text(".card[data-condition=deaf]")


def test_a_fault_appears_live_and_can_be_heard(browser: "Browser", server: "FakeServer") -> None:
    """The card turns red without a reload; the case opens, its sound plays, and changes over to normal sound in mid-play."""
    browser.open(server.port)
    browser.wait_until(CONDITIONS, ALL)
    case = server.monitor.raise_fault("feed-pump")
    browser.wait(lambda: browser.run(CONDITIONS)["feed-pump"] == "wrong", "the fault")
    browser.show("machine/feed-pump")
    browser.click(".case-link")
    browser.wait_for("feed-pump", ".case h2")
    assert browser.run("return location.hash") == f"#/cases/feed-pump/{case['id']}"
    assert "2.86 kHz to 3.19 kHz: 14 dB louder" in browser.text(".changes").replace("\u00a0", " ")
    browser.wait(lambda: browser.run("return document.querySelector('.picture').naturalWidth") > 100, "picture")
    browser.click(".play")
    browser.wait(lambda: "0:00 of" not in browser.text(".transport .value"), "the sound plays")
    browser.press("b")
    assert browser.run("return document.querySelector('input[value=normal]').checked")
    browser.wait_for("Pause", ".play")


def test_acknowledge_and_shelve_reach_the_monitor_and_come_back(browser: "Browser", server: "FakeServer") -> None:
    """With name, reason and duration; the page shows what the monitor answers, not what it sent."""
    case = server.monitor.raise_fault("feed-pump")
    browser.open(server.port, "machine/feed-pump")
    browser.wait_for("Active alarm")
    browser.write(".alarm-bar input[name=by]", "Anna")
    browser.write(".alarm-bar input[name=reason]", "the bearing is ordered")
    browser.click("[data-command=acknowledge]")
    browser.wait_for("acknowledged", ".alarm-bar .badges")
    sent = {"command": "acknowledge", "by": "Anna", "reason": "the bearing is ordered", "event_id": case["id"]}
    assert server.monitor.commands == [("feed-pump", sent)]
    browser.click("[data-command=shelve]")
    browser.wait_for("shelved until", ".alarm-bar .badges")
    assert server.monitor.commands[-1] == ("feed-pump", {"command": "shelve", "by": "Anna", "reason": "", "duration_s": 3600})
    browser.click("[data-command=unshelve]")
    browser.wait_for("The shelf has ended.")


def test_after_a_kill_nothing_stale_is_shown_and_the_page_recovers(browser: "Browser", server: "FakeServer") -> None:
    """It says at once that the connection is lost, shows no machine's last state, and needs no reload when the monitor is back."""
    from fake_monitor import FakeMonitor
    from fake_server import FakeServer

    server.monitor.raise_fault("feed-pump")
    browser.open(server.port)
    browser.wait_until(CONDITIONS, {**ALL, "feed-pump": "wrong"})
    server.kill()
    killed_s = time.monotonic()
    browser.wait_for("No connection to the monitor since")
    assert time.monotonic() - killed_s < AT_ONCE_S
    browser.wait(lambda: set(browser.run(CONDITIONS).values()) == {"unknown"}, "no state of before")
    assert "Not connected" in browser.text(".connection")
    assert "dBFS" not in browser.text(".cards")
    assert "louder than ever" not in browser.text(".cards")
    assert set(browser.text(".card dd").split()) == {"\u2013"}
    again = FakeServer(FakeMonitor(), server.port)
    browser.wait_until(CONDITIONS, ALL)
    assert "No connection" not in browser.text()
    again.kill()


def test_without_a_network_the_page_says_so(browser: "Browser", server: "FakeServer") -> None:
    """A phone that leaves the hall."""
    browser.open(server.port)
    browser.wait_for("Live", ".connection")
    with browser.offline():
        browser.wait_for("No connection to the monitor since")
    browser.wait_for("Live", ".connection")


def test_a_token_is_exchanged_for_a_session(browser: "Browser", server: "FakeServer") -> None:
    """A wrong one is refused in words; nothing of the machines is shown before."""
    server.monitor.token = "a secret of sixteen"
    browser.open(server.port)
    browser.wait_for("This monitor wants a token.")
    assert "feed-pump" not in browser.text()
    browser.write("input[type=password]", "wrong")
    browser.click("form button")
    browser.wait_for("This token is not right.")
    browser.run("document.querySelector('input[type=password]').value = ''")
    browser.write("input[type=password]", server.monitor.token)
    browser.click("form button")
    browser.wait_for("feed-pump", ".cards")
    errors = browser.errors()  # the browser itself notes each 401
    assert all("401" in each for each in errors), errors


def test_without_a_token_the_proxy_signs_people_in(browser: "Browser", server: "FakeServer") -> None:
    """Who comes past the proxy gets no form that no token could satisfy."""
    server.monitor.role = None
    browser.open(server.port)
    browser.wait_for("Its reverse proxy signs people in")
    assert browser.run("return document.querySelectorAll('input').length") == 0


def test_a_reader_sees_everything_and_changes_nothing(browser: "Browser", server: "FakeServer") -> None:
    """No button that the monitor would refuse; a person whom the session knows gives no name."""
    server.monitor.role, server.monitor.person = "reader", "Anna"
    server.monitor.raise_fault("feed-pump")
    browser.open(server.port, "machine/feed-pump")
    browser.wait_for("signed in as a reader", ".alarm-bar")
    assert browser.run(ENABLED, ".alarm-bar button") == 0
    assert "Your name" not in browser.text()
    browser.show("cases")
    browser.wait_for("signed in as a reader", ".verdict")
    assert browser.run(ENABLED, ".verdict button") == 0
    browser.press("t")
    browser.show("health")
    browser.wait_for("Inputs")
    assert browser.run("return document.querySelector('a[download]').offsetParent") is None
    assert server.monitor.marks == server.monitor.commands == []


def test_live_sound_plays_where_the_page_is_no_secure_context(browser: "Browser", server: "FakeServer") -> None:
    """It is less than two seconds late."""
    browser.open(server.port, "machine/compressor")
    browser.wait_for("Live", ".connection")
    assert browser.run("return isSecureContext") is False
    browser.click(".listen")
    browser.wait_for("Live sound", ".panel .hint")
    delay = browser.text(".panel .hint").split("Live sound, ")[1].split("late")[0].split()
    assert delay[1] == "ms" or float(delay[0]) <= 2
    browser.click(".listen")
    browser.wait_for("Listen", ".listen")


def test_history_goes_from_a_year_to_a_second(browser: "Browser", server: "FakeServer") -> None:
    """With buttons and with the keyboard; what it shows is read for the span that is shown."""
    server.monitor.raise_fault("feed-pump", 600)
    browser.open(server.port, "history/feed-pump")
    browser.wait_for("One point is")
    browser.wait_for("2.86 to 3.19 kHz", "table")
    browser.wait(lambda: "threshold now 2 " in browser.run("return document.querySelector('canvas').ariaLabel"), "the threshold")
    for length_s in ("31536000", "1"):
        browser.click(f"[data-length='{length_s}']")
        browser.wait_until(LENGTH, length_s)
    before = browser.text(".span")
    browser.run("document.querySelector('canvas').focus()")
    browser.press("-", "-", "ARROW_LEFT")
    browser.wait(lambda: browser.text(".span") != before, "another span")


def test_machines_that_a_reload_removes_go(browser: "Browser", server: "FakeServer") -> None:
    """And after an upgrade of the daemon the page loads itself anew, so that it never speaks another version's language."""
    from fake_monitor import FakeMonitor
    from fake_server import FakeServer

    browser.open(server.port)
    browser.wait_until(CONDITIONS, ALL)
    server.monitor.names.remove("mill")
    browser.wait_until(CONDITIONS, {name: condition for name, condition in ALL.items() if name != "mill"})
    browser.run("window.isOld = true")
    server.kill()
    upgraded = FakeMonitor()
    upgraded.version = "0.3.0"
    again = FakeServer(upgraded, server.port)
    browser.wait_until("return window.isOld ?? false", False)
    browser.wait_until(CONDITIONS, ALL)
    again.kill()


def test_the_title_says_what_is_wrong(browser: "Browser", server: "FakeServer") -> None:
    """Also while another tab is looked at."""
    browser.open(server.port, "health")
    browser.wait_until("return document.title", "Health · hall · aegan-monitor")
    server.monitor.raise_fault("feed-pump")
    browser.wait_until("return document.title", "1 sounds wrong · Health · hall · aegan-monitor")


TICKS = "return import('./charts/axis.js').then((axis) => axis.listTicks(arguments[0], arguments[1], 1000).map((each) => each.words))"


def test_days_on_the_time_axis_begin_at_midnight(browser: "Browser", server: "FakeServer") -> None:
    """Also over the end of summer time, in the viewer's zone."""
    browser.cdp("Emulation.setTimezoneOverride", timezoneId="Europe/Berlin")
    browser.cdp("Emulation.setLocaleOverride", locale="en-GB")
    try:
        browser.open(server.port)
        browser.wait_for("Live", ".connection")
        october_22_s = 1792620000  # 2026-10-22, 00:00 in Berlin; summer time ends on the 25th
        assert browser.run(TICKS, october_22_s, october_22_s + 7 * 86400) == [f"{day} Oct" for day in range(22, 29)]
        assert browser.run(TICKS, october_22_s, october_22_s + 86400)[:2] == ["22 Oct", "03:00"]
    finally:
        browser.cdp("Emulation.setLocaleOverride")
        browser.cdp("Emulation.setTimezoneOverride", timezoneId="")


def test_setup_and_health_name_level_proof_and_trouble(browser: "Browser", server: "FakeServer") -> None:
    """A full disk stands in health; setup has a verdict on the level and the commissioning report."""
    server.monitor.problems = {"outbox_problem": "no space left on device", "history_problem": "no space left on device"}
    began = {"began_at": "2026-11-30T20:00:00.000Z", "hours": 1.5, "hours_wanted": 8.0}
    verdict = ["1.5 h of normal sound", "level -28 dBFS: good"]
    server.monitor.recordings["mill"] = {**began, "state": "recording", "verdict": verdict, "waiting": ""}
    server.monitor.recordings["gearbox"] = {**began, "state": "waiting", "verdict": [], "waiting": "no such device"}
    server.monitor.recordings["compressor"] = {**began, "state": "ended", "verdict": [], "waiting": ""}
    browser.open(server.port, "setup")
    browser.wait_for("Good.", ".setup")
    browser.wait(lambda: "90 min of 8.0 h" in browser.text(".setup").replace("\u00a0", " "), "the recording")
    browser.wait_for("level -28 dBFS: good", ".setup")
    browser.wait_for("nothing is recorded now: no such device. So far 90", ".setup")
    browser.wait_for("Ended. It began", ".setup")
    browser.wait_for("12.4 h of normal sound", ".setup")
    browser.show("health")
    browser.wait_for("Needs attention")
    assert "Outbox: no space left on device; History: no space left on device" in browser.text(".tiles")
    assert browser.run("return document.querySelector('a[download]').getAttribute('href')") == "api/v1/support_bundle"
    assert json.dumps(browser.text(".tiles")).count("No trouble") == 1
    server.kill()
    browser.wait_for("Not connected", "main .state")
    assert set(browser.run(TILES)) == {"unknown"}, "nothing of before is shown as good"
