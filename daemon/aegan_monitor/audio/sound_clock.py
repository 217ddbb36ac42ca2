"""Estimates the times at which samples sounded from the arrival of their blocks."""

from collections.abc import Callable
from dataclasses import replace

from aegan_monitor.clock import since_boot_s
from aegan_monitor.types import Block

EARLIER, LATER = 0.5, 0.001  # largest correction in seconds a second of sound: a block may be late, never early
AHEAD_S = 5.0  # a larger surplus of sound comes from a file or a pipe without a pace


class SoundClock:
    """Stamps blocks with the boot clock; used by the capturing thread.

    Between two gaps, stamps increase strictly with the samples, by at least half and at most 1.001 times their duration.
    A gap starts a new estimate.
    """

    def __init__(self, sample_rate_hz: int, clock: Callable[[], float] = since_boot_s) -> None:
        self._rate_hz, self._clock = sample_rate_hz, clock
        self._next_sample: int | None = None
        self._ended_s: float | None = None  # None for a stretch without a pace

    def stamp(self, block: Block) -> Block:
        """The block with `began_s` and `ended_s`; without them if it came faster than sound can."""
        now_s, duration_s = self._clock(), len(block.samples) / self._rate_hz
        is_new = block.overflowed or block.start_sample != self._next_sample
        self._next_sample = block.start_sample + len(block.samples)
        if is_new:
            began_s, self._ended_s = now_s - duration_s, now_s
        elif self._ended_s is None:
            return block
        else:
            began_s = self._ended_s
            error_s = now_s - began_s - duration_s
            self._ended_s = began_s + duration_s + min(max(error_s, -EARLIER * duration_s), LATER * duration_s)
        if self._ended_s > now_s + AHEAD_S:
            self._ended_s = None
            return block
        return replace(block, began_s=began_s, ended_s=self._ended_s)
