"""Resamples sound while it is read."""

from collections.abc import Callable

import numpy as np
import soxr

from aegan_monitor.types import FloatArray

BLOCK_S = 1


class ResampledSound:
    """Sound at another rate than that of its source. Any sizes of reads give the same samples."""

    def __init__(self, read: Callable[[int], FloatArray], source_rate_hz: int, sample_rate_hz: int) -> None:
        """Store the parameters.

        Args:
            read: Gives the next samples of the source, float32 `[n]`; fewer than it was called for only at the end.
            source_rate_hz, sample_rate_hz: Rate of the source, and rate of the result.
        """
        self._read, self._n_at_once = read, BLOCK_S * source_rate_hz
        self._resampler = soxr.ResampleStream(source_rate_hz, sample_rate_hz, 1)
        self._held: FloatArray = np.zeros(0, np.float32)
        self._has_ended = False

    def read(self, n_samples: int) -> FloatArray:
        """The next samples, float32 `[n]`; fewer than `n_samples` only at the end. Raises what the source raises."""
        parts = [self._held]
        n_left = n_samples - len(self._held)
        while n_left > 0 and not self._has_ended:
            samples = self._read(self._n_at_once)
            self._has_ended = len(samples) < self._n_at_once
            parts.append(self._resampler.resample_chunk(samples, self._has_ended))
            n_left -= len(parts[-1])
        found = np.concatenate(parts)
        self._held = found[n_samples:]
        return found[:n_samples]


def count_resampled(n_samples: int, source_rate_hz: int, sample_rate_hz: int) -> int:
    """The number of samples that `ResampledSound` gives for `n_samples` of its source."""
    return (2 * n_samples * sample_rate_hz + source_rate_hz) // (2 * source_rate_hz)
