"""Fits the spaces of the reference set (`aegan_monitor.detection.spaces`) on normal clips."""

from collections.abc import Callable, Sequence

import numpy as np
from sklearn.covariance import LedoitWolf

from aegan_monitor.detection.scores import SPACE_VIEWS
from aegan_monitor.detection.spaces import Space
from aegan_monitor.detection.views import VIEWS, BandSummary, View
from aegan_monitor.types import DoubleArray, FloatArray
from aegan_train.calibration.coreset import group_clips, mean_of_groups

LEAST_STD_DB = 0.3  # floor for a band that hardly moves, so that its noise is not amplified
Vectors = DoubleArray | FloatArray
N_NEIGHBOURS = 4  # of a row, for its density
LEAST_DENSITY = 1e-3  # standard deviations, among equal rows
N_COMPONENTS = 48  # of windows
MAX_WINDOWS = 2000  # kept as rows
MAX_FITTED_WINDOWS = 20_000  # that the components are fitted on


def fit_spaces(bands: Sequence[BandSummary], max_rows: int | None) -> dict[str, Space]:
    """The space of each score in SPACE_VIEWS, with at most `max_rows` rows where a row is a clip."""
    return {name: FITS.get(name.rpartition("_")[2], fit_nearest)(bands, VIEWS[view], max_rows) for name, view in SPACE_VIEWS.items()}


def fit_maha(bands: Sequence[BandSummary], view: View, _: int | None) -> Space:
    """Distance to the mean under the shrunk covariance of standardised vectors (O. Ledoit, M. Wolf, 2004)."""
    vectors = np.concatenate([view(each) for each in bands])
    std = np.maximum(vectors.std(axis=0), LEAST_STD_DB)
    covariance = LedoitWolf(assume_centered=True).fit((vectors - vectors.mean(axis=0)) / std)
    whitening = np.linalg.cholesky(covariance.precision_) / std[:, None]
    return make_space(vectors.mean(axis=0), whitening, np.zeros((1, len(std))), np.ones(1))


def fit_density(bands: Sequence[BandSummary], view: View, max_rows: int | None) -> Space:
    """Distance to the nearest rows, each in units of the distance from that row to its own neighbours.

    Source: K. Wilkinghoff et al., Local density-based anomaly score normalization for domain generalization, 2025.
    """
    found = fit_nearest(bands, view, max_rows)
    apart = np.linalg.norm(found.rows[:, None] - found.rows[None], axis=2)
    np.fill_diagonal(apart, np.inf)
    n = min(N_NEIGHBOURS, len(apart) - 1)
    density = np.sort(apart, axis=1)[:, :n].mean(axis=1)
    return make_space(found.centre, found.transform, found.rows, np.maximum(density, LEAST_DENSITY))


def fit_nearest(bands: Sequence[BandSummary], view: View, max_rows: int | None) -> Space:
    """Distance to the nearest rows, each dimension in standard deviations; a row is the mean of clips that lie near each other."""
    vectors = np.concatenate([view(each) for each in bands])
    std = np.maximum(vectors.std(axis=0), LEAST_STD_DB)
    standardised = (vectors - vectors.mean(axis=0)) / std
    groups = group_clips([standardised], [np.eye(len(std))], max_rows or len(vectors))
    return make_space(vectors.mean(axis=0), np.diag(1 / std), mean_of_groups(standardised, groups), np.ones(groups.max() + 1))


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


def make_space(centre: Vectors, transform: Vectors, rows: Vectors, density: Vectors, residual: Vectors | None = None) -> Space:
    """A space in float32."""
    residual = np.zeros(len(centre)) if residual is None else residual
    return Space(*(np.asarray(each, np.float32) for each in (centre, transform, rows, density, residual)))
