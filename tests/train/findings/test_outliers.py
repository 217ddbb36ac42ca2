"""Outliers among the normal clips."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from aegan_monitor.types import DoubleArray
from aegan_train.bench.sound.sounds import RATE_HZ, draw_curve, make_harmonics, make_noise, measure_rms, scale_to, seconds
from aegan_train.findings.normal_sound import NormalSound
from aegan_train.findings.outliers import LEAST_WINDOWS, MAX_PRINTED, Outlier, describe_outliers, find_outliers
from synthetic import hear, make_machine

PLACE = 41
N_SAMPLES = 5 * RATE_HZ


def add_bang(samples: DoubleArray, rng: np.random.Generator) -> DoubleArray:
    """A bang of 0.2 s."""
    bang = rng.normal(size=RATE_HZ // 5) * np.exp(-seconds(RATE_HZ // 5) / 0.03)
    samples[50_000 : 50_000 + len(bang)] += 5 * measure_rms(samples) * bang
    return samples


def add_voice(samples: DoubleArray, rng: np.random.Generator) -> DoubleArray:
    """Four seconds of a voice: harmonics of a changing pitch, in syllables, as loud as the machine."""
    n = 4 * RATE_HZ
    pitch_hz = 140 * (1 + 0.2 * draw_curve(rng, n, 0.4))
    voice = make_harmonics(np.cumsum(pitch_hz) / RATE_HZ, np.arange(1, 20), 1 / np.sqrt(np.arange(1, 20)), rng.uniform(0, 6, 19))
    samples[10_000 : 10_000 + n] += scale_to(voice * np.maximum(0, np.sin(2 * np.pi * 4 * seconds(n))), measure_rms(samples))
    return samples


def add_whistle(samples: DoubleArray, _: np.random.Generator) -> DoubleArray:
    """A steady tone 10 dB below the machine."""
    return samples + scale_to(np.sin(2 * np.pi * 2700 * seconds(len(samples))), measure_rms(samples), -10)


@pytest.mark.parametrize("add", [add_bang, add_voice, add_whistle])
def test_one_strange_clip_in_a_hundred_is_listed(
    add: Callable[[DoubleArray, np.random.Generator], DoubleArray], steady: NormalSound
) -> None:
    """A bang, a voice or a tone in one clip of a hundred is listed first, with at most one other clip."""
    rng = np.random.default_rng(1)
    bands = [*steady.bands]
    bands[PLACE] = hear([add(make_machine(rng, n_samples=N_SAMPLES), rng)]).bands[0]
    found = find_outliers(replace(steady, bands=bands))
    assert found[0].path == steady.clips[PLACE].path
    assert len(found) <= 2


def test_a_clean_set_has_hardly_any_outliers(steady: NormalSound) -> None:
    """Of a hundred clips of a steady machine at most one is listed."""
    assert len(find_outliers(steady)) <= 1


def test_a_recording_is_compared_with_others_alone(steady: NormalSound) -> None:
    """Two strange clips of one recording do not excuse each other."""
    bands = [*steady.bands]
    rng = np.random.default_rng(2)
    bands[PLACE] = bands[PLACE + 1] = hear([add_whistle(make_machine(rng, n_samples=N_SAMPLES), rng)]).bands[0]
    assert steady.recordings[PLACE] == steady.recordings[PLACE + 1]
    assert {each.path for each in find_outliers(replace(steady, bands=bands))} >= {clip.path for clip in steady.clips[PLACE : PLACE + 2]}


def test_few_clips_have_no_outliers() -> None:
    """Too few clips have no usual spread, so nothing is listed; nor is it where all are of one recording."""
    rng = np.random.default_rng(3)
    clips = [make_machine(rng, n_samples=N_SAMPLES) for _ in range(LEAST_WINDOWS - 1)]
    assert find_outliers(hear([add_bang(clips[0], rng), *clips[1:]], 2)) == []
    assert find_outliers(hear([make_noise(rng, N_SAMPLES, np.zeros(8)) for _ in range(LEAST_WINDOWS)], LEAST_WINDOWS)) == []


def test_outliers_are_named_with_their_place() -> None:
    """At most MAX_PRINTED clips are named, with the place in a long file; the rest is counted."""
    outliers = [Outlier(Path(f"{number}.wav"), 69.4 if number == 0 else 0.0, 9.0) for number in range(MAX_PRINTED + 3)]
    lines = describe_outliers(outliers)
    assert lines[0].startswith("clips unlike the others: 13; maybe a fault or a passer-by was recorded: listen")
    assert lines[1:3] == ["  0.wav at 1:09: 9 deviations (usual: under 5)", "  1.wav: 9 deviations (usual: under 5)"]
    assert lines[-1] == "  and 3 more"
    assert describe_outliers([]) == ["clips unlike the others: none"]
