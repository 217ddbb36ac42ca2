"""Tells a dead channel (only zeros, or any one value) from a quiet one, whose last bit still moves."""

import numpy as np

from aegan_monitor.errors import CaptureError
from aegan_monitor.types import FloatArray

FLAT_S = 1.0
FAULTS = frozenset({"silent", "constant"})


class FlatWatch:
    """Lets samples through, but holds back what does not move: it goes on when the channel moves again, and never when it does not.

    What is flat at the very beginning is dropped: nobody knows yet whether the channel lives.
    """

    def __init__(self, sample_rate_hz: int, *, alive: bool = False) -> None:
        self.alive = alive
        self._sample_rate_hz = sample_rate_hz
        self._held: list[FloatArray] = []
        self._n_flat = self._n_living = 0
        self._value: float | None = None  # of the last sample

    @property
    def flat_s(self) -> float:
        """For how long it has not moved."""
        return self._n_flat / self._sample_rate_hz

    @property
    def living_s(self) -> float:
        """For how long it has lived: moved again and again, with less than FLAT_S between."""
        return self._n_living / self._sample_rate_hz

    def push(self, samples: FloatArray) -> list[FloatArray]:
        """What may go on, oldest first; float32 `[n_samples]` each."""
        if len(samples) == 0:
            return []
        before = samples[:1] if self._value is None else np.array([self._value], np.float32)
        changes = np.flatnonzero(np.diff(samples, prepend=before))
        self._value = float(samples[-1])
        self._n_living += len(samples)
        if len(changes) == 0:
            self._hold(samples)
            return []
        first, end = (0 if self.alive else changes[0]), changes[-1] + 1
        released = [*self._held, samples[first:end]]
        self._held, self._n_flat, self.alive = [], 0, True
        self._hold(samples[end:])
        return released

    def _hold(self, samples: FloatArray) -> None:
        self._n_flat += len(samples)
        self.alive = self.alive and self.flat_s < FLAT_S
        if not self.alive:
            self._n_living = 0
        self._held = [*self._held, samples] if self.alive else []

    def error(self, name: str) -> CaptureError:
        """What it is, for people and for the sensor topic."""
        if not self._value:
            return CaptureError(f"{name}: expected sound, found only zeros for {FLAT_S:g} s; is it muted, or the wrong channel?", "silent")
        return CaptureError(f"{name}: expected sound, found only the value {self._value:.3g} for {FLAT_S:g} s; check its cable", "constant")
