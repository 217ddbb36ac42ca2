"""Detects a stuck channel, with only zeros or one value; the last bit of a quiet channel still changes."""

import numpy as np

from aegan_monitor.errors import CaptureError
from aegan_monitor.types import FloatArray

STUCK_S = 1.0


class StuckSignalDetector:
    """Passes samples on, but holds back unchanging ones until the channel changes; unchanging samples at the start are dropped."""

    def __init__(self, sample_rate_hz: int, *, alive: bool = False) -> None:
        self.alive = alive
        self._sample_rate_hz = sample_rate_hz
        self._held: list[FloatArray] = []
        self._n_stuck = self._n_alive = 0
        self._value: float | None = None  # of the last sample

    @property
    def stuck_s(self) -> float:
        """Seconds since the last change."""
        return self._n_stuck / self._sample_rate_hz

    @property
    def alive_s(self) -> float:
        """Seconds for which the channel has changed at least every STUCK_S."""
        return self._n_alive / self._sample_rate_hz

    def push(self, samples: FloatArray) -> list[FloatArray]:
        """Usable samples, oldest first; float32 `[n_samples]` each."""
        if len(samples) == 0:
            return []
        before = samples[:1] if self._value is None else np.array([self._value], np.float32)
        changes = np.flatnonzero(np.diff(samples, prepend=before))
        self._value = float(samples[-1])
        self._n_alive += len(samples)
        if len(changes) == 0:
            self._hold(samples)
            return []
        first, end = (0 if self.alive else changes[0]), changes[-1] + 1
        released = [*self._held, samples[first:end]]
        self._held, self._n_stuck, self.alive = [], 0, True
        self._hold(samples[end:])
        return released

    def _hold(self, samples: FloatArray) -> None:
        self._n_stuck += len(samples)
        self.alive = self.alive and self.stuck_s < STUCK_S
        if not self.alive:
            self._n_alive = 0
        self._held = [*self._held, samples] if self.alive else []

    def error(self, name: str) -> CaptureError:
        """The fault of the device `name`."""
        what, remedy, fault = "zeros", "unmute it, or choose another channel", "silent"
        if self._value:
            what, remedy, fault = f"the value {self._value:.3g}", "check its cable", "constant"
        return CaptureError(f"{name}: expected sound, found only {what} for {STUCK_S:g} s; {remedy}", fault)
