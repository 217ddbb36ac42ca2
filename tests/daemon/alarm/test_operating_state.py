"""The operating state of a machine in what it publishes, and as a command."""

from datetime import UTC, datetime

import numpy as np

from aegan_monitor.alarm.judge import Judge
from aegan_monitor.alarm.machine import NO_STATES, Machine
from aegan_monitor.config.alarm import AlarmConfig
from aegan_monitor.decision.sound.normal_states import NormalStates
from aegan_monitor.decision.sound.states import StateTracker, Times
from aegan_monitor.detection.record import NormalState
from aegan_monitor.messages.command_payloads import Command, Result
from aegan_monitor.messages.model import Payload
from aegan_monitor.messages.payloads import Event, Score
from aegan_monitor.types import Run
from published import checked
from story import HOP_SAMPLES, SamplePipeline, open_demo

NOW = datetime(2026, 1, 31, 8, 15, tzinfo=UTC)
RATE_HZ, HOP, STANDSTILL_S = 16_000, HOP_SAMPLES, 60
OFF_DBFS, RUNNING_DBFS = -60.0, -20.0


def make_tracker() -> StateTracker:
    """A machine that is off or runs."""
    states = [
        NormalState(name=name, share=0.5, level_dbfs=[level - 2, level, level + 2], bands_dbfs=[[level - 30, level - 10, level]] * 8)
        for name, level in (("off", OFF_DBFS), ("running", RUNNING_DBFS))
    ]
    return StateTracker(NormalStates(states), RATE_HZ, Times(20 * RATE_HZ, 10 * RATE_HZ, STANDSTILL_S * RATE_HZ))


def make_machine(tracker: StateTracker | None = None, *, has_states: bool = True) -> Machine:
    """A machine without a network, with its states."""
    record = open_demo().record
    judge = Judge(record, record.score, AlarmConfig(policy="threshold", on_delay_s=2.0, off_delay_s=2.0))
    return Machine("pump", SamplePipeline(record.score), judge, states=tracker or make_tracker() if has_states else None)


def publish(machine: Machine, level_dbfs: float, start_hop: int, n_hops: int, n_joined: int = 1) -> list[Payload]:
    """What is published about noise of this level, of which each run has `n_joined` hops."""
    rng = np.random.default_rng(start_hop)
    sound = (10 ** (level_dbfs / 20) / np.sqrt(2) * rng.standard_normal(n_hops * HOP)).astype(np.float32)
    places = range(0, len(sound), n_joined * HOP)
    runs = [Run(sound[place : place + n_joined * HOP], start_hop * HOP + place, after_gap=False) for place in places]
    return [payload for run in runs for payload in checked(machine.hear(run, NOW, 0.0))]


def hear(machine: Machine, level_dbfs: float, start_hop: int, n_hops: int, n_joined: int = 1) -> list[str | None]:
    """The operating state of each decision about it."""
    found = publish(machine, level_dbfs, start_hop, n_hops, n_joined)
    return [payload.operating_state for payload in found if isinstance(payload, Score)]


def test_each_score_has_the_state_of_its_own_time() -> None:
    """A decision carries the state at its last sample, however long the run of samples is."""
    small, large = make_machine(), make_machine()
    found = [hear(small, OFF_DBFS, 0, 32) + hear(small, RUNNING_DBFS, 32, 32)]
    found += [hear(large, OFF_DBFS, 0, 32, 4) + hear(large, RUNNING_DBFS, 32, 32, 4)]
    assert found[0] == found[1]
    assert [name for place, name in enumerate(found[0]) if name != found[0][place - 1]] == ["unknown", "off", "starting", "running"]


def test_a_state_that_was_said_is_answered_and_published() -> None:
    """The command `state` is accepted for a known state, and refused with the known ones for another."""
    machine = make_machine()
    assert hear(machine, OFF_DBFS, 0, 8)[-1] == "off"
    [answer] = checked(machine.obey(Command(command="state", value="running", id="7"), NOW, 0.0))
    assert isinstance(answer, Result)
    assert (answer.command, answer.id, answer.accepted) == ("state", "7", True)
    assert set(hear(machine, OFF_DBFS, 8, 8)[1:]) == {"running"}
    [refused] = checked(machine.obey(Command(command="state", value="idle"), NOW, 0.0))
    assert isinstance(refused, Result)
    assert refused.reason == "no operating state idle; there are: off, running"
    machine.obey(Command(command="state"), NOW, 0.0)
    assert hear(machine, OFF_DBFS, 16, 8)[-1] == "off"


def test_a_machine_that_stands_still_for_too_long_is_an_alarm() -> None:
    """The alarm comes after the standstill time, says why, and clears when the machine runs again."""
    machine = make_machine()
    published = publish(machine, OFF_DBFS, 0, 96) + publish(machine, RUNNING_DBFS, 96, 32)
    raised, cleared = [payload for payload in published if isinstance(payload, Event)]
    assert (raised.kind, cleared.kind) == ("raised", "cleared")
    assert STANDSTILL_S <= raised.sample / RATE_HZ < STANDSTILL_S + 3
    assert raised.cause == "the machine has been off for longer than operating_state.standstill_alarm_s"
    assert 96 < cleared.sample / HOP < 102


def test_a_bundle_without_states_has_none() -> None:
    """Without operating states the score has null, and the command is refused."""
    machine = make_machine(has_states=False)
    assert set(hear(machine, OFF_DBFS, 0, 4)) == {None}
    [answer] = checked(machine.obey(Command(command="state", value="off"), NOW, 0.0))
    assert isinstance(answer, Result)
    assert answer.reason == NO_STATES


def test_sound_on_both_sides_of_a_gap_makes_no_state() -> None:
    """Three seconds of a running machine, a gap and two more do not agree; a state that follows has begun after the gap."""
    tracker = make_tracker()
    machine = make_machine(tracker)
    hear(machine, OFF_DBFS, 0, 32)
    hear(machine, RUNNING_DBFS, 32, 3)
    before = tracker.now.index
    rng, start = np.random.default_rng(1), 3600 * RATE_HZ
    sound = (10 ** (RUNNING_DBFS / 20) / np.sqrt(2) * rng.standard_normal(12 * RATE_HZ)).astype(np.float32)
    machine.hear(Run(sound[: 2 * RATE_HZ], start, after_gap=True), NOW, 0.0)
    assert tracker.now.index == before
    machine.hear(Run(sound[2 * RATE_HZ :], start + 2 * RATE_HZ, after_gap=False), NOW, 0.0)
    assert (tracker.now.name, tracker.now.since_sample) == ("running", start)
