"""Cutting a stream into clips of one length, none of which spans a gap."""

from collections.abc import Iterator

import numpy as np

from aegan_monitor.types import FloatArray


class ClipCutter:
    """Joins samples until a clip is whole.

    Attributes:
        n_begun_samples: Samples of the clip that is not yet whole.
    """

    def __init__(self, clip_samples: int) -> None:
        self.n_begun_samples = 0
        self._clip_samples = clip_samples
        self._begun: list[FloatArray] = []

    def restart(self) -> int:
        """Discard the clip that is not yet whole, as after a gap; how many samples that were."""
        n_discarded, self.n_begun_samples, self._begun = self.n_begun_samples, 0, []
        return n_discarded

    def cut(self, samples: FloatArray) -> Iterator[FloatArray]:
        """The clips that `samples`, float32 `[n_samples]`, complete; float32 `[clip_samples]` each."""
        self._begun.append(samples)
        self.n_begun_samples += len(samples)
        if self.n_begun_samples < self._clip_samples:
            return
        joined = np.concatenate(self._begun)
        n_whole = self.n_begun_samples // self._clip_samples * self._clip_samples
        self._begun, self.n_begun_samples = [joined[n_whole:]], self.n_begun_samples - n_whole
        yield from joined[:n_whole].reshape(-1, self._clip_samples)
