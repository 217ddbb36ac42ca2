"""What is told of each machine's alarm, whenever its machine begins and ends, and whenever the disk tells what an earlier run left."""

import math
from collections import Counter
from collections.abc import Callable, Iterable
from functools import cache
from typing import Literal, get_args

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from aegan_monitor.alarm.machine import Judge, Machine
from aegan_monitor.audio.ring import Ring
from aegan_monitor.audio.supervisor import Listener
from aegan_monitor.config.model import AlarmConfig, MachineConfig, MonitorConfig
from aegan_monitor.detection.bundle import Bundle, demo_bundle, load_bundle
from aegan_monitor.detection.network import OrtSession
from aegan_monitor.detection.pipeline import Pipeline
from aegan_monitor.messages.payloads import Event
from aegan_monitor.messages.topics import Message, Topics
from aegan_monitor.outbox.outbox import Outbox
from aegan_monitor.service.command_queue import Inbox
from aegan_monitor.service.runtime import Line
from aegan_monitor.service.worker import Worker
from aegan_monitor.types import Block, ClipScore, FloatArray
from fakes import ScriptedCapture

TOPICS = Topics("aegan", "hall")
NAMES = ("fan", "pump", "saw")
WANTED = st.sets(st.sampled_from(NAMES), min_size=1)
Disk = Literal["early", "soon", "late"]
DISK: st.SearchStrategy[Disk] = st.sampled_from(get_args(Disk))
LOUD = 1e9  # no threshold is above it


class SamplePipeline(Pipeline):
    """Each sample is a clip, and its own score."""

    def __init__(self, score: str) -> None:
        self._score_id, self._n_heard = score, 0

    def push(self, samples: FloatArray) -> list[ClipScore]:
        self._n_heard += len(samples)
        return [ClipScore(self._n_heard, {self._score_id: float(sample)}, -20.0) for sample in samples]


class SilentListener(Listener):
    """It hears nothing: the test fills the ring."""

    def start(self) -> None:
        """No thread."""


@cache
def open_bundle() -> tuple[Bundle, OrtSession]:
    """The demo's."""
    bundle = load_bundle(demo_bundle())
    return bundle, OrtSession(bundle)


def make_line(name: str) -> Line:
    """A machine whose alarm comes and goes with a single sample."""
    (bundle, session), ring = open_bundle(), Ring(1, 1)
    judge = Judge(bundle.record, bundle.record.score, AlarmConfig(on_delay_s=0.0, off_delay_s=0.0))
    machine = Machine(name, SamplePipeline(bundle.record.score), judge)
    listener = SilentListener(name, ScriptedCapture([]), ring, live=False, waits=False, no_data_s=math.inf, retry_s=1.0)
    return Line(machine, listener, ring, session, 16_000, MachineConfig(name=name, bundle=demo_bundle()), bundle)


def configure(names: Iterable[str]) -> MonitorConfig:
    """A daemon for these."""
    return MonitorConfig.model_validate({"node": "hall", "machines": [{"name": name, "bundle": "b"} for name in names]})


class HeardOutbox(Outbox):
    """Tells what is put, before it is."""

    def __init__(self, hear: Callable[[Message], None]) -> None:
        super().__init__(durable=True)
        self._hear = hear

    def put(self, message: Message) -> None:
        """As ever."""
        self._hear(message)
        super().put(message)


