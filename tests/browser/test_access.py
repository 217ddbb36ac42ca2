"""The page for everybody: names and roles for screen readers, the keyboard, contrast, and small and large screens."""

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest

from lacking import find_axe

if TYPE_CHECKING:
    from chromium import Browser
    from fake_server import FakeServer

pytestmark = pytest.mark.browser
VIEWS = {
    "machines": ".card",
    "machine/feed-pump": ".alarm-bar .badges li",
    "cases": ".case h2",
    "history/feed-pump": "tbody tr",
    "setup": ".setup li",
    "health": ".tile .sign",
}
SMALL = (
    "return [...document.querySelectorAll('main button, main select, main .button')]"
    ".filter((each) => each.offsetParent && each.offsetHeight < 24).length"
)
OUTSIDE = """
const right = (each) => each.getBoundingClientRect().right;
return [...document.querySelectorAll('main button, main input, main .value, main img, main canvas, main .switch')]
  .filter((each) => each.offsetParent && !each.closest('.scroll, .unseen'))
  .filter((each) => right(each) > right(each.closest('.panel, .case, .card') ?? document.body))
  .map((each) => each.outerHTML.slice(0, 80));
"""
STOP = (
    "const it = document.activeElement; "
    "return [it.innerText || it.id, getComputedStyle(it, it.matches('.cover') ? '::after' : null).outlineStyle]"
)
VIOLATIONS = (
    "return axe.run(document, { resultTypes: ['violations'] })"
    ".then(({ violations }) => violations.map(({ id, nodes }) => `${id}: ${nodes.map((each) => each.html.slice(0, 120))}`))"
)
LEAST_CONTRAST = 4.5  # WCAG 2.2, 1.4.3
NAMELESS = {"generic", "none", "StaticText", "InlineTextBox", "RootWebArea"}
CONTRAST = """
const parse = (colour) => {
  const [r, g, b, a = 1] = colour.match(/[\\d.]+/g).map(Number);
  return { rgb: [r, g, b], a };
};
const light = ([r, g, b]) => {
  const [x, y, z] = [r, g, b].map((each) => { const c = each / 255; return c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4; });
  return 0.2126 * x + 0.7152 * y + 0.0722 * z;
};
const ground = (element) => {
  for (let each = element; each; each = each.parentElement) {
    const { rgb, a } = parse(getComputedStyle(each).backgroundColor);
    if (a > 0.99) return rgb;
  }
  return [255, 255, 255];
};
const found = [];
for (const element of document.querySelectorAll('body *')) {
  const own = [...element.childNodes].some((each) => each.nodeType === 3 && each.textContent.trim());
  const box = element.getBoundingClientRect();
  if (!own || !box.width || element.closest('.unseen, :disabled, option, noscript')) continue;
  const of = [light(parse(getComputedStyle(element).color).rgb), light(ground(element))].sort();
  const contrast = (Math.max(...of) + 0.05) / (Math.min(...of) + 0.05);
  const name = `${element.tagName} ${element.className} ${element.textContent.slice(0, 30)}`;
  if (contrast < arguments[0]) found.push(`${name}: ${contrast.toFixed(2)}`);
}
return found;
"""


def open_all(browser: "Browser", server: "FakeServer") -> Any:
    """The page, view after view, each once it is filled."""
    server.monitor.raise_fault("feed-pump", 100)["files"].append("sound_2.flac")
    browser.open(server.port)
    browser.wait_for("Live", ".connection")
    for view, filled in VIEWS.items():
        browser.show(view)
        if view == "cases" and browser.run("return innerWidth") < 800:  # a small screen shows the list or the case
            browser.click(".case-row")
        browser.wait_until("return Boolean(document.querySelector(arguments[0]))", True, filled)
        yield view


def test_all_that_can_be_used_has_a_role_and_a_name(browser: "Browser", server: "FakeServer") -> None:
    """As a screen reader finds it; charts and pictures have words too."""
    for view in open_all(browser, server):
        nodes = browser.cdp("Accessibility.getFullAXTree")["nodes"]
        nameless = []
        for node in nodes:
            properties = {each["name"]: each["value"].get("value") for each in node.get("properties", [])}
            role = node.get("role", {}).get("value")
            needs_name = properties.get("focusable") or role in ("image", "img", "meter", "progressbar")
            if not node["ignored"] and needs_name and role not in NAMELESS | {"main"} and not node.get("name", {}).get("value"):
                nameless.append((role, node.get("backendDOMNodeId")))
        assert nameless == [], view
        headings = browser.run(
            "return [...document.querySelectorAll('h1, h2, h3')].filter((each) => each.offsetParent).map((each) => Number(each.tagName[1]))"
        )
        assert headings.count(1) == 1, view
        assert all(after - before <= 1 for before, after in pairwise(headings)), f"{view}: a level of heading is left out"
        ids = browser.run("return [...document.querySelectorAll('[id]')].map((each) => each.id)")
        assert len(ids) == len(set(ids))


@pytest.mark.axe
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(browser: "Browser", server: "FakeServer", scheme: str) -> None:
    """A program of others that knows more rules than these tests."""
    axe = find_axe()
    assert axe is not None
    browser.resize(1280, 900, scheme)
    for view in open_all(browser, server):
        browser.run(axe.read_text(encoding="utf-8"))
        assert browser.run(VIOLATIONS) == [], view


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_has_enough_contrast(browser: "Browser", server: "FakeServer", scheme: str) -> None:
    """In every view and condition, also without a connection."""
    browser.resize(1280, 900, scheme)
    for view in open_all(browser, server):
        assert browser.run(CONTRAST, LEAST_CONTRAST) == [], view
    server.kill()
    browser.show("machines")
    browser.wait_for("No connection to the monitor since")
    assert browser.run(CONTRAST, LEAST_CONTRAST) == []


@pytest.mark.parametrize("width", [360, 1024, 1920])
def test_nothing_is_wider_than_the_screen(browser: "Browser", server: "FakeServer", width: int) -> None:
    """No view scrolls sideways, nothing stands out of its panel, and what a finger hits is no smaller than 24 pixels."""
    browser.resize(width, 800)
    for view in open_all(browser, server):
        assert browser.run("return document.documentElement.scrollWidth") <= width, view
        if view == "cases":
            browser.wait_for("of 0:0", ".transport .value")
        assert browser.run(OUTSIDE) == [], view
        assert browser.run(SMALL) == 0, view


def test_the_keyboard_reaches_everything(browser: "Browser", server: "FakeServer") -> None:
    """Tab goes through the page in order, each stop can be seen, and Enter opens a machine."""
    browser.open(server.port)
    browser.wait_for("Live", ".connection")
    stops = []
    for _ in range(12):
        browser.press("TAB")
        stops.append(browser.run(STOP))
    assert [words for words, _ in stops[:7]] == ["Skip to the content", "hall", "Machines", "Cases", "History", "Setup", "Health"]
    assert {words for words, _ in stops[7:]} == {"compressor", "cooling-fan", "feed-pump", "gearbox", "mill"}
    assert {outline for _, outline in stops} == {"solid"}
    browser.press("ENTER")
    browser.wait_for("No active alarm")
    assert browser.run("return document.activeElement.id") == "content", "the focus follows to the new view"


def test_a_new_alarm_is_announced(browser: "Browser", server: "FakeServer") -> None:
    """A screen reader interrupts with it."""
    browser.open(server.port, "health")
    browser.wait_for("Live", ".connection")
    server.monitor.raise_fault("feed-pump")
    browser.wait(
        lambda: browser.run("return document.getElementById('assertive').textContent") == "feed-pump sounds wrong.", "the announcement"
    )
