"""Coreset of a reference set: a bounded number of vectors represents all clips, so the cost of a decision does not grow with them."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from aegan_monitor.types import DoubleArray, FloatArray

CHUNK_CLIPS = 4096  # projected at a time: 16 MB of float64 at 512 dimensions


def group_clips(vectors: Sequence[DoubleArray], projections: Sequence[DoubleArray], max_groups: int) -> NDArray[np.intp]:
    """The group of each clip, `[n_clips]`, numbered from 0: at most `max_groups` groups of clips that lie near each other.

    Each group forms around a centre. The first centre is the clip nearest to the mean, each next one the clip farthest from the
    centres before (farthest-first traversal, a 2-approximation of the k-centre problem), so that rare normal sound forms separate
    groups. A clip belongs to its nearest centre. This costs `max_groups` matrix-vector products with all clips, in float32.

    Args:
        vectors: The clips in each space, float64 `[n_clips, n]` each; distances are taken over all spaces together.
        projections: A matrix `[n, m]` for each, after which its distances are Euclidean; each space then gets the same total variance.
        max_groups: 1 or more; with no more clips than that, each clip forms a separate group.

    Source: T. Gonzalez, Clustering to minimize the maximum intercluster distance, 1985; as coreset of normal embeddings K. Roth et al.,
    Towards Total Recall in Industrial Anomaly Detection (PatchCore), 2022, section 3.2.
    """
    n_clips = len(vectors[0])
    groups = np.arange(n_clips)
    if n_clips <= max_groups:
        return groups
    points = _project(vectors, projections)
    half_squares = 0.5 * np.einsum("ij,ij->i", points, points)
    nearest = np.full(n_clips, np.inf, np.float32)  # half the squared distance to the nearest centre
    centre = int(np.argmin(half_squares))
    for group in range(max_groups):
        distances = half_squares - points @ points[centre] + half_squares[centre]
        distances[centre] = -np.inf  # no later centre takes this clip, and rounding does not make it a centre again
        is_nearer = distances < nearest
        groups[is_nearer], nearest[is_nearer] = group, distances[is_nearer]
        centre = int(np.argmax(nearest))
    return groups


def mean_of_groups(values: DoubleArray, groups: NDArray[np.intp]) -> DoubleArray:
    """The mean of `values` `[n_clips, ...]` in each group, `[n_groups, ...]`.

    The means average out properties of single recordings, which the centres themselves keep: 128 means reach the AUC of
    2,000 clips, and more than 1,000 centres would be needed (`tests/benchmarks/coreset.py`).
    """
    counts = np.bincount(groups)
    sums = np.zeros((len(counts), *values.shape[1:]))
    np.add.at(sums, groups, values)  # without a copy of `values`
    means: DoubleArray = sums / counts.reshape(-1, *[1] * (values.ndim - 1))
    return means


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
