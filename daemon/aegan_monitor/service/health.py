"""How the daemon fares, gathered from its parts: for the health topic, and in one line for systemd."""

import os
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from aegan_monitor import __version__
from aegan_monitor.alarm.machine import Machine
from aegan_monitor.audio.supervisor import SensorState
from aegan_monitor.messages import payloads
from aegan_monitor.outbox.outbox import Outbox
from aegan_monitor.outbox.writer import Scribe
from aegan_monitor.service.command_queue import Inbox
from aegan_monitor.service.handover import Delivery
from aegan_monitor.service.reload import Reloader
from aegan_monitor.service.runtime import Line


class Reading(NamedTuple):
    """What there is to tell of a machine beside its health; `score` is the last decision, none while it cannot be heard."""

    scored_s: float
    score: payloads.Score | None


class HealthReport:
    """Asks the parts; any thread may ask it."""

    def __init__(
        self,
        lines: Callable[[], Sequence[Line]],
        outbox: Outbox,
        scribe: Scribe,
        delivery: Delivery,
        inbox: Inbox,
        reloader: Reloader,
    ) -> None:
        """Store; `lines` gives those that run now. The time since start counts from here."""
        self._lines, self._outbox, self._scribe, self._delivery = lines, outbox, scribe, delivery
        self._inbox, self._reloader = inbox, reloader
        self._started_s = time.monotonic()

    def make(self, now: datetime) -> payloads.Health:
        """The payload of the health topic."""
        lines, now_s = self._lines(), time.monotonic()
        depth = self._outbox.measure()
        return payloads.Health(
            time=now,
            version=__version__,
            uptime_s=round(now_s - self._started_s, 3),
            provider=_provider(lines),
            providers_requested=lines[0].session.requested,
            machines={line.machine.name: _machine_health(line, now_s - line.made_s) for line in lines},
            outbox_depth=depth.total,
            outbox_unheard=depth.unheard,
            outbox_parked=depth.parked,
            outbox_dropped_total=self._outbox.dropped_total,
            outbox_late_total=self._outbox.late_total,
            outbox_problem=self._scribe.problem,
            reload_problem=self._reloader.problem,
            refused_total=self._delivery.refused_total,
            commands_refused_total=self._inbox.refused_total,
            broker_problem=self._delivery.problem,
            rss_bytes=resident_bytes(),
        )

    def readings(self) -> dict[str, Reading]:
        """By the machine's name."""
        return {line.machine.name: _read(line) for line in self._lines()}

    @property
    def connected(self) -> bool:
        """The broker has accepted the connection, and it has not been seen to end."""
        return self._delivery.connected

    def tell(self) -> str:
        """One line for `systemctl status`."""
        lines = self._lines()
        states = ", ".join(tell_state(line.machine, line.sensor()) for line in lines)
        broker = "connected" if self.connected else self._delivery.problem or "not connected yet"
        disk = f"; outbox: {self._scribe.problem}" if self._scribe.problem else ""
        reload = f"; reload failed, the configuration from before is in use: {self._reloader.problem}" if self._reloader.problem else ""
        return f"{states}; inference on {_provider(lines)}; broker: {broker}{disk}{reload}"


def tell_state(machine: Machine, sensor: SensorState) -> str:
    """How the machine sounds; of a deaf one that alone, unless an alarm is active: what was heard before says nothing of now."""
    if sensor.state != "ok" and not machine.active:
        return f"{machine.name}: sensor {sensor.state}"
    return f"{machine.name} {machine.state} (sensor {sensor.state})"


def _provider(lines: Sequence[Line]) -> str:
    return ", ".join(sorted({line.session.provider for line in lines}))


def _machine_health(line: Line, uptime_s: float) -> payloads.MachineHealth:
    deviation_ppm = line.listener.rate_deviation_ppm
    return payloads.MachineHealth(
        state=line.machine.state,
        active=line.machine.active,
        acknowledged=line.machine.standing == "acknowledged",
        shelved=line.machine.standing == "shelved",
        sensor=line.sensor().state,
        coverage_percent=round(min(100.0, 100 * _scored_s(line) / max(uptime_s, 1e-3)), 2),
        dropped_samples_total=line.ring.dropped_samples_total,
        gaps_total=line.ring.gaps_total,
        rate_deviation_ppm=None if deviation_ppm is None else round(deviation_ppm, 1),
    )


def _read(line: Line) -> Reading:
    return Reading(_scored_s(line), line.machine.last_score if line.sensor().state == "ok" else None)


def _scored_s(line: Line) -> float:
    return line.machine.n_samples_scored / line.sample_rate_hz


def resident_bytes() -> int:
    """Memory in use, as the kernel counts it."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:  # not Linux
        return 0
