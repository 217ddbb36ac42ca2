"""Estimates when samples sounded, from when their blocks arrived."""

from collections.abc import Callable
from dataclasses import replace

from aegan_monitor.clock import since_boot_s
from aegan_monitor.types import Block

EARLIER, LATER = 0.5, 0.001  # seconds a second of sound by which the estimate is corrected: a block may be late, but never early
AHEAD_S = 5.0  # more sound than the time that has passed comes from a file or a pipe, which no clock paces


class SoundClock:
    """Stamps blocks with the boot clock; belongs to the thread that captures.

    Within a stretch without gaps, stamps increase strictly with the samples, by at least half of their duration and by at most 0.1 %
    more than it, however irregularly blocks arrive. A gap begins a new estimate.
    """

    def __init__(self, sample_rate_hz: int, clock: Callable[[], float] = since_boot_s) -> None:
        self._rate_hz, self._clock = sample_rate_hz, clock
        self._next_sample: int | None = None
        self._ended_s: float | None = None  # None for a stretch that no clock paces

    def stamp(self, block: Block) -> Block:
        """The block with `began_s` and `ended_s`, or without where it came faster than it can have sounded."""
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
