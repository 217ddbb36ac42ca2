"""Links to the page in what a real monitor publishes."""

import json
from pathlib import Path

import numpy as np
import pytest

from aegan_monitor.config.model import load_config
from aegan_monitor.detection.bundle import demo_bundle
from aegan_monitor.messages.case import Case
from aegan_monitor.messages.links import add_link
from aegan_monitor.outbox.store import Store
from aegan_monitor.service.monitor import Monitor
from aegan_monitor.types import Block
from broker import find_free_port
from example_messages import make_alarm
from fakes import ScriptedCapture

RATE_HZ, HEARD_S = 16_000, 10  # one decision
PAGE = "https://plant.example/aegan"


@pytest.mark.parametrize(("url", "link"), [("null", None), (f"{PAGE}/", f"{PAGE}/#/cases/pump/CASE")])
def test_an_event_links_to_its_case(url: str, link: str | None, tmp_path: Path) -> None:
    """Where `web.url` is set, the event of an alarm has the address of its case on the page."""
    path = tmp_path / "monitor.yaml"
    capture = "capture: {kind: file, paths: [a.wav], pace: fast}"
    machine = f"name: pump, bundle: {demo_bundle()}, alarm: {{policy: threshold, on_delay_s: 0}}, {capture}"
    path.write_text(
        f"node: box\nmqtt: {{host: 127.0.0.1, port: {find_free_port()}}}\nweb: {{port: 8765, url: {url}}}\n"
        f"outbox: {{path: outbox.sqlite}}\nmachines: [{{{machine}}}]\n"
    )
    noise = np.random.default_rng(0).normal(0, 0.2, HEARD_S * RATE_HZ).astype(np.float32)
    Monitor(load_config(path), capture=lambda *_: ScriptedCapture([[Block(noise, 0)]]), parts=[]).run()
    store = Store(tmp_path / "outbox.sqlite")
    (event,) = [json.loads(entry.message.payload) for entry in store.open().added]
    store.close()
    assert event["kind"] == "raised"
    assert event["link"] == (link and link.replace("CASE", event["case"]["id"]))


def test_a_state_links_to_its_case_alone() -> None:
    """The state of an alarm has the link as long as it has a case."""
    alarm = make_alarm(active=True)
    case = Case(id="5b0b", began_at=alarm.since)
    links = [add_link(alarm.model_copy(update={"case": each}), "pump", PAGE).model_dump()["link"] for each in (case, None)]
    assert links == [f"{PAGE}/#/cases/pump/5b0b", None]
