"""The page from another host, over the network."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from aegan_monitor.history.history import History
from aegan_monitor.history.store import HistoryStore
from aegan_monitor.messages.payloads import Alarm, Score, Sensor
from message_tables import make_example
from network import Cable
from page import OPERATOR, Page, write_tokens

if TYPE_CHECKING:
    from chromium import Browser

pytestmark = [pytest.mark.browser, pytest.mark.netns, pytest.mark.process]


@pytest.fixture
def cable() -> Iterator[Cable]:
    """A network of this host and another one."""
    with Cable() as made:
        yield made


@pytest.fixture
def far_browser(cable: Cable, tmp_path: Path) -> Iterator["Browser"]:
    """A browser on the other host."""
    from chromium import Browser

    found = Browser(tmp_path, cable)
    yield found
    found.stop()


def test_the_page_is_used_from_another_host(cable: Cable, far_browser: "Browser", tmp_path: Path) -> None:
    """It wants a token, shows what is live, obeys, and recovers with its session from a restart of the daemon."""
    browser, web = far_browser, {"host": cable.here, "insecure": True, "allowed_hosts": ["monitor.test"], **write_tokens(tmp_path)}
    history = History(HistoryStore(tmp_path / "history.sqlite", 100))
    history.start()
    history.stop()
    with Page(web, address=cable.here, history=tmp_path / "history.sqlite") as page:
        for payload in (Sensor, Alarm, Score):
            page.server.take_message("pump", payload.model_validate(make_example(payload)))
        browser.open(page.port)
        browser.wait_for("This monitor wants a token.")
        assert "pump" not in browser.text()
        browser.write("input[type=password]", OPERATOR)
        browser.write("input[name=by]", "Anna")
        browser.click("form button")
        browser.wait_for("pump", ".cards")
        browser.show("machine/pump")
        browser.wait_for("Live", ".connection")
        browser.click("[data-command=shelve]")
        browser.wait_for("Shelved.", ".alarm-bar")
        assert [(machine, command.command, command.by) for machine, command in page.commands] == [("pump", "shelve", "Anna")]
    browser.wait_for("No connection to the monitor since")
    again = Page({**web, "port": page.port}, address=cable.here, history=tmp_path / "history.sqlite")
    again.port = page.port
    with again:
        browser.wait_for("Live", ".connection")
        assert "No connection" not in browser.text()
    errors = browser.errors()  # the browser itself notes the answers before the token
    assert all("401" in each for each in errors), errors
