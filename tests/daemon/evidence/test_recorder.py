"""What is cut out of the sound of a machine, and when."""

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aegan_monitor.evidence.recorder import AFTER_S, BEFORE_S, NORMAL_CLIP_S, NORMAL_EVERY_S, NormalClip, Recorder, Recording
from aegan_monitor.messages.payloads import Sensor
from aegan_monitor.types import Run
from evidence_writing import RATE_HZ, TIME, bundle, make_event, make_noise, make_score

HOP = 512
NOISE = make_noise(150.0)
SOUND = NOISE.astype(np.float32) / np.float32(32768)


def make_runs(start: int, stop: int, cuts: Iterable[int] = ()) -> list[Run]:
    """The samples `start` to `stop` as runs of a second at most, also cut at `cuts`."""
    places = sorted({start, stop, *range(start, stop, RATE_HZ), *(cut for cut in cuts if start < cut < stop)})
    return [Run(SOUND[left:right], left) for left, right in pairwise(places)]


def hear(recorder: Recorder, runs: Iterable[Run]) -> list[Recording]:
    """The recordings that samples end."""
    return [found for run in runs for found in recorder.hear(run, bundle())]


def record(raised_at: int, ended_at: int | None, stop: int, cuts: Sequence[int] = ()) -> list[Recording]:
    """All recordings of a stream with one alarm, which ends at `ended_at`."""
    recorder = Recorder("pump")
    found: list[Recording | NormalClip] = [*hear(recorder, make_runs(0, raised_at, cuts))]
    found += recorder.read(make_event(sample=raised_at))
    found += hear(recorder, make_runs(raised_at, ended_at or stop, cuts))
    if ended_at:
        found += recorder.read(make_event("cleared", sample=ended_at))
        found += hear(recorder, make_runs(ended_at, stop, cuts))
    return [each for each in found if isinstance(each, Recording)]


@pytest.mark.parametrize(("ended_s", "after_s"), [(None, AFTER_S), (12, 12.0)])
def test_a_recording_is_the_sound_around_its_alarm(ended_s: int | None, after_s: float) -> None:
    """45 s before it, and after it until the alarm ends, 60 s at most; first without what follows, then whole."""
    raised_at = 60 * RATE_HZ
    first, whole = record(raised_at, raised_at + ended_s * RATE_HZ if ended_s else None, 140 * RATE_HZ)
    before, after = round(BEFORE_S * RATE_HZ), round(after_s * RATE_HZ)
    assert (first.is_whole, whole.is_whole) == (False, True)
    assert first.alarm_at == whole.alarm_at == before
    assert np.array_equal(first.sound.pcm, NOISE[raised_at - before : raised_at])
    assert np.array_equal(whole.sound.pcm, NOISE[raised_at - before : raised_at + after])
    assert whole.sound.gaps == ()


def test_an_alarm_soon_after_the_start_has_what_was_heard() -> None:
    """There is less than 45 s of sound before it."""
    (first, _) = record(5 * RATE_HZ, None, 100 * RATE_HZ)
    assert (first.alarm_at, len(first.sound.pcm)) == (5 * RATE_HZ, 5 * RATE_HZ)


@settings(max_examples=30)
@given(cuts=st.lists(st.integers(1, 140 * RATE_HZ), max_size=20), raised_hops=st.integers(1, 1500), lasting_hops=st.integers(1, 2500))
def test_any_cut_of_the_sound_gives_the_same_recording(cuts: list[int], raised_hops: int, lasting_hops: int) -> None:
    """Runs of any length: only where the stretch begins and ends decides."""
    raised_at = raised_hops * HOP
    ended_at = raised_at + lasting_hops * HOP
    stop = max(ended_at, 140 * RATE_HZ)
    wanted = record(raised_at, ended_at, stop)
    found = record(raised_at, ended_at, stop, cuts)
    assert [each.alarm_at for each in found] == [each.alarm_at for each in wanted]
    for one, other in zip(found, wanted, strict=True):
        assert np.array_equal(one.sound.pcm, other.sound.pcm)


def test_a_decision_may_lie_before_the_end_of_what_was_heard() -> None:
    """Its event names the sample; the recording has 45 s before that sample all the same."""
    recorder = Recorder("pump")
    hear(recorder, make_runs(0, 80 * RATE_HZ))
    (first,) = recorder.read(make_event(sample=77 * RATE_HZ))
    assert isinstance(first, Recording)
    assert first.alarm_at == BEFORE_S * RATE_HZ
    assert np.array_equal(first.sound.pcm, NOISE[32 * RATE_HZ : 80 * RATE_HZ])


def test_a_gap_is_noted_at_its_place() -> None:
    """Sound is joined over lost samples; the place is where they are missing."""
    recorder = Recorder("pump")
    hear(recorder, make_runs(0, 10 * RATE_HZ))
    hear(recorder, make_runs(12 * RATE_HZ, 20 * RATE_HZ))
    (first,) = recorder.read(make_event(sample=20 * RATE_HZ))
    assert isinstance(first, Recording)
    assert first.sound.gaps == (10 * RATE_HZ,)
    assert first.alarm_at == len(first.sound.pcm) == 18 * RATE_HZ


