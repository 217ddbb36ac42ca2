"""Collects the state of the daemon for the health topic, the metrics and the status line of systemd."""

import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from aegan_monitor import __version__
from aegan_monitor.alarm.machine import Machine
from aegan_monitor.audio.supervisor import SensorState
from aegan_monitor.messages import payloads
from aegan_monitor.messages.machine_health import MachineHealth
from aegan_monitor.mqtt.publisher import MqttPublisher
from aegan_monitor.outbox.outbox import Outbox
from aegan_monitor.outbox.writer import Writer
from aegan_monitor.service.command_queue import CommandQueue
from aegan_monitor.service.parts import Parts
from aegan_monitor.service.reload import Reloader
from aegan_monitor.service.runtime import Line
from aegan_monitor.service.shedding import Shedding

STEP_S = 60.0  # between two points that are kept
LONGEST_S = 24 * 3600.0


class Reading(NamedTuple):
    """Metrics of a machine beside its health; `score` is the last decision, None during a sensor fault."""

    scored_s: float
    score: payloads.Score | None


class Snapshot(NamedTuple):
    """All figures of one moment; `readings` by the machine's name."""

    health: payloads.Health
    connected: bool
    readings: dict[str, Reading]


class Coverage:
    """Remembers how much of one machine's time was scored, for a day, in seconds of a monotonic clock."""

    def __init__(self, began_s: float) -> None:
        self._points: deque[tuple[float, float]] = deque([(began_s, 0.0)])  # time, seconds scored until then

    def add(self, now_s: float, scored_s: float) -> None:
        """Note the seconds that were scored since the beginning; keeps one point a minute."""
        if now_s - self._points[-1][0] >= STEP_S:
            self._points.append((now_s, scored_s))
        while len(self._points) > 1 and now_s - self._points[1][0] > LONGEST_S:
            self._points.popleft()

    def percent(self, now_s: float, scored_s: float, window_s: float) -> float:
        """Percent of the last `window_s` (to a minute) that was scored, or of the time since the beginning if that is less."""
        older = [point for point in self._points if now_s - point[0] >= window_s]
        from_s, before_s = older[-1] if older else self._points[0]
        return round(min(100.0, max(0.0, 100 * (scored_s - before_s) / max(now_s - from_s, 1e-3))), 2)


class HealthReport:
    """Any thread may call its methods."""

    def __init__(
        self,
        lines: Callable[[], Sequence[Line]],
        outbox: Outbox,
        writer: Writer,
        publisher: MqttPublisher,
        commands: CommandQueue,
        reloader: Reloader,
        parts: Parts,
        shedding: Shedding,
    ) -> None:
        """`lines` gives the lines that run now. The uptime counts from this call."""
        self._lines, self._outbox, self._writer, self._publisher = lines, outbox, writer, publisher
        self._commands, self._reloader, self._parts, self._shedding = commands, reloader, parts, shedding
        self._started_s = time.monotonic()
        self._coverages: dict[Line, Coverage] = {}
        self._lock = threading.Lock()

    def read(self, now: datetime) -> Snapshot:
        """The payload of the health topic, and what else the metrics show."""
        lines, now_s = self._lines(), time.monotonic()
        with self._lock:
            self._coverages = {line: self._coverages.get(line) or Coverage(line.made_s) for line in lines}
            machines = {line.machine.name: _machine_health(line, now_s, self._coverages[line]) for line in lines}
        counts, problems = self._outbox.measure(), self._parts.problems()
        health = payloads.Health(
            time=now,
            version=__version__,
            uptime_s=round(now_s - self._started_s, 3),
            provider=_join(line.session.provider for line in lines),
            precision=_join(line.session.precision for line in lines),
            providers_requested=lines[0].session.requested,
            machines=machines,
            outbox_depth=counts.total,
            outbox_parked=counts.parked,
            outbox_dropped_total=counts.dropped_total,
            outbox_late_total=counts.late_total,
            replaced_scores_total=counts.replaced_scores_total,
            outbox_problem=self._writer.problem,
            history_problem=problems.get("history", ""),
            evidence_problem=problems.get("evidence", ""),
            overload_problem=self._shedding.problem,
            reload_problem=self._reloader.problem,
            refused_total=self._publisher.refused_total,
            commands_refused_total=self._commands.refused_total,
            broker_problem=self._publisher.problem,
            rss_bytes=resident_bytes(),
        )
        return Snapshot(health, self._publisher.connected, {line.machine.name: _read(line) for line in lines})

    def describe(self) -> str:
        """One line for `systemctl status`."""
        lines = self._lines()
        states = ", ".join(describe_state(line.machine, line.sensor()) for line in lines)
        broker = "connected" if self._publisher.connected else self._publisher.problem or "not connected yet"
        disk = f"; outbox: {self._writer.problem}" if self._writer.problem else ""
        parts = "".join(f"; {name}: {problem}" for name, problem in self._parts.problems().items())
        reload = f"; reload failed, the configuration from before is in use: {self._reloader.problem}" if self._reloader.problem else ""
        inference = _join(f"{line.session.provider} in {line.session.precision}" for line in lines)
        load = f"; {self._shedding.problem}" if self._shedding.problem else ""
        return f"{states}; inference on {inference}; broker: {broker}{disk}{parts}{load}{reload}"


def describe_state(machine: Machine, sensor: SensorState) -> str:
    """Alarm state of the machine; only the sensor fault while there is one and no alarm is active."""
    if sensor.state != "ok" and not machine.record.active:
        return f"{machine.name}: sensor {sensor.state}"
    return f"{machine.name} {machine.record.process} (sensor {sensor.state})"


def _join(words: Iterable[str]) -> str:
    return ", ".join(sorted(set(words)))


def _machine_health(line: Line, now_s: float, coverage: Coverage) -> MachineHealth:
    deviation_ppm, record = line.supervisor.rate_deviation_ppm, line.machine.record
    coverage.add(now_s, _scored_s(line))
    last_hour, last_day = (coverage.percent(now_s, _scored_s(line), window_s) for window_s in (3600.0, LONGEST_S))
    return MachineHealth(
        state=record.process,
        active=record.active,
        acknowledged=record.active and record.acknowledged,
        shelved=record.shelved,
        out_of_service=record.out_of_service,
        sensor=line.sensor().state,
        designed_per_week=line.machine.false_alarms[0],
        proved_per_week=round_rate(line.machine.false_alarms[1]),
        coverage_percent=round(min(100.0, 100 * _scored_s(line) / max(now_s - line.made_s, 1e-3)), 2),
        coverage_1h_percent=last_hour,
        coverage_24h_percent=last_day,
        dropped_samples_total=line.ring.dropped_samples_total,
        late_segments_total=line.machine.pipeline.n_left_out,
        gaps_total=line.ring.gaps_total,
        rate_deviation_ppm=None if deviation_ppm is None else round(deviation_ppm, 1),
        bundle_digest=line.bundle.record.record_sha256,
        bundle_created=line.bundle.record.created,
    )


def round_rate(per_week: float | None) -> float | None:
    """A rate with three digits."""
    return None if per_week is None else float(f"{per_week:.3g}")


def _read(line: Line) -> Reading:
    return Reading(_scored_s(line), line.machine.last_score if line.sensor().state == "ok" else None)


def _scored_s(line: Line) -> float:
    return line.machine.n_samples_scored / line.sample_rate_hz


def resident_bytes() -> int:
    """Memory in use, as the kernel counts it."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
