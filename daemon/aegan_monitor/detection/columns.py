"""The latest columns of a stream, in memory that is not copied at each step."""

import math

import numpy as np

from aegan_monitor.types import FloatArray

SPARE = 0.25  # of the columns that are kept: they are moved once in so many


class Columns:
    """A window of a stream of columns: new ones come at the end, old ones go at the beginning."""

    def __init__(self, n_rows: int) -> None:
        self._storage: FloatArray = np.zeros((n_rows, 0), np.float32)
        self._start = self._stop = 0

    def __len__(self) -> int:
        """Number of columns."""
        return self._stop - self._start

    @property
    def values(self) -> FloatArray:
        """The columns, float32 `[n_rows, n_columns]`: a view, which holds until the next `append`."""
        return self._storage[:, self._start : self._stop]

    def append(self, columns: FloatArray) -> None:
        """Add `columns`, float32 `[n_rows, n]`."""
        n_new, n_kept = columns.shape[1], len(self)
        if self._stop + n_new > self._storage.shape[1]:
            before, n_wanted = self.values, math.ceil((1 + SPARE) * (n_kept + n_new))
            if n_wanted > self._storage.shape[1]:
                self._storage = np.empty((len(before), n_wanted), np.float32)
            self._storage[:, :n_kept] = before
            self._start, self._stop = 0, n_kept
        self._storage[:, self._stop : self._stop + n_new] = columns
        self._stop += n_new

    def forget(self, n: int) -> None:
        """Remove the `n` oldest columns."""
        self._start += n