def test_a_new_stream_begins_anew() -> None:
    """A reload with another capture counts samples from 0 again: nothing of the stream before is taken for it."""
    recorder = Recorder("pump")
    hear(recorder, make_runs(0, 30 * RATE_HZ))
    list(recorder.read(make_event(sample=30 * RATE_HZ)))
    (whole,) = hear(recorder, make_runs(0, 4 * RATE_HZ))
    assert len(whole.sound.pcm) == 30 * RATE_HZ
    (first,) = recorder.read(make_event(sample=4 * RATE_HZ))
    assert isinstance(first, Recording)
    assert np.array_equal(first.sound.pcm, NOISE[: 4 * RATE_HZ])


def test_a_fault_of_the_microphone_ends_a_recording() -> None:
    """What follows may be hours later."""
    recorder = Recorder("pump")
    hear(recorder, make_runs(0, 30 * RATE_HZ))
    list(recorder.read(make_event(sample=30 * RATE_HZ)))
    assert hear(recorder, make_runs(30 * RATE_HZ, 33 * RATE_HZ)) == []
    (whole,) = recorder.read(Sensor(state="missing", detail="", since=TIME))
    assert isinstance(whole, Recording)
    assert whole.is_whole
    assert len(whole.sound.pcm) == 33 * RATE_HZ
    assert list(recorder.finish()) == []


def test_memory_is_bounded_between_alarms() -> None:
    """Hours of normal sound keep no more than 55 seconds; an endless alarm no more than its recording."""
    recorder = Recorder("pump", keeps_normal=False)
    for start in range(0, 3600 * RATE_HZ, 4 * RATE_HZ):
        hear(recorder, [Run(SOUND[: 4 * RATE_HZ], start)])
    assert recorder.n_samples < 55 * RATE_HZ
    list(recorder.read(make_event(sample=3600 * RATE_HZ)))
    most = 0
    for start in range(3600 * RATE_HZ, 3900 * RATE_HZ, 4 * RATE_HZ):
        hear(recorder, [Run(SOUND[: 4 * RATE_HZ], start)])
        most = max(most, recorder.n_samples)
    assert most < 120 * RATE_HZ
    assert recorder.n_samples < 55 * RATE_HZ


def hear_normal(recorder: Recorder, seconds: int, score: float = 1.0, start_s: int = 0, **more: Any) -> list[NormalClip]:
    """The normal clips that are cut while the machine scores each second."""
    found: list[Recording | NormalClip] = []
    for second in range(start_s, start_s + seconds):
        place = second % 100
        found += recorder.hear(Run(SOUND[place * RATE_HZ : (place + 1) * RATE_HZ], second * RATE_HZ), bundle())
        found += recorder.read(make_score((second + 1) * RATE_HZ, score, **more))
    return [each for each in found if isinstance(each, NormalClip)]


def test_a_normal_clip_is_cut_once_an_hour() -> None:
    """The first as soon as there is enough sound, the next an hour of sound later."""
    found = hear_normal(Recorder("pump"), round(NORMAL_EVERY_S) + 30)
    length = min(bundle().record.first_decision_samples, round(NORMAL_CLIP_S * RATE_HZ))
    assert [len(each.sound.pcm) for each in found] == [length, length]
    end = found[0].score.sample
    assert np.array_equal(found[0].sound.pcm, NOISE[end - length : end])
    assert NORMAL_EVERY_S <= (found[1].score.sample - end) / RATE_HZ <= NORMAL_EVERY_S + 1


@pytest.mark.parametrize(
    "odd",
    [
        {"state": "pending"},
        {"exceeded": True},
        {"evidence": 0.5},
        {"clipped": True},
        {"in_grace": True},
        {"operating_state": "starting"},
        {"operating_state": "unknown"},
    ],
)
def test_what_is_not_plainly_normal_is_no_normal_clip(odd: dict[str, Any]) -> None:
    """A score message that says so keeps the clip from being cut."""
    assert hear_normal(Recorder("pump"), 30, **odd) == []


def test_a_normal_clip_has_no_gap() -> None:
    """A clip is cut where its sound is unbroken: a decision comes soon after a gap only where clips are short."""
    recorder = Recorder("pump")
    hear(recorder, make_runs(0, 5 * RATE_HZ))
    hear(recorder, make_runs(6 * RATE_HZ, 12 * RATE_HZ))
    assert list(recorder.read(make_score(12 * RATE_HZ))) == []
    hear(recorder, make_runs(12 * RATE_HZ, 17 * RATE_HZ))
    assert len(list(recorder.read(make_score(17 * RATE_HZ)))) == 1


def test_each_operating_state_has_its_normal_clip() -> None:
    """A machine is compared with itself under the same load."""
    recorder = Recorder("pump")
    found = hear_normal(recorder, 30, operating_state="running_1") + hear_normal(recorder, 30, start_s=30, operating_state="running_2")
    assert [each.score.operating_state for each in found] == ["running_1", "running_2"]


def test_a_normal_clip_scores_lowest_of_the_last_minutes() -> None:
    """One that scores higher than a clip that was heard shortly before is not kept."""
    recorder = Recorder("pump")
    assert hear_normal(recorder, 5, score=0.5) == []  # too short for a clip
    assert hear_normal(recorder, 30, score=0.9, start_s=5) == []
    assert len(hear_normal(recorder, 5, score=0.4, start_s=35)) == 1
