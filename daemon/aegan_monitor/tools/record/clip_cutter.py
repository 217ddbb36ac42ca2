"""Cuts a stream into clips of one length, none of which spans a gap."""

from collections.abc import Iterator

import numpy as np

from aegan_monitor.types import FloatArray, Run


class ClipCutter:
    """Runs in, clips out.

    Attributes:
        thrown_samples_total: Samples of begun clips that a gap ended.
        n_gaps: Gaps so far.
    """

    def __init__(self, clip_samples: int) -> None:
        self.thrown_samples_total = 0
        self.n_gaps = 0
        self._clip_samples = clip_samples
        self._begun: list[FloatArray] = []
        self._n_begun = 0

    @property
    def n_begun_samples(self) -> int:
        """Samples of the clip that is not yet whole."""
        return self._n_begun

    def cut(self, run: Run) -> Iterator[FloatArray]:
        """The clips that `run` completes, float32 `[clip_samples]`; what a gap cut off is thrown away."""
        if run.after_gap:
            self.n_gaps += 1
            self.thrown_samples_total += self._n_begun
            self._begun, self._n_begun = [], 0
        self._begun.append(run.samples)
        self._n_begun += len(run.samples)
        if self._n_begun < self._clip_samples:
            return
        samples = np.concatenate(self._begun)
        n_whole = self._n_begun // self._clip_samples * self._clip_samples
        self._begun, self._n_begun = [samples[n_whole:]], self._n_begun - n_whole
        yield from samples[:n_whole].reshape(-1, self._clip_samples)
