"""Two machines of a real monitor that sound wrong at the same time."""

import json
from pathlib import Path

import numpy as np
import pytest

from aegan_monitor.config.model import load_config
from aegan_monitor.detection.bundle import demo_bundle
from aegan_monitor.outbox.store import Store
from aegan_monitor.service.monitor import Monitor
from aegan_monitor.types import Block
from broker import find_free_port
from fakes import ScriptedCapture

RATE_HZ, HEARD_S = 16_000, 10  # one decision


@pytest.mark.parametrize(("window_s", "n_cases"), [(15, 1), (0, 2)])
def test_machines_of_a_node_share_a_case_within_the_configured_time(window_s: int, n_cases: int, tmp_path: Path) -> None:
    """Both alarms are raised, the second with low severity in the case of the first; without a window each has its own."""
    path = tmp_path / "monitor.yaml"
    machine = f"bundle: {demo_bundle()}, alarm: {{policy: threshold, on_delay_s: 0}}, capture: {{kind: file, paths: [a.wav], pace: fast}}"
    path.write_text(
        f"node: box\ncommon_cause_s: {window_s}\nmqtt: {{host: 127.0.0.1, port: {find_free_port()}}}\n"
        f"outbox: {{path: outbox.sqlite}}\nmachines: [{{name: fan, {machine}}}, {{name: pump, {machine}}}]\n"
    )
    noise = np.random.default_rng(0).normal(0, 0.2, HEARD_S * RATE_HZ).astype(np.float32)
    Monitor(load_config(path), capture=lambda *_: ScriptedCapture([[Block(noise, 0)]])).run()
    store = Store(tmp_path / "outbox.sqlite")
    events = [json.loads(entry.message.payload) for entry in store.open().added]
    store.close()
    assert [event["kind"] for event in events] == ["raised", "raised"]
    assert len({event["case"]["id"] for event in events}) == n_cases
    assert [event["case"]["severity"] for event in events] == ["medium", "low" if n_cases == 1 else "medium"]
    assert all(event["active"] for event in events)
