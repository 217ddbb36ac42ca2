"""The coreset of a reference set: few clips that lie near all clips, so that a decision costs the same whatever was recorded."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from aegan_monitor.types import DoubleArray, FloatArray

CHUNK_CLIPS = 4096  # projected at a time: 16 MB of float64 at 512 dimensions


def choose_clips(vectors: Sequence[DoubleArray], projections: Sequence[DoubleArray], n_chosen: int) -> NDArray[np.intp]:
    """Indices, ascending, of at most `n_chosen` clips such that the largest distance from a clip to its nearest chosen one is small.

    The first is the clip nearest to the mean. Each next one is the clip farthest from those chosen before (farthest-first traversal,
    a 2-approximation of the k-centre problem). Costs `n_chosen` matrix-vector products with all clips, in float32.

    Args:
        vectors: What distances are measured in, float64 `[n_clips, n]` each; all spaces together decide.
        projections: A matrix `[n, m]` for each, after which its distances are Euclidean; each space then gets the same total variance.
        n_chosen: 1 or more; if there are no more clips than that, all are chosen.

    Source: T. Gonzalez, Clustering to minimize the maximum intercluster distance, 1985. Coreset of normal embeddings: K. Roth et al.,
    Towards Total Recall in Industrial Anomaly Detection (PatchCore), 2022, section 3.2.
    """
    n_clips = len(vectors[0])
    if n_clips <= n_chosen:
        return np.arange(n_clips)
    points = _project(vectors, projections)
    half_squares = 0.5 * np.einsum("ij,ij->i", points, points)
    chosen = [int(np.argmin(half_squares))]
    nearest = np.full(n_clips, np.inf, np.float32)  # half the squared distance to the nearest chosen clip
    while len(chosen) < n_chosen:
        last = chosen[-1]
        np.minimum(nearest, half_squares - points @ points[last] + half_squares[last], out=nearest)
        nearest[last] = -np.inf  # rounding never chooses it again
        chosen.append(int(np.argmax(nearest)))
    return np.sort(chosen)


def _project(vectors: Sequence[DoubleArray], projections: Sequence[DoubleArray]) -> FloatArray:
    """The clips in all spaces side by side, float32 `[n_clips, sum of m]`, each space with mean 0 and total variance 1."""
    points = np.empty((len(vectors[0]), sum(projection.shape[1] for projection in projections)), np.float32)
    start = 0
    for space, projection in zip(vectors, projections, strict=True):
        part = points[:, start : start + projection.shape[1]]
        mean = space.mean(axis=0)
        for first in range(0, len(space), CHUNK_CLIPS):
            rows = slice(first, first + CHUNK_CLIPS)
            part[rows] = (space[rows] - mean) @ projection
        part /= max(float(np.sqrt(np.einsum("ij,ij->", part, part, dtype=np.float64) / len(part))), np.finfo(np.float32).tiny)
        start += projection.shape[1]
    return points
