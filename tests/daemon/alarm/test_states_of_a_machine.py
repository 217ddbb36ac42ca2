"""A machine with several loads, from its sound to its alarms: each load is compared with its own normal sound."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache

import numpy as np
import pytest

from aegan_monitor.alarm.judge import Judge
from aegan_monitor.alarm.machine import Machine
from aegan_monitor.config.alarm import AlarmConfig
from aegan_monitor.decision.sound.integrity import Integrity
from aegan_monitor.decision.sound.normal_states import NormalStates
from aegan_monitor.decision.sound.sound_bands import measure_bands
from aegan_monitor.decision.sound.states import StateTracker, Times
from aegan_monitor.detection.pipeline import Pipeline
from aegan_monitor.detection.record import BundleFields, NormalBlocks, NormalState
from aegan_monitor.messages.payloads import Event, Score
from aegan_monitor.types import ClipScore, DoubleArray, FloatArray, Run
from published import checked
from story import open_demo

NOW = datetime(2026, 1, 31, 8, 15, tzinfo=UTC)
RATE_HZ, FRAME = 1000, 32  # a frame is as long as at 16 kHz
HOP, CLIP = 32 * FRAME, 304 * FRAME
N_BLOCKS = 200  # of each state
GRACE_S = 20


@dataclass(frozen=True)
class Load:
    """What the machine does: its level, and by how much that varies."""

    name: str
    level_dbfs: float
    spread_db: float


OFF, QUIET, LOUD = Load("off", -60.0, 0.2), Load("running_1", -36.0, 0.2), Load("running_2", -24.0, 2.5)
STRANGE = Load("", -16.0, 0.2)
TONE_HZ = 300.0


def make_sound(load: Load, n_samples: int, rng: np.random.Generator, tone_db: float | None = None) -> FloatArray:
    """Noise whose level goes slowly up and down, and a tone so many dB below it."""
    knots = rng.normal(0, load.spread_db, n_samples // (5 * RATE_HZ) + 2)
    level_db = load.level_dbfs + np.interp(np.arange(n_samples), 5 * RATE_HZ * np.arange(len(knots)), knots)
    sound = rng.standard_normal(n_samples)
    if tone_db is not None:
        sound += np.sqrt(2) * 10 ** (tone_db / 20) * np.sin(2 * np.pi * TONE_HZ * np.arange(n_samples) / RATE_HZ)
    found: FloatArray = (10 ** (level_db / 20) / np.sqrt(2) * sound).astype(np.float32)
    return found


class BandPipeline(Pipeline):
    """A decision each hop, whose score is the distance of the clip's coarse bands from those of the nearest load."""

    def __init__(self, score: str, centres: DoubleArray) -> None:
        self._score_id, self._centres = score, centres
        self.reset()

    def reset(self, start_sample: int = 0) -> None:
        self._end_sample, self._rest, self._clip = start_sample, np.zeros(0, np.float32), np.zeros(0, np.float32)

    def push(self, samples: FloatArray) -> list[ClipScore]:
        known = np.concatenate([self._rest, samples])
        n_whole = len(known) - len(known) % HOP
        self._rest, found = known[n_whole:], []
        for hop in known[:n_whole].reshape(-1, HOP):
            self._end_sample += HOP
            self._clip = np.concatenate([self._clip, hop])[-CLIP:]
            if len(self._clip) == CLIP:
                found.append(ClipScore(self._end_sample, {self._score_id: self.measure(self._clip)}, -20.0))
        return found

    def measure(self, clip: FloatArray) -> float:
        """The score of a clip."""
        away_db = measure_bands(clip, RATE_HZ).bands_dbfs - self._centres
        return float(np.sqrt(np.mean(away_db**2, axis=1)).min())


@cache
def calibrate() -> tuple[BundleFields, BandPipeline]:
    """The record of a bundle that knows the three loads, and the pipeline that scores its sound."""
    rng, states, clips = np.random.default_rng(0), list[NormalState](), list[FloatArray]()
    for load in (OFF, QUIET, LOUD):
        clips.append(make_sound(load, N_BLOCKS * CLIP, rng).reshape(N_BLOCKS, CLIP))
        seconds = [measure_bands(second, RATE_HZ).as_array() for second in clips[-1].ravel()[: 300 * RATE_HZ].reshape(300, RATE_HZ)]
        ranges = np.quantile(seconds, [0.01, 0.5, 0.99], axis=0).T.tolist()
        states.append(NormalState(name=load.name, share=1 / 3, level_dbfs=ranges[0], bands_dbfs=ranges[1:]))
    record = open_demo().record
    pipeline = BandPipeline(record.score, np.array([state.bands_dbfs for state in states])[:, :, 1])
    blocks = NormalBlocks(n_clips=1, stretches=[[pipeline.measure(clip) for clip in each] for each in clips], states=[0, 1, 2])
    known = record.calibration["recorded"].model_copy(update={"blocks": blocks})
    features = replace(record.features, sample_rate_hz=RATE_HZ, hop_samples=FRAME, n_fft=4 * FRAME)
    update = {"calibration": {"recorded": known}, "features": features, "normal_sound": states}
    return record.model_copy(update=update), pipeline