class AlarmMachine(RuleBasedStateMachine):
    """Runs of the daemon on one disk, which answers before a run begins, at some time later, or not at all.

    What was told from memory while the disk gave no answer is known to no later run; all else is.
    """

    def __init__(self) -> None:
        super().__init__()
        self.disk: dict[str, bytes] = {}
        self.stored: tuple[set[str], Counter[str]] = (set(), Counter())  # what follows of it: alarms that have not ended, last numbers
        self.own: set[str] = set()  # whose alarm of this run is active
        self.old: set[str] = set()  # whose alarm of an earlier run has not ended
        self.numbers = Counter[str]()  # of their last events, as far as their machines know

    @initialize(wanted=WANTED, disk=DISK)
    def start(self, wanted: set[str], disk: Disk) -> None:
        """A start; what an earlier run has left active, it ends."""
        self.own, self.old, self.numbers = set(), set(self.stored[0]), Counter()
        self.outbox, self.lines = HeardOutbox(self.hear), dict[str, Line]()
        self.worker = Worker(TOPICS, self.outbox, Inbox(), lambda: 0.0, lambda: 0.0)
        self.is_answered, self.answers_soon, self.learned = False, disk == "soon", set[str]()
        if disk == "early":
            self.answer()
        self.learn(NAMES)
        self.worker.recall(configure(wanted), [])
        self.reload(wanted, set())
        assert not (disk == "early" and self.old)

    def hear(self, message: Message) -> None:
        """Each event ends or begins what it says, and is numbered without a hole."""
        if message.kind == "event":
            event, name = Event.model_validate_json(message.payload), message.topic.split("/")[2]
            self.numbers[name] += 1
            assert event.sequence == self.numbers[name]
            if event.kind == "raised":
                assert name not in self.own
                self.own.add(name)
            else:
                ended = {name} & (self.own | (self.old & self.learned))
                assert ended
                self.own -= ended
                self.old -= ended & self.learned
        if self.answers_soon:
            self.answer()

    def learn(self, names: Iterable[str]) -> None:
        """The worker is about to ask what was last of these."""
        if self.is_answered:
            self.learned.update(names)
            self.numbers |= Counter({name: self.stored[1][name] for name in names})

    @precondition(lambda self: not self.is_answered)
    @rule()
    def answer(self) -> None:
        """The disk tells what it holds."""
        self.is_answered, self.answers_soon = True, False
        self.outbox.restore([], dict(self.disk))

    @precondition(lambda self: not self.is_answered)
    @rule()
    def answer_soon(self) -> None:
        """It does so as something is told next: after the worker has asked what was last, and before it tells all that follows."""
        self.answers_soon = True

    @rule(loud=WANTED)
    def turn(self, loud: set[str]) -> None:
        """One turn of the worker; afterwards no alarm of an earlier run is left, but where one of this run goes on in its place."""
        self.learn(NAMES)
        self.worker.recall(configure(self.lines), self.lines.values())
        if self.is_answered:
            self.old -= self.own
            assert not self.old
        for name, line in self.lines.items():
            line.ring.write(Block(np.full(1, LOUD if name in loud else -LOUD, np.float32), line.machine.n_samples_scored))
            self.worker.turn(line, 0.0)
        assert self.own == loud & self.lines.keys()

    @rule(wanted=WANTED, replaced=st.sets(st.sampled_from(NAMES)))
    def reload(self, wanted: set[str], replaced: set[str]) -> None:
        """Machines go, come and change."""
        stay = {name: line for name, line in self.lines.items() if name in wanted - replaced}
        for name in sorted(self.lines.keys() - stay.keys()):
            self.learn({name})
            self.worker.end(self.lines[name])
        assert self.own <= stay.keys()
        self.lines = stay | {name: make_line(name) for name in wanted - stay.keys()}
        for name in sorted(wanted - stay.keys()):
            self.learn({name})
            self.worker.begin(self.lines[name])
            self.worker.listen(self.lines[name])

    @precondition(lambda self: self.is_answered)
    @rule()
    def write(self) -> None:
        """The journal is made as the outbox is."""
        self.disk = self.outbox.everything()[1]
        self.stored = (self.old | self.own, self.numbers | self.stored[1])

    @rule(wanted=WANTED, disk=DISK, killed=st.booleans())
    def restart(self, wanted: set[str], disk: Disk, killed: bool) -> None:
        """Another run: of what a kill left unwritten nothing had gone out."""
        if self.is_answered and not killed:
            self.write()
        self.start(wanted, disk)


TestAlarms = AlarmMachine.TestCase
TestAlarms.settings = settings(max_examples=60, stateful_step_count=25)


@pytest.mark.parametrize("disk", ["soon", "late"])
@pytest.mark.parametrize(
    ("before", "after", "replaced"),
    [("fan", "pump", set()), ("pump", "fan", set()), ("fan", "fan", {"fan"}), ("fan", "fan", set())],
    ids=["removed", "added", "replaced", "untouched"],
)
def test_a_disk_answers_and_a_reload_comes_in_one_turn(before: str, after: str, replaced: set[str], disk: Disk) -> None:
    """The alarm that an earlier run has left is told to have ended once, by whoever asks first."""
    runs = AlarmMachine()
    runs.start({"fan"}, "early")
    runs.turn({"fan"})
    runs.restart({before}, disk, killed=False)
    if disk == "late":
        runs.answer()
    runs.reload({after}, replaced)
    runs.turn(set())
