"""One machine's alarm without sound: the test gives each decision, and the published messages are kept."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import count

import numpy as np

from aegan_monitor.alarm.common_cause import CommonCause
from aegan_monitor.alarm.judge import Judge
from aegan_monitor.alarm.lifecycle import AlarmRecord, Transition, advance
from aegan_monitor.alarm.machine import Machine
from aegan_monitor.alarm.stored import dump_record, read_record
from aegan_monitor.audio.ring import Ring
from aegan_monitor.audio.supervisor import SensorState
from aegan_monitor.config.alarm import AlarmConfig
from aegan_monitor.config.model import MachineConfig
from aegan_monitor.detection.bundle import Bundle, demo_bundle, load_bundle
from aegan_monitor.detection.pipeline import Pipeline
from aegan_monitor.inference.onnx_runtime import OrtSession
from aegan_monitor.messages import payloads
from aegan_monitor.messages.command_payloads import Command, CommandName, Result
from aegan_monitor.messages.model import Payload
from aegan_monitor.service.runtime import Line
from aegan_monitor.types import ClipScore, FloatArray, Run
from fakes import SilentListener
from published import checked

NOW = datetime(2026, 1, 31, 8, 15, tzinfo=UTC)
HOP_SAMPLES, HOP_S = 16_384, 1.024
LOUD = 1e9  # no threshold is above it


@cache
def open_demo() -> Bundle:
    """The demo bundle."""
    return load_bundle(demo_bundle())


@dataclass(frozen=True)
class Delays:
    """Delays of a policy, in samples."""

    on_samples: int
    off_samples: int

    def has_elapsed(self, is_active: bool, delay_samples: int) -> bool:
        return delay_samples >= (self.off_samples if is_active else self.on_samples)

    def advance(self, record: AlarmRecord, exceeded: bool, heard_samples: int, time: datetime) -> list[Transition]:
        """Apply one decision."""
        return advance(record, exceeded, self.has_elapsed, heard_samples, time)


class SamplePipeline(Pipeline):
    """A pipeline in which each whole hop is a decision whose score is its first sample."""

    def __init__(self, score: str, hop_samples: int = HOP_SAMPLES) -> None:
        self._score_id, self._hop_samples = score, hop_samples
        self.reset()

    def reset(self, start_sample: int = 0) -> None:
        self._end_sample, self._rest = start_sample, np.zeros(0, np.float32)

    def push(self, samples: FloatArray) -> list[ClipScore]:
        known = np.concatenate([self._rest, samples])
        n_whole = len(known) - len(known) % self._hop_samples
        self._rest, found = known[n_whole:], []
        for score in known[: n_whole : self._hop_samples]:
            self._end_sample += self._hop_samples
            found.append(ClipScore(self._end_sample, {self._score_id: float(score)}, -20.0))
        return found


class Story:
    """An alarm with delays in hops and one decision a hop; `reported` holds the messages published since the last read."""

    def __init__(
        self,
        record: AlarmRecord | None = None,
        on_hops: float = 0,
        off_hops: float = 0,
        basis: str = "basis",
        *,
        latched: bool = False,
        recurrence_hops: float = 0,
        name: str = "",
        common: CommonCause | None = None,
    ) -> None:
        self.now_s, self._sample, self._delays, self._ids = 0.0, 0, (on_hops, off_hops), count()
        self._latched, self._recurrence_s, self._name, self._common = latched, recurrence_hops * HOP_S, name, common
        self.stored = dump_record(record or AlarmRecord())
        self.reported: list[Payload] = []
        self.start(basis)

    def start(self, basis: str = "basis", boot_s: float = 0.0, after_s: float = 0.0) -> None:
        """A start from the stored record, `after_s` later; the boot clock then shows `boot_s`."""
        bundle, on_off_s = open_demo(), [hops * HOP_S for hops in self._delays]
        judge = Judge(bundle.record, bundle.record.score, AlarmConfig(policy="threshold", on_delay_s=on_off_s[0], off_delay_s=on_off_s[1]))
        self.machine = Machine(
            self._name or "pump",
            SamplePipeline(bundle.record.score),
            judge,
            basis,
            lambda: f"{self._name}id-{next(self._ids)}",
            latched=self._latched,
            recurrence_s=self._recurrence_s,
        )
        self.now_s += after_s
        self.boot_s = boot_s - self.now_s
        self._sample = 0
        self._tell(self.machine.begin(self.time, self.clock_s, read_record(self.stored), self._common))

    @property
    def time(self) -> datetime:
        """The wall-clock time."""
        return NOW + timedelta(seconds=self.now_s)

    @property
    def clock_s(self) -> float:
        """The boot clock in seconds."""
        return self.now_s + self.boot_s

    @property
    def record(self) -> AlarmRecord:
        """The stored record, without the fields that each decision changes."""
        return replace(self.machine.record, score=0.0, threshold=0.0, measured_at=None, shelf_left_s=0.0, quiet_samples=0)

    def decide(self, *exceeded: bool, after_gap: bool = False) -> None:
        """Make decisions, with the worker's turn after each."""
        for each in exceeded:
            self._sample += 1_000_000 if after_gap else 0
            self.now_s += HOP_S
            run = Run(np.full(HOP_SAMPLES, LOUD if each else -LOUD, np.float32), self._sample, after_gap)
            self._sample += HOP_SAMPLES
            after_gap = False
            self._tell(self.machine.hear(run, self.time, self.clock_s))
            self.wait(0)

    def wait(self, after_s: float) -> None:
        """Let time pass without a decision."""
        self.now_s += after_s
        self._tell(self.machine.look(self.time, self.clock_s))

    def say(self, command: CommandName, **fields: float | str) -> str:
        """Send a command; returns the reason of a refusal."""
        found = self.machine.obey(Command.model_validate({"command": command, **fields}), self.time, self.clock_s)
        result = found[-1]
        assert isinstance(result, Result)
        self._tell(found[:-1])
        return result.reason

    def sense(self, state: str) -> None:
        """Set the sensor's state."""
        self._tell(self.machine.sense(SensorState(state), self.time))

    def events(self) -> list[payloads.Event]:
        """The events since the last call."""
        found, self.reported = [payload for payload in self.reported if isinstance(payload, payloads.Event)], []
        return found

    def kinds(self) -> list[str]:
        """The kinds of the events since the last call."""
        return [event.kind for event in self.events()]

    @property
    def state(self) -> payloads.Alarm:
        """The newest retained state."""
        return self._state

    def _tell(self, found: list[Payload]) -> None:
        for payload in checked(found):
            if isinstance(payload, payloads.Alarm):
                self._state = payload
        self.reported += found
        if (record := self.machine.take_record(self.clock_s)) is not None:
            self.stored = dump_record(record)
        events = [payload for payload in found if isinstance(payload, payloads.Event)]
        if events:  # an event goes before the state that names it, and the record knows its number
            assert (self._state.event_id, self._state.active) == (events[-1].id, events[-1].active)
            assert read_record(self.stored).sequence == events[-1].sequence


@cache
def open_session() -> OrtSession:
    """The session of the demo bundle, which is not used."""
    return OrtSession(open_demo())


def make_line(name: str, basis: str = "basis") -> Line:
    """A machine whose alarm follows each single sample."""
    bundle, ring = open_demo(), Ring(1, 1)
    judge = Judge(bundle.record, bundle.record.score, AlarmConfig(policy="threshold", on_delay_s=0.0, off_delay_s=0.0))
    machine = Machine(name, SamplePipeline(bundle.record.score, 1), judge, basis)
    listener = SilentListener(name, ring)
    return Line(machine, listener, ring, open_session(), 16_000, MachineConfig(name=name, bundle=demo_bundle()), bundle)
