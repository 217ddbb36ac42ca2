"""The status line for `systemctl status`, and the coverage of time by scores."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from aegan_monitor.alarm.judge import Judge
from aegan_monitor.alarm.machine import Machine
from aegan_monitor.audio.supervisor import SensorState
from aegan_monitor.config.alarm import AlarmConfig
from aegan_monitor.config.model import load_config
from aegan_monitor.demo.pump import Pump
from aegan_monitor.detection.bundle import demo_bundle, load_bundle
from aegan_monitor.detection.pipeline import Pipeline
from aegan_monitor.inference.onnx_runtime import OrtSession
from aegan_monitor.messages.command_payloads import Command
from aegan_monitor.messages.topics import Message
from aegan_monitor.service.health import LONGEST_S, Coverage, describe_state
from aegan_monitor.service.metrics import MetricsServer
from aegan_monitor.service.monitor import Monitor
from aegan_monitor.types import Run

NOW = datetime(2026, 1, 31, 8, 15, tzinfo=UTC)
HOUR_S = 3600.0
OK, MISSING = SensorState("ok"), SensorState("missing", "plug it in")


def test_a_deaf_machine_is_not_told_to_be_normal() -> None:
    """A machine with a sensor fault shows the fault in place of `normal`; an active alarm is shown until it is shelved."""
    bundle = load_bundle(demo_bundle())
    judge = Judge(bundle.record, bundle.record.score, AlarmConfig(policy="threshold", on_delay_s=0.0))
    machine = Machine("pump", Pipeline(bundle.record, bundle.reference, OrtSession(bundle)), judge)
    assert (describe_state(machine, OK), describe_state(machine, MISSING)) == ("pump normal (sensor ok)", "pump: sensor missing")
    machine.hear(Run(Pump(22, fault_from_s=-2.0).read(12 * 16_000), 0, after_gap=False), NOW, 0.0)
    assert (describe_state(machine, OK), describe_state(machine, MISSING)) == ("pump alarm (sensor ok)", "pump alarm (sensor missing)")
    machine.obey(Command(command="shelve"), NOW, 0.0)
    assert (describe_state(machine, OK), describe_state(machine, MISSING)) == ("pump alarm (sensor ok)", "pump: sensor missing")


def test_an_hour_of_deafness_is_seen_after_a_month() -> None:
    """One hour without scores is all of the last hour and a 24th of the last day, and is gone a day later."""
    coverage, scored_s, step_s = Coverage(0.0), 0.0, 20.0
    found: dict[float, tuple[float, float]] = {}
    for step in range(1, round(32 * 24 * HOUR_S / step_s) + 1):
        now_s = step * step_s
        scored_s += 0.0 if 720 * HOUR_S < now_s <= 721 * HOUR_S else step_s
        coverage.add(now_s, scored_s)
        if now_s % HOUR_S == 0:
            found[now_s / HOUR_S] = tuple(coverage.percent(now_s, scored_s, window_s) for window_s in (HOUR_S, LONGEST_S))  # type: ignore[assignment]
    assert found[720] == (100.0, 100.0)
    assert list(found[721]) == pytest.approx([0.0, 100 * 23 / 24], abs=2)
    assert list(found[723]) == pytest.approx([100.0, 100 * 23 / 24], abs=0.2)
    assert found[747] == (100.0, 100.0)
    assert len(coverage._points) <= LONGEST_S / 60 + 2


def test_a_young_machine_is_judged_by_its_own_time() -> None:
    """Coverage of a new machine counts only its own time and never exceeds 100 %."""
    coverage = Coverage(1000.0)
    coverage.add(1010.0, 5.0)
    assert coverage.percent(1010.0, 5.0, HOUR_S) == 50.0
    assert coverage.percent(1010.0, 15.0, LONGEST_S) == 100.0


def test_the_status_line_has_the_problems_of_all_parts(tmp_path: Path) -> None:
    """The page that cannot be reached, too."""
    (tmp_path / "monitor.yaml").write_text(f"outbox: {{path: outbox.sqlite}}\nmachines: [{{name: pump, bundle: {demo_bundle()}}}]\n")
    monitor = Monitor(load_config(tmp_path / "monitor.yaml"), parts=[])
    server = MetricsServer("127.0.0.1", 9, monitor._health.read)  # it does not run
    server.problem = "cannot listen there"
    monitor._parts.add([server])
    assert monitor._health.describe().endswith("; metrics: cannot listen there")


def test_replaced_scores_reach_the_message(tmp_path: Path) -> None:
    """Scores that the next one replaced before they were sent are counted in the health message."""
    (tmp_path / "monitor.yaml").write_text(f"outbox: {{path: outbox.sqlite}}\nmachines: [{{name: pump, bundle: {demo_bundle()}}}]\n")
    monitor = Monitor(load_config(tmp_path / "monitor.yaml"))
    for _ in range(3):
        monitor._outbox.put(Message("aegan/hall/pump/score", b"", 0, retained=False, kind="score"))
    assert monitor._health.read(NOW).health.replaced_scores_total == 2
