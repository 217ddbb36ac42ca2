"""The history of a running monitor: what it writes, and what its trouble with the disk changes."""

import logging
from pathlib import Path

import pytest

from aegan_monitor.clock import now
from aegan_monitor.config.model import load_config
from aegan_monitor.history.history import History
from aegan_monitor.history.reader import HistoryReader
from aegan_monitor.mqtt.subscriptions import Received
from aegan_monitor.service.monitor import Monitor
from broker import find_free_port, wait_until
from monitoring import HoldingCapture, make_their_parts, running, write_config


def test_a_run_is_in_the_history(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Start, a command, a reload and the stop, beside the outbox's file."""
    caplog.set_level(logging.INFO)
    config = load_config(write_config(tmp_path, find_free_port(), "pump"))
    monitor = Monitor(config, capture=lambda _, rate_hz: HoldingCapture(rate_hz))
    payload = b'{"command": "shelve", "by": "Anna", "reason": "noise next door"}'
    with running(monitor):
        wait_until(lambda: monitor._commands._limits, "the start")
        monitor._commands.hear(Received("aegan/box/pump/command", payload, retained=False))
        monitor.reload()
        wait_until(lambda: "reloaded: pump runs on" in caplog.text, "the reload")
        assert monitor._health.read(now()).health.history_problem == ""
    found = HistoryReader(tmp_path / "history-box.sqlite").read_events()
    kinds = {(each.source, each.kind) for each in found}
    assert kinds >= {("daemon", "start"), ("daemon", "stop"), ("daemon", "reload"), ("alarm", "shelved"), ("command", "shelve")}
    (command,) = [each for each in found if each.source == "command"]
    assert (command.by, command.text) == ("Anna", "accepted (reason noise next door)")


def test_a_folder_that_cannot_be_written_is_said_in_health(tmp_path: Path) -> None:
    """The monitor runs as before."""
    path = write_config(tmp_path, find_free_port(), "pump")
    path.write_text(f"history: {{path: {path}/history.sqlite}}\n{path.read_text()}")
    monitor = Monitor(load_config(path), capture=lambda _, rate_hz: HoldingCapture(rate_hz))
    with running(monitor):
        wait_until(lambda: monitor._health.read(now()).health.history_problem, "the problem")
        assert monitor._health.read(now()).health.history_problem == f"{path}/history.sqlite: File exists"


def test_no_days_are_no_history(tmp_path: Path) -> None:
    """There is no such part, and so nothing is written."""
    path = write_config(tmp_path, find_free_port(), "pump")
    assert History in [type(part) for part in make_their_parts(path)]
    path.write_text(f"history: {{keep_days: 0}}\n{path.read_text()}")
    assert History not in [type(part) for part in make_their_parts(path)]
