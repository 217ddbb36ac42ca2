"""The verdict on a recording: amount, level, and what to change."""

import numpy as np
import pytest

from aegan_monitor.audio.level import measure_level
from aegan_monitor.tools.record.advice import describe_amount, describe_level


@pytest.mark.parametrize(
    ("size", "offset", "words"),
    [
        (0.05, 0.0, r"level -23 dBFS (-37 to -12 is good): good"),
        (0.0005, 0.0, "too quiet: move the microphone closer, or raise the gain"),
        (0.3, 0.0, "lower the gain"),
        (0.9, 0.0, "2 of 2 clips are clipped: lower the gain"),
        (0.05, 0.1, "a DC offset of -20 dBFS takes room from the sound"),
    ],
)
def test_the_level_has_a_verdict_and_a_remedy(size: float, offset: float, words: str) -> None:
    """A level of -37 to -12 dBFS is good; quiet, loud, clipped and offset recordings give a remedy."""
    sound = np.random.default_rng(0).normal(offset, size, 10_000).clip(-1, 1).astype(np.float32)
    assert words in describe_level([measure_level(sound)] * 2)


def test_a_verdict_names_every_fault() -> None:
    """A verdict names every fault, also of a single clip."""
    good, loud = np.full(100, 0.05, np.float32), np.ones(100, np.float32)
    good[::2] *= -1
    loud[::2] *= -1
    assert "1 of 3 clips are clipped" in describe_level([measure_level(each) for each in (good, good, loud)])


@pytest.mark.parametrize(("duration_s", "is_trial"), [(80, True), (720, True), (3599, True), (3600, False), (90_000, False)])
def test_the_amount_says_what_it_cannot_prove(duration_s: float, is_trial: bool) -> None:
    """Less than an hour is called a trial."""
    words = describe_amount(duration_s)
    assert ("a trial, which cannot prove" in words) == is_trial
    assert "each load" in words
