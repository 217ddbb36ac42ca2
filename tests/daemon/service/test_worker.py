"""The worker: alarm records over runs and reloads, and the threads that it wakes."""

from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from aegan_monitor.audio.supervisor import SensorState
from aegan_monitor.config.broker import CommandsConfig
from aegan_monitor.messages.payloads import Event
from aegan_monitor.messages.topics import Topics
from aegan_monitor.mqtt.subscriptions import Received
from aegan_monitor.outbox.event_queue import Changes
from aegan_monitor.outbox.outbox import Outbox
from aegan_monitor.service.command_queue import CommandQueue
from aegan_monitor.service.worker import HELD_UP_S, Worker
from aegan_monitor.types import Block
from fakes import SilentListener
from outbox_messages import MemoryOutbox
from story import LOUD, make_line

if TYPE_CHECKING:
    from aegan_monitor.service.runtime import Line

TOPICS = Topics("aegan", "hall")
RATE_HZ = 16_000
NAMES = ("fan", "pump", "saw")
WANTED = st.sets(st.sampled_from(NAMES), min_size=1)


class Runs:
    """Successive runs of the daemon on one disk, without threads."""

    def __init__(self) -> None:
        self.alarms: dict[str, bytes] = {}  # on the disk
        self.wakes: list[None] = []
        self.events: list[tuple[str, Event]] = []
        self.lines: dict[str, Line] = {}
        self.commands = CommandQueue()

    def start(self, wanted: Iterable[str]) -> None:
        """Start a run; unwritten messages of the previous run are lost."""
        self.outbox, self.lines = Outbox(), {}
        self.outbox.notify = lambda: self.wakes.append(None)
        self.outbox.restore([], self.alarms)
        self.worker = Worker(TOPICS, self.outbox, self.commands, lambda: 0.0, lambda: 0.0)
        self.reload(set(wanted))

    def reload(self, wanted: set[str], replaced: Iterable[str] = (), basis: str = "basis") -> None:
        """Replace the machines as the monitor does."""
        stay = {name: line for name, line in self.lines.items() if name in wanted - set(replaced)}
        for name in sorted(self.lines.keys() - stay.keys()):
            self.worker.end(self.lines[name])
        self.worker.remove_departed(wanted)
        self.lines = stay | {name: make_line(name, basis) for name in wanted - stay.keys()}
        for name in sorted(wanted - stay.keys()):
            self.worker.begin(self.lines[name])
            self.worker.listen(self.lines[name])

    def hear(self, loud: Iterable[str]) -> None:
        """One decision of each machine."""
        for name, line in self.lines.items():
            line.ring.write(Block(np.full(1, LOUD if name in loud else -LOUD, np.float32), line.machine.n_samples_scored))
            self.worker.turn(line)

    def write(self) -> Changes:
        """Write event and record in one transaction, as the writer does."""
        changes = self.outbox.changes()
        self.outbox.written(changes)
        self.alarms = {**self.alarms, **changes.alarms}
        self.events += [(row.message.topic.split("/")[2], Event.model_validate_json(row.message.payload)) for row in changes.added]
        return changes


class AlarmsMachine(RuleBasedStateMachine):
    """What a subscriber receives over starts, reloads and kills at any time between two transactions."""

    def __init__(self) -> None:
        super().__init__()
        self.runs = Runs()
        self.n_read = 0
        self.open: set[str] = set()
        self.numbers = Counter[str]()

    @initialize(wanted=WANTED)
    def begin(self, wanted: set[str]) -> None:
        """The first start."""
        self.runs.start(wanted)

    def read(self) -> None:
        """Check that events alternate, have consecutive numbers, and reach the disk with their record."""
        self.runs.write()
        for name, event in self.runs.events[self.n_read :]:
            self.numbers[name] += 1
            assert event.sequence == self.numbers[name]
            assert (event.kind == "raised") == (name not in self.open)
            assert event.active == (event.kind == "raised")
            self.open ^= {name}
        self.n_read = len(self.runs.events)

    @rule(loud=WANTED, n=st.integers(1, 3))
    def hear(self, loud: set[str], n: int) -> None:
        """Make decisions, after which exactly the loud machines are in alarm."""
        for _ in range(n):
            self.runs.hear(loud)
            self.read()
        assert self.open == loud & self.runs.lines.keys()

    @rule(wanted=WANTED, replaced=st.sets(st.sampled_from(NAMES)))
    def reload(self, wanted: set[str], replaced: set[str]) -> None:
        """Reload: alarms continue, except those of removed machines."""
        before = set(self.open)
        self.runs.reload(wanted, replaced)
        n_before = self.n_read
        self.read()
        assert self.open == before & wanted
        assert {event.kind for _, event in self.runs.events[n_before:]} <= {"removed"}

    @rule(wanted=WANTED, loud=WANTED, is_written=st.booleans())
    def kill(self, wanted: set[str], loud: set[str], is_written: bool) -> None:
        """Kill: unwritten decisions were not sent, and the next start continues from the disk."""
        self.runs.hear(loud)
        if is_written:
            self.read()
        before = set(self.open)
        self.runs.start(wanted)
        self.read()
        assert self.open == before & wanted


