"""Fits the spaces of the reference set (`aegan_monitor.detection.spaces`) on normal clips."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from sklearn.covariance import ledoit_wolf_shrinkage, shrunk_covariance
from sklearn.neighbors import NearestNeighbors

from aegan_monitor.detection.scores import EMBEDDING_SPACES, SPACE_VIEWS
from aegan_monitor.detection.spaces import Space
from aegan_monitor.detection.views import VIEWS, BandSummary, View
from aegan_monitor.types import DoubleArray
from aegan_train.calibration.coreset import group_clips, mean_of_groups

LEAST_STD_DB = 0.3  # floor for a band that hardly moves, so that its noise is not amplified
LEAST_SHRINKAGE = 1e-3
LEAST_VARIANCE = 1e-9  # of standardised vectors, among equal ones
N_NEIGHBOURS = 4  # of a row, for its density
LEAST_DENSITY = 1e-3  # standard deviations, among equal rows
N_COMPONENTS = 48  # of windows
MAX_WINDOWS = 2000  # kept as rows
MAX_FITTED_WINDOWS = 20_000  # that the components are fitted on


def fit_spaces(bands: Sequence[BandSummary], max_rows: int | None) -> dict[str, Space]:
    """The space of each score in SPACE_VIEWS, with at most `max_rows` rows where a row is a clip."""
    return {name: FITS.get(name.rpartition("_")[2], fit_nearest)(bands, VIEWS[view], max_rows) for name, view in SPACE_VIEWS.items()}


def fit_maha(bands: Sequence[BandSummary], view: View, _: int | None) -> Space:
    """Distance to the mean under the shrunk covariance of standardised vectors (O. Ledoit, M. Wolf, 2004).

    The shrinkage is at least LEAST_SHRINKAGE: for two clips, or equal ones, the method's own is 0, and nothing could be inverted.
    """
    vectors = np.concatenate([view(each) for each in bands])
    std = np.maximum(vectors.std(axis=0), LEAST_STD_DB)
    standardised = (vectors - vectors.mean(axis=0)) / std
    shrinkage = max(LEAST_SHRINKAGE, ledoit_wolf_shrinkage(standardised, assume_centered=True))
    covariance = shrunk_covariance(standardised.T @ standardised / len(standardised), shrinkage) + LEAST_VARIANCE * np.eye(len(std))
    whitening = np.linalg.cholesky(np.linalg.inv(covariance)) / std[:, None]
    return make_space(vectors.mean(axis=0), whitening, np.zeros((1, len(std))), np.ones(1))


def fit_density(bands: Sequence[BandSummary], view: View, max_rows: int | None) -> Space:
    """Distance to the nearest rows, each in units of the distance from that row to its own neighbours.

    Source: K. Wilkinghoff et al., Local density-based anomaly score normalization for domain generalization, 2025.
    """
    return measure_density(fit_nearest(bands, view, max_rows))


def measure_density(space: Space) -> Space:
    """The space with the mean distance of each row to its neighbours as unit of the distance to that row."""
    neighbours = NearestNeighbors(n_neighbors=min(N_NEIGHBOURS, len(space.rows) - 1)).fit(space.rows)
    density = neighbours.kneighbors()[0].mean(axis=1)  # a row is no neighbour of its own
    return replace(space, density=np.maximum(density, LEAST_DENSITY).astype(np.float32))


def fit_embedding_spaces(rows: DoubleArray, std: DoubleArray, near: DoubleArray) -> dict[str, Space]:
    """The spaces of EMBEDDING_SPACES: distances to the nearest rows as `D_euclidean` and `D_near`, in units of the local density.

    Args:
        rows: Mean embeddings of normal clips, `[n_rows, n_embedding]`.
        std: Standard deviation of each dimension, `[n_embedding]`.
        near: The map of `D_near`, `[n_embedding, n_embedding]`.
    """
    centre = rows.mean(axis=0)
    flat = make_space(centre, 1 / std, (rows - centre) / std, np.ones(len(rows)))
    compensated = make_space(centre, near, (rows - centre) @ near, np.ones(len(rows)))
    return dict(zip(EMBEDDING_SPACES, map(measure_density, (flat, compensated)), strict=True))


def fit_nearest(bands: Sequence[BandSummary], view: View, max_rows: int | None) -> Space:
    """Distance to the nearest rows, each dimension in standard deviations; a row is the mean of clips that lie near each other."""
    vectors = np.concatenate([view(each) for each in bands])
    std = np.maximum(vectors.std(axis=0), LEAST_STD_DB)
    standardised = (vectors - vectors.mean(axis=0)) / std
    groups = group_clips([standardised], [np.eye(len(std))], max_rows or len(vectors))
    return make_space(vectors.mean(axis=0), 1 / std, mean_of_groups(standardised, groups), np.ones(groups.max() + 1))


def fit_moments(bands: Sequence[BandSummary], view: View, _: int | None) -> Space:
    """Distance to the nearest windows in their principal components, and the length of what these leave out."""
    rng = np.random.default_rng(0)
    all_windows = np.concatenate([view(each)[:: max(1, len(bands) // 200)] for each in bands])
    windows = all_windows[rng.permutation(len(all_windows))[:MAX_FITTED_WINDOWS]]
    n_groups = len(bands[0].groups)
    std = windows.reshape(len(windows), n_groups, -1).std(axis=(0, 2)) + LEAST_STD_DB
    weights = np.repeat(1 / std, windows.shape[1] // n_groups)
    centre = windows.mean(axis=0)
    standardised = (windows - centre) * weights
    components = np.linalg.eigh(standardised.T @ standardised)[1][:, -N_COMPONENTS:]
    rows = standardised[:MAX_WINDOWS] @ components
    return make_space(centre, weights[:, None] * components, rows, np.ones(len(rows)), weights)


FITS: dict[str, Callable[[Sequence[BandSummary], View, int | None], Space]] = {  # by the last word of a score's name
    "maha": fit_maha,
    "density": fit_density,
    "moments": fit_moments,
}


def make_space(
    centre: DoubleArray, transform: DoubleArray, rows: DoubleArray, density: DoubleArray, residual: DoubleArray | None = None
) -> Space:
    """A space in float32."""
    residual = np.zeros(len(centre)) if residual is None else residual
    return Space(*(np.asarray(each, np.float32) for each in (centre, transform, rows, density, residual)))
