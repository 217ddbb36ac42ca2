"""Spaces: normal vectors of one view after a linear map, and the distance of a clip from them.

One mechanism serves all distances, because only the arrays differ. Mahalanobis distance: one row, the mean, after a whitening map. Local
density: a row for each normal clip, each distance in units of how far that row's own neighbours are. Nearest windows: the same without it.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from aegan_monitor.types import DoubleArray, FloatArray

N_NEAREST = 2
LASTING_PART = 0.2  # AUC within 0.01 from 0.15 to 0.25
POOL = 0.9  # quantile over the vectors of a clip: one tenth of the windows suffices


@dataclass(frozen=True)
class Space:
    """Normal vectors of one view.

    Attributes:
        centre: float32 `[n]`, subtracted first.
        transform: float32 `[n, k]`, the linear map; `[n]` for one that only scales each dimension, then k = n.
        rows: float32 `[n_rows, k]`, normal vectors after the map.
        density: float32 `[n_rows]`, unit of the distance to each row.
        residual: float32 `[n]`, weight of each dimension in the part that the map leaves out; all 0 to ignore that part.
    """

    centre: FloatArray
    transform: FloatArray
    rows: FloatArray
    density: FloatArray
    residual: FloatArray

    @cached_property
    def _squares(self) -> FloatArray:
        found: FloatArray = np.einsum("ij,ij->i", self.rows, self.rows)
        return found

    @cached_property
    def _units(self) -> FloatArray:
        return self.density**2

    def distances(self, vectors: DoubleArray | FloatArray) -> DoubleArray:
        """Mean distance of each of `vectors` `[m, n]` to the N_NEAREST rows, `[m]`."""
        centred = (vectors - self.centre).astype(np.float32)
        points = centred * self.transform if self.transform.ndim == 1 else centred @ self.transform
        outside = centred * self.residual
        squares = np.einsum("ij,ij->i", points, points)
        left_out = np.maximum(0, np.einsum("ij,ij->i", outside, outside) - squares)[:, None]
        apart = squares[:, None] + self._squares  # in place from here on: it is the largest array of a decision
        apart -= 2 * points @ self.rows.T
        np.maximum(0, apart, out=apart)
        apart += left_out
        apart /= self._units
        found: DoubleArray = np.sqrt(take_smallest(apart, min(N_NEAREST, len(self.rows)))).mean(axis=1, dtype=np.float64)
        return found

    def measure(self, vectors: DoubleArray | FloatArray) -> float:
        """The distance of a clip: a quantile over its vectors `[m, n]`."""
        found = self.distances(vectors)
        return float(np.quantile(found, POOL) if len(found) > 1 else found[0])

    def excess(self, vectors: DoubleArray | FloatArray) -> DoubleArray:
        """By how much the distance of each piece of a clip `[m, n]` exceeds 1, the median distance of normal pieces, `[m]`."""
        return np.maximum(0.0, self.distances(vectors) - 1)

    def lasting_share(self, vectors: DoubleArray | FloatArray) -> float:
        """The lasting share of the pieces of a clip `[m, n]` (`find_lasting_share`)."""
        return find_lasting_share(self.excess(vectors))


def take_smallest(values: FloatArray, n: int) -> FloatArray:
    """The `n` smallest of each row of `values` `[m, n_values]`, ascending, `[m, n]`; infinity takes their places."""
    rows, found = np.arange(len(values)), np.empty((len(values), n), values.dtype)
    for column in range(n):  # for so few, several times as fast as a partition
        places = values.argmin(axis=1)
        found[:, column] = values[rows, places]
        values[rows, places] = np.inf
    return found


def find_lasting_share(excess: DoubleArray) -> float:
    """The share of the pieces of a clip that are more than LASTING_PART as unlike normal sound as the most unlike piece.

    `excess` `[m]` is that of `Space.excess`. A bang gives a small share, what lasts a large one, loud or faint; where no piece is unlike
    normal sound, the share is 0.
    """
    return round(float(np.mean(excess > LASTING_PART * excess.max())), 3)
