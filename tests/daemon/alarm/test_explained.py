"""From sound to an event that says what changed: the demo's pump, whose bearing begins to ring at two resonances."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from aegan_monitor.alarm.judge import Judge
from aegan_monitor.alarm.machine import Machine
from aegan_monitor.config.alarm import AlarmConfig
from aegan_monitor.demo.pump import Pump
from aegan_monitor.detection.pipeline import Pipeline
from aegan_monitor.messages.payloads import Event
from aegan_monitor.types import Run
from fakes import ArithmeticSession
from published import checked
from story import open_demo

RATE_HZ, FAULT_S, LONG_S = 16_000, 20, 36
SCORE = "C_linear_euclidean"  # without a network
NOW = datetime(2026, 1, 31, 8, 15, tzinfo=UTC)
RESONANCES_HZ = (2900, 4700)


@pytest.fixture(scope="module")
def events() -> list[Event]:
    """The events of a pump that is normal, faulty and normal again."""
    fields, reference = open_demo().record, open_demo().reference
    judge = Judge(fields, SCORE, AlarmConfig(on_delay_s=3.0, off_delay_s=3.0), reference=reference)
    machine = Machine("pump", Pipeline(fields, reference, ArithmeticSession(), [SCORE]), judge)
    machine.begin(NOW, 0.0, machine.record)
    sound = np.concatenate([Pump(21, RATE_HZ, FAULT_S).read(LONG_S * RATE_HZ), Pump(21).read(16 * RATE_HZ)])
    published = []
    for start in range(0, len(sound), RATE_HZ):
        time = NOW + timedelta(seconds=start / RATE_HZ)
        published += machine.hear(Run(sound[start : start + RATE_HZ], start), time, 0.0)
    return [payload for payload in checked(published) if isinstance(payload, Event)]


def test_a_raised_alarm_says_what_changed_and_since_when(events: list[Event]) -> None:
    """The event names both resonances, louder than ever, lasting from about the beginning of the fault; the sentence says the same."""
    raised = events[0]
    found = raised.explanation
    assert found is not None
    for resonance_hz in RESONANCES_HZ:
        assert any(change.from_hz < resonance_hz < change.to_hz and change.difference_db > 0 for change in found.changes), resonance_hz
    first = found.changes[0]
    assert first.is_unheard
    assert f"kHz louder than ever, by {first.difference_db:.0f} dB, {first.deviations:.0f} times the usual deviation" in raised.cause
    assert found.since is not None
    assert FAULT_S - 1 <= (found.since - NOW).total_seconds() <= FAULT_S + 4
    assert raised.cause.endswith("; since 08:15 UTC")
    assert (found.unlike, found.kind) == (SCORE, "lasting")


def test_a_cleared_alarm_says_that_the_sound_is_normal_again(events: list[Event]) -> None:
    """The end by decisions explains nothing."""
    assert [event.kind for event in events] == ["raised", "cleared"]
    assert (events[1].cause, events[1].explanation) == ("the sound is normal again", None)
