"""Thousands of random histories of a node: sound, commands, kills, reboots, reloads, settings. What a subscriber sees stays consistent."""

import random
from dataclasses import replace
from datetime import timedelta
from itertools import count
from typing import get_args

import numpy as np
import pytest

from aegan_monitor.alarm.common_cause import CommonCause
from aegan_monitor.alarm.events import remove
from aegan_monitor.alarm.judge import Judge
from aegan_monitor.alarm.lifecycle import AlarmRecord
from aegan_monitor.alarm.machine import Machine
from aegan_monitor.alarm.stored import dump_record, read_record
from aegan_monitor.config.alarm import AlarmConfig
from aegan_monitor.messages.case import Verdict
from aegan_monitor.messages.command_payloads import Command, CommandName, Result
from aegan_monitor.messages.model import Payload
from aegan_monitor.messages.payloads import Alarm, Event, EventKind, IsaState
from aegan_monitor.types import Run
from chaos import IS_FULL
from story import HOP_S, HOP_SAMPLES, LOUD, NOW, SamplePipeline, open_demo

N_HISTORIES = 10_000 if IS_FULL else 200
N_STEPS = 30
COMMANDS: tuple[CommandName, ...] = get_args(CommandName)
ENDS: tuple[EventKind, ...] = ("cleared", "acknowledged", "closed", "superseded", "removed")  # if no alarm is active after it
VERDICTS: tuple[Verdict, ...] = get_args(Verdict)


class History:
    """One machine, its store, and a subscriber that checks all that it receives."""

    def __init__(self, name: str, chance: random.Random, common: CommonCause, opened: set[str]) -> None:
        self.name, self.chance, self.opened = name, chance, opened
        self.stored = dump_record(AlarmRecord())
        self.now_s, self._ids = 0.0, count()
        self.events: list[Event] = []
        self.open_case: str | None = None
        self.state: Alarm | None = None
        self.isa_states: set[IsaState] = set()
        self.start(common)

    def start(self, common: CommonCause, basis: str = "basis") -> None:
        """A start after a kill at any moment, from what is stored, with other settings at times."""
        bundle = open_demo()
        on_s, off_s = HOP_S * self.chance.choice([0, 2]), HOP_S * self.chance.choice([0, 2])
        judge = Judge(bundle.record, bundle.record.score, AlarmConfig(policy="threshold", on_delay_s=on_s, off_delay_s=off_s))
        self.machine = Machine(
            self.name,
            SamplePipeline(bundle.record.score),
            judge,
            basis,
            lambda: f"{self.name}-{next(self._ids)}",
            latched=self.chance.random() < 0.5,
            recurrence_s=HOP_S * self.chance.choice([0, 3, 10]),
        )
        self.sample = 0
        before = read_record(self.stored)
        self._receive(self.machine.begin(NOW + timedelta(seconds=self.now_s), self.now_s, before, common))
        if basis == before.basis:
            kept = replace(self.machine.record, latched=before.latched, since=before.since)
            assert kept == before, "a start has changed the record"

    def decide(self, loud: bool) -> None:
        """One decision, at times after a gap."""
        self.now_s += HOP_S
        after_gap = self.chance.random() < 0.05
        self.sample += 1_000_000 * after_gap
        run = Run(np.full(HOP_SAMPLES, LOUD if loud else -LOUD, np.float32), self.sample, after_gap)
        self.sample += HOP_SAMPLES
        self._receive(self.machine.hear(run, NOW + timedelta(seconds=self.now_s), self.now_s))

    def wait(self, after_s: float) -> None:
        """A time without sound, in which a shelf may end."""
        self.now_s += after_s
        self._receive(self.machine.look(NOW + timedelta(seconds=self.now_s), self.now_s))

    def command(self, number: int) -> None:
        """A command, for any alarm or for one, which may be an old one: it is answered, last."""
        name, fields = self.chance.choice(COMMANDS), dict[str, object]()
        if name == "shelve":
            fields["duration_s"] = self.chance.choice([1.0, 10.0, 1000.0])
        if name in ("acknowledge", "close"):
            fields["verdict"] = self.chance.choice([None, *VERDICTS])
            fields["event_id"] = self.chance.choice([None, *(event.id for event in self.events[-3:])])
        command = Command.model_validate({"command": name, "id": str(number), **fields})
        *found, result = self.machine.obey(command, NOW + timedelta(seconds=self.now_s), self.now_s)
        assert isinstance(result, Result)
        assert (result.id, result.command) == (str(number), name)
        assert result.accepted or not found
        self._receive(found)

    def leave(self) -> None:
        """The machine leaves the configuration, and nothing stays open."""
        record, events = remove(self.machine.record, NOW, lambda: f"{self.name}-{next(self._ids)}")
        self.stored = dump_record(record)
        for event in events:
            self._hear_event(event)
        assert self.open_case is None

    def _receive(self, found: list[Payload]) -> None:
        """Store, then check what goes out, in its order."""
        assert not [each for each in found if isinstance(each, Result)]
        if (record := self.machine.take_record(self.now_s)) is not None:
            self.stored = dump_record(record)
        for payload in found:
            if isinstance(payload, Event):
                self._hear_event(payload)
            if isinstance(payload, Alarm):
                self.state = payload
                self._hear_state(payload)
        assert self.state is not None
        assert self.state.active == self.machine.record.active, "the state changed without a message"

    def _hear_event(self, event: Event) -> None:
        assert event.sequence == len(self.events) + 1, "a hole in the sequence"
        self.events.append(event)
        if event.kind == "raised":
            assert event.active
            assert event.case is not None
            assert self.open_case in (None, event.case.id), "two open cases"
            assert event.case.common or event.case.recurrences or event.case.id == event.id
            self.open_case = event.case.id
            self.opened.add(event.case.id)
        if event.active:
            assert event.case is not None
            assert event.case.id == self.open_case, "an active alarm without its `raised`"
            assert event.case.id in self.opened
        elif event.kind in ENDS:
            self.open_case = None

    def _hear_state(self, state: Alarm) -> None:
        last, case = self.events[-1] if self.events else None, state.case.id if state.case else None
        assert state.event_id == (last.id if last else None)
        assert state.active == (last.active if last else False), "an active alarm without an event"
        may_end = state.isa_state in ("shelved", "out_of_service")  # in silence
        assert case == self.open_case or (may_end and case is None), "the state has another case"
        self.open_case = case
        self.isa_states.add(state.isa_state)


