"""How long the stretches without a gap are: where none is as long as a clip, a machine is heard but never judged."""

from aegan_monitor.types import Block

MANY_GAPS = 2
PATIENCE_CLIPS = 2.0  # so long without one whole clip is no accident


class Stretches:
    """Of one opening of a capture; belongs to its thread."""

    def __init__(self, clip_samples: int) -> None:
        """Store how many samples a decision needs; 0 for who needs no clips."""
        self._clip_samples = clip_samples
        self._n_gaps = 0
        self._whole_until: int | None = None  # end of the last stretch of a clip or more, else where all began
        self._start_sample = self._next_sample = 0

    def add(self, block: Block) -> bool:
        """Take notice of a block; whether gaps come so often that nothing can be judged."""
        if self._whole_until is None:
            self._whole_until = self._start_sample = block.start_sample
        elif block.overflowed or block.start_sample != self._next_sample:
            self._n_gaps += 1
            self._start_sample = block.start_sample
        self._next_sample = block.start_sample + len(block.samples)
        if self._next_sample - self._start_sample >= self._clip_samples:
            self._n_gaps, self._whole_until = 0, self._next_sample
        return self._n_gaps >= MANY_GAPS and self._next_sample - self._whole_until > PATIENCE_CLIPS * self._clip_samples