class Listener:
    """A machine that hears sound; `has_states` says whether its blocks know their operating states."""

    def __init__(self, *, has_states: bool = True) -> None:
        fields, pipeline = calibrate()
        if not has_states:
            known = fields.calibration["recorded"]
            blocks = known.blocks and known.blocks.model_copy(update={"states": []})
            fields = fields.model_copy(update={"calibration": {"recorded": known.model_copy(update={"blocks": blocks})}})
        tracker = StateTracker(NormalStates(fields.normal_sound), RATE_HZ, Times(GRACE_S * RATE_HZ, CLIP))
        integrity = Integrity(RATE_HZ, fields.first_decision_samples, fields.normal_sound)
        own = BandPipeline(fields.score, pipeline._centres)
        self.machine = Machine("pump", own, Judge(fields, fields.score, AlarmConfig()), states=tracker, integrity=integrity)
        self.n_samples, self.rng = 0, np.random.default_rng(1)

    def hear(self, load: Load, seconds: int, tone_db: float | None = None) -> Iterable[Event | Score]:
        """What is published about so many seconds, as it comes."""
        sound = make_sound(load, seconds * RATE_HZ, self.rng, tone_db)
        for part in sound.reshape(-1, RATE_HZ):
            for payload in self.machine.hear(Run(part, self.n_samples, after_gap=False), NOW, 0.0):
                if isinstance(payload, Event):
                    checked([payload])
                if isinstance(payload, Event | Score):
                    yield payload
            self.n_samples += RATE_HZ


def find_alarm(listener: Listener, load: Load, seconds: int, tone_db: float | None = None) -> tuple[int, Event] | None:
    """The first alarm in this sound, and the seconds up to it."""
    start = listener.n_samples
    for payload in listener.hear(load, seconds, tone_db):
        if isinstance(payload, Event):
            return (listener.n_samples - start) // RATE_HZ, payload
    return None


@pytest.mark.parametrize("loads", [(OFF, LOUD), (QUIET, LOUD)])
def test_twenty_changes_raise_no_alarm(loads: tuple[Load, Load]) -> None:
    """A machine that is switched off and on twenty times, or changes its load, has no alarm and little evidence; a fault after it alarms.

    Single clips in which the change has just begun are far beyond normal sound, and are not known for that yet.
    """
    listener, lengths = Listener(), np.random.default_rng(2).integers(12, 30, 40).tolist()
    published = [payload for place, length in enumerate(lengths) for payload in listener.hear(loads[place % 2], length)]
    assert [payload for payload in published if isinstance(payload, Event)] == []
    scores = [payload for payload in published if isinstance(payload, Score)]
    assert max(score.evidence or 0 for score in scores) < 0.35
    assert sum(not score.in_grace for score in scores) > len(scores) / 4
    assert max(score.score for score in scores if not score.in_grace) > 4
    assert find_alarm(listener, loads[1], 300, tone_db=6.0)


def test_a_fault_of_a_quiet_load_is_not_hidden_by_a_loud_one() -> None:
    """A tone that changes the sound of the quiet load by less than the loud one varies: only with blocks of its own it is found."""
    own, all_together = Listener(), Listener(has_states=False)
    for each in (own, all_together):
        assert find_alarm(each, QUIET, 60) is None
    found = find_alarm(own, QUIET, 60, tone_db=-8.0)
    assert found
    assert "never recorded" not in found[1].cause
    assert find_alarm(all_together, QUIET, 400, tone_db=-8.0) is None


def test_sound_in_no_recorded_state_alarms_and_says_so() -> None:
    """A load that was never recorded is compared with all blocks; the cause begins with it, and the event has it as a field."""
    listener = Listener()
    assert find_alarm(listener, LOUD, 60) is None
    found = find_alarm(listener, STRANGE, 300, tone_db=0.0)  # another spectrum, too: a step of the level alone is a sensor fault
    assert found
    assert found[1].cause.startswith("runs in a state that was never recorded; no band stands out")
    assert found[1].explanation
    assert found[1].explanation.in_unknown_state