def live(seed: int) -> tuple[list[Event], set[IsaState]]:
    """The events of one history of two machines, and the states that they had."""
    chance, opened = random.Random(seed), set[str]()
    common = CommonCause(chance.choice([0.0, 5.0]))
    machines = [History(name, chance, common, opened) for name in ("fan", "pump")]
    loud = {machine.name: False for machine in machines}
    for number in range(N_STEPS):
        machine = chance.choice(machines)
        step = chance.random()
        if step < 0.5:
            loud[machine.name] ^= chance.random() < 0.6
            for _ in range(chance.randint(1, 4)):
                machine.decide(loud[machine.name])
        elif step < 0.75:
            machine.command(number)
        elif step < 0.83:
            machine.wait(chance.choice([0.5, 20.0, 2000.0]))
        elif step < 0.96:
            common = CommonCause(common.window_s)  # a kill takes both machines
            for each in machines:
                each.start(common)
        else:
            machine.start(common, basis=chance.choice(["basis", "another"]))
    for machine in machines:
        machine.leave()
    return [event for machine in machines for event in machine.events], set.union(*(machine.isa_states for machine in machines))


@pytest.mark.timeout(1800)
def test_any_history_is_consistent() -> None:
    """Never two open cases for one machine, never an active alarm without an event, each command is answered, no number is missing."""
    events, states = list[Event](), set[IsaState]()
    for seed in range(N_HISTORIES):
        try:
            lived = live(seed)
        except AssertionError as error:
            raise AssertionError(f"seed {seed}: {error}") from error
        events += lived[0]
        states |= lived[1]
    assert states == set(get_args(IsaState))
    assert {event.kind for event in events} == set(get_args(EventKind))
    cases = [event.case for event in events if event.kind == "raised" and event.case]
    assert sum(case.recurrences > 0 for case in cases) > N_HISTORIES / 10
    assert sum(case.common for case in cases) > N_HISTORIES / 50
