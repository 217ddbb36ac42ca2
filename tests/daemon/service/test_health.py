"""What `systemctl status` shows of a machine."""

from datetime import UTC, datetime

from aegan_monitor.alarm.machine import Judge, Machine
from aegan_monitor.audio.supervisor import SensorState
from aegan_monitor.config.model import AlarmConfig
from aegan_monitor.demo.pump import Pump
from aegan_monitor.detection.bundle import demo_bundle, load_bundle
from aegan_monitor.detection.network import OrtSession
from aegan_monitor.detection.pipeline import Pipeline
from aegan_monitor.messages.payloads import Command
from aegan_monitor.service.health import tell_state
from aegan_monitor.types import Run

NOW = datetime(2026, 1, 31, 8, 15, tzinfo=UTC)
OK, MISSING = SensorState("ok"), SensorState("missing", "plug it in")


def test_a_deaf_machine_is_not_told_to_be_normal() -> None:
    """Its fault alone is told; an alarm that is active is told all the same, until it is shelved."""
    bundle = load_bundle(demo_bundle())
    judge = Judge(bundle.record, bundle.record.score, AlarmConfig(on_delay_s=0.0))
    machine = Machine("pump", Pipeline(bundle.record, bundle.reference, OrtSession(bundle)), judge)
    assert (tell_state(machine, OK), tell_state(machine, MISSING)) == ("pump normal (sensor ok)", "pump: sensor missing")
    machine.hear(Run(Pump(22, fault_from_s=-2.0).read(12 * 16_000), 0, after_gap=False), NOW, 0.0)
    assert (tell_state(machine, OK), tell_state(machine, MISSING)) == ("pump alarm (sensor ok)", "pump alarm (sensor missing)")
    machine.obey(Command(command="shelve"), NOW, 0.0)
    assert (tell_state(machine, OK), tell_state(machine, MISSING)) == ("pump alarm (sensor ok)", "pump: sensor missing")
