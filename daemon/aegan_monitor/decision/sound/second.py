"""One second of sound: level, coarse bands, and signs of a broken path from the microphone."""

import math
from dataclasses import dataclass

import numpy as np

from aegan_monitor.decision.sound.sound_bands import SoundBands, measure_bands
from aegan_monitor.types import FULL_SCALE, FloatArray

DROP_OUT_S = 0.008  # repeated samples for so long: sound does not stand still so long, and a lost buffer is longer
QUIETEST_DBFS = -60.0  # below this level, 16 bits alone make samples repeat


@dataclass(frozen=True, slots=True)
class Second:
    """What is measured of one second of sound.

    Attributes:
        dc: Mean of the samples; full scale is 1.
        n_clipped: Samples at full scale.
        constant: The value of all samples, None if they differ.
        has_drop_out: For DROP_OUT_S or longer all samples repeat, inside sound.
    """

    bands: SoundBands
    dc: float
    n_clipped: int
    constant: float | None
    has_drop_out: bool


def measure_second(samples: FloatArray, sample_rate_hz: int) -> Second:
    """Measure float32 `[n_samples]`, a second of sound."""
    bands = measure_bands(samples, sample_rate_hz)
    low, high = float(samples.min()), float(samples.max())
    return Second(
        bands=bands,
        dc=float(samples.mean(dtype=np.float64)),
        n_clipped=int(np.count_nonzero(np.abs(samples) >= FULL_SCALE)),
        constant=low if low == high else None,
        has_drop_out=bands.level_dbfs > QUIETEST_DBFS and _has_repeat(samples, math.ceil(DROP_OUT_S * sample_rate_hz)),
    )


def _has_repeat(samples: FloatArray, n: int) -> bool:
    """Whether `n` samples (2 or more) in a row repeat one value: then so does a pair at a multiple of n - 1, which is found soon."""
    repeats = samples[: -1 : n - 1] == samples[1 :: n - 1]
    return bool(repeats.any()) and _find_longest_repeat(samples) >= n


def _find_longest_repeat(samples: FloatArray) -> int:
    """Samples in the longest stretch of equal ones; the largest and the smallest value do not count, because clipped sound repeats them."""
    starts = np.concatenate([[0], np.flatnonzero(np.diff(samples)) + 1])
    lengths = np.diff(np.append(starts, len(samples)))
    inside = (samples[starts] > samples.min()) & (samples[starts] < samples.max())
    return int(lengths[inside].max(initial=0))