TestAlarms = AlarmsMachine.TestCase
TestAlarms.settings = settings(max_examples=60, stateful_step_count=25)


def test_another_bundle_supersedes_the_alarm(caplog: pytest.LogCaptureFixture) -> None:
    """A reload to another bundle supersedes the alarm, numbering continues, and the log says so."""
    runs = Runs()
    runs.start({"pump"})
    runs.hear({"pump"})
    assert "have changed" not in caplog.text
    runs.reload({"pump"}, {"pump"}, basis="another")
    assert "pump: the bundle, the score or the alarm settings have changed since the last run" in caplog.text
    runs.write()
    assert [(event.kind, event.sequence) for _, event in runs.events] == [("raised", 1), ("superseded", 2)]


def test_a_stored_alarm_that_cannot_be_read_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """It may be damaged, or of a later version: the machine begins as normal, and the log says what is lost; otherwise it says nothing."""
    runs = Runs()
    runs.start({"fan", "pump"})
    runs.hear({"pump"})
    runs.write()
    runs.alarms["pump"] = runs.alarms["pump"].replace(b'"alarm"', b'"howling"')
    runs.start({"fan", "pump"})
    assert "pump: the stored state of its alarm cannot be read" in caplog.text
    assert "fan: " not in caplog.text


def test_what_left_a_run_ago_is_removed_at_the_start() -> None:
    """A machine removed before a start gets one `removed` event on its own topic, and none at later starts."""
    runs = Runs()
    runs.start({"fan", "pump"})
    runs.hear({"fan"})
    runs.write()
    for _ in range(2):
        runs.start({"pump"})
        runs.write()
    assert [(name, event.kind, event.active) for name, event in runs.events] == [("fan", "raised", True), ("fan", "removed", False)]


def test_only_news_wakes_the_outbox_threads() -> None:
    """A turn without news wakes no thread; a decision wakes them once."""
    runs = Runs()
    runs.start({"pump"})
    runs.hear(())
    runs.wakes.clear()
    for _ in range(20):
        runs.worker.turn(runs.lines["pump"])
        runs.worker.obey(runs.lines.values(), "")
    assert runs.wakes == []
    runs.hear(())
    assert runs.wakes == [None]


def test_sound_and_commands_wake_the_worker() -> None:
    """Sound and commands wake the worker from one wait."""
    runs = Runs()
    runs.commands.configure(CommandsConfig(), ["pump"])
    runs.start({"pump"})
    runs.worker.woken.clear()
    runs.lines["pump"].ring.write(Block(np.zeros(1, np.float32), 0))
    assert runs.worker.woken.is_set()
    runs.worker.woken.clear()
    runs.commands.hear(Received("aegan/hall/pump/command", b'{"command":"shelve"}', retained=False))
    assert runs.worker.woken.is_set()
    runs.worker.obey(runs.lines.values(), "")
    runs.write()
    assert [event.kind for _, event in runs.events] == ["shelved"]


TURNS = st.tuples(st.floats(0, 100), st.booleans(), st.sampled_from(NAMES), st.sampled_from(["decides", "fault", "nothing"]))


@given(st.lists(TURNS, max_size=30))
def test_the_watchdog_is_fed_while_each_machine_decides_or_reports_a_fault_in_time(turns: list[tuple[float, bool, str, str]]) -> None:
    """No machine counts for another, nor time in which the thread is held up; one that a reload has removed is not expected any more."""
    now_s = 0.0
    worker = Worker(TOPICS, MemoryOutbox(), CommandQueue(), lambda: now_s, lambda: 0.0)
    lines = {name: make_line(name) for name in NAMES[:2]}
    for line in lines.values():
        worker.begin(line)
        worker.listen(line)
    seen_s = dict.fromkeys(lines, 0.0)
    assert worker.is_alive()
    for wait_s, is_held_up, name, what in turns:
        for _ in range(0 if is_held_up else int(wait_s / HELD_UP_S)):
            now_s += HELD_UP_S
            worker.is_alive()
        rest_s = wait_s if is_held_up else wait_s % HELD_UP_S
        now_s += rest_s
        if name in lines:
            line = lines[name]
            if what == "decides":
                line.ring.write(Block(np.zeros(1, np.float32), line.machine.n_samples_scored))
            assert isinstance(line.supervisor, SilentListener)
            line.supervisor.present = SensorState("missing" if what == "fault" else "ok")
            worker.turn(line)
            seen_s[name] = now_s if what != "nothing" else seen_s[name]
        seen_s = {each: at_s + max(0.0, rest_s - HELD_UP_S) for each, at_s in seen_s.items()}
        late = [name for name, line in lines.items() if now_s - seen_s[name] > line.deadline_s]
        assert worker.is_alive() == (not late)
    for line in lines.values():
        worker.end(line)
    now_s += 1e6
    assert worker.is_alive()
