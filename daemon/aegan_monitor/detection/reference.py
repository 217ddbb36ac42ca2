"""The reference set: statistics of normal embeddings and spectra as arrays, and distances to it.

scikit-learn fits these statistics at training time (`aegan_train.calibration.statistics`); the numbers here agree with it to 1e-12.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields
from functools import cached_property
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from aegan_monitor.detection.arrays import load_arrays
from aegan_monitor.detection.spaces import Space
from aegan_monitor.errors import BundleError
from aegan_monitor.types import DoubleArray, FloatArray

N_NEAREST = 2  # of D_knn and of every distance to near clips
N_LOF_NEIGHBOURS = 4
DENSITY_FLOOR = 1e-10  # scikit-learn's, against division by zero among equal embeddings


class NearestRows:
    """Nearest rows of a matrix by Euclidean distance, with one matrix-vector product a query and no copy of the rows."""

    def __init__(self, rows: DoubleArray) -> None:
        """Store `rows`, float64 `[n_rows, n]`."""
        self.rows = rows
        self._half_squares: DoubleArray = 0.5 * np.einsum("ij,ij->i", rows, rows)

    def find(self, point: DoubleArray, n_nearest: int) -> tuple[DoubleArray, NDArray[np.intp]]:
        """The distances from `point` `[n]` to its `n_nearest` rows (all, if there are fewer), ascending, and the indices of these rows.

        The expansion |r - p|^2 = |r|^2 - 2 rp + |p|^2 selects the rows. Their distances are computed from the differences: a row has the
        distance 0 to itself.
        """
        n = min(n_nearest, len(self.rows))
        nearest = np.argpartition(self._half_squares - self.rows @ point, n - 1)[:n]
        lengths = np.linalg.norm(self.rows[nearest] - point, axis=1)
        order = np.argsort(lengths, kind="stable")
        return lengths[order], nearest[order]


class NormalClips:
    """Vectors of normal clips, and distances to the nearest of them. Each matrix is computed once, at first use."""

    def __init__(self, rows: DoubleArray, std: DoubleArray, weights: DoubleArray) -> None:
        """Store `rows` `[n_rows, n]`, their standard deviations `[n]`, and the matrix `[n, n]` of `near`."""
        self._rows, self._std, self._weights = rows, std, weights

    @cached_property
    def directions(self) -> NearestRows:
        """The rows at length 1."""
        return NearestRows(unit(self._rows))

    @cached_property
    def standardised(self) -> NearestRows:
        """The rows in standard deviations."""
        return NearestRows(self._rows / self._std)

    @cached_property
    def weighted(self) -> NearestRows:
        """The rows in the space in which Euclidean distance is that of `near`."""
        return NearestRows(self._rows @ self._weights)

    def find_directions(self, vector: DoubleArray, n_nearest: int) -> tuple[DoubleArray, NDArray[np.intp]]:
        """The `n_nearest` smallest values of 1 - cosine similarity, ascending, and the indices of their rows.

        Computed as half the squared distance on the unit sphere: 1 - cosine itself would lose small distances to rounding.
        """
        lengths, places = self.directions.find(unit(vector), n_nearest)
        return 0.5 * lengths**2, places

    def cosine(self, vector: DoubleArray) -> float:
        """Mean cosine distance to the two nearest rows."""
        return float(self.find_directions(vector, N_NEAREST)[0].mean())

    def euclidean(self, vector: DoubleArray) -> float:
        """Mean Euclidean distance to the two nearest rows, each dimension in standard deviations of the rows."""
        return float(self.standardised.find(vector / self._std, N_NEAREST)[0].mean())

    def near(self, vector: DoubleArray) -> float:
        """As `euclidean`, with less weight on directions in which a changed background moves normal clips."""
        return float(self.weighted.find(vector @ self._weights, N_NEAREST)[0].mean())


@dataclass(frozen=True, kw_only=True)
class ReferenceSet:
    """Statistics of the mean embeddings and spectra of the normal training clips, and the other arrays of a bundle.

    A row is one clip, or the mean of neighbouring clips. A decision costs one matrix-vector product a score.

    Attributes:
        filterbank: float32 `[n_bands, n_fft / 2 + 1]`.
        mean_spectrogram: float32 `[n_bands, clip_frames]`, mean of the normal clips in dB.
        embedding_mean: float64 `[n_embedding]`.
        embedding_precision: float64 `[n_embedding, n_embedding]`, inverse of the shrunk covariance.
        embedding_clips: float64 `[n_rows, n_embedding]`, embeddings of normal clips.
        embedding_std: float64 `[n_embedding]`, standard deviation over the clips.
        embedding_near: float64 `[n_embedding, n_embedding]`; a difference times it has the length that `D_near` measures.
        lof_distance: float64 `[n_rows]`, cosine distance of each row to its 4th neighbour.
        lof_density: float64 `[n_rows]`, local reachability density.
        baseline_clips: float64 `[n_rows, 2, 128]`, mean linear and mel bands of normal clips in dB (`aegan_monitor.detection.baselines`).
        baseline_std: float64 `[2, 128]`, standard deviation over the clips.
        baseline_near: float64 `[2, 128, 128]`, as `embedding_near`.
        spaces: The space of each score that has one, and that of pieces.
    """

    filterbank: FloatArray
    mean_spectrogram: FloatArray
    embedding_mean: DoubleArray
    embedding_precision: DoubleArray
    embedding_clips: DoubleArray
    embedding_std: DoubleArray
    embedding_near: DoubleArray
    lof_distance: DoubleArray
    lof_density: DoubleArray
    baseline_clips: DoubleArray
    baseline_std: DoubleArray
    baseline_near: DoubleArray
    spaces: Mapping[str, Space] = field(default_factory=dict)

    def save(self, path: Path) -> None:
        """Write as `.npz`, nothing pickled."""
        with path.open("wb") as file:
            spaces = {f"{name}.{part.name}": getattr(space, part.name) for name, space in self.spaces.items() for part in fields(Space)}
            np.savez(file, **{in_file: getattr(self, name) for name, in_file in ARRAYS.items()}, **spaces)

    @staticmethod
    def load(path: Path, spaces: Iterable[str]) -> "ReferenceSet":
        """Read a `.npz` that holds these `spaces`.

        Raises:
            BundleError: The file cannot be read, or an array is missing.
        """
        try:
            parts = {name: {part.name: f"{name}.{part.name}" for part in fields(Space)} for name in spaces}
            found = load_arrays(path, [*ARRAYS.values(), *(each for part in parts.values() for each in part.values())])
            return ReferenceSet(
                **{name: found[in_file] for name, in_file in ARRAYS.items()},
                spaces={name: Space(**{part: found[in_file] for part, in_file in each.items()}) for name, each in parts.items()},
            )
        except ValueError as error:
            raise BundleError(f"{error}; export the bundle again") from error

    @cached_property
    def clips(self) -> NormalClips:
        """The embeddings."""
        return NormalClips(self.embedding_clips, self.embedding_std, self.embedding_near)

    @cached_property
    def bands(self) -> tuple[NormalClips, ...]:
        """The mean bands, linear and mel."""
        rows = np.moveaxis(self.baseline_clips, 1, 0)
        return tuple(NormalClips(*each) for each in zip(rows, self.baseline_std, self.baseline_near, strict=True))


# The arrays, and their names in the file: the format calls the baselines controls.
ARRAYS = {each.name: each.name.replace("baseline_", "control_") for each in fields(ReferenceSet) if each.name != "spaces"}


def unit(vectors: DoubleArray) -> DoubleArray:
    """`vectors` `[..., n]` at length 1."""
    length: DoubleArray = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return vectors / np.maximum(length, np.finfo(np.float64).tiny)


def mahalanobis(embedding: DoubleArray, reference: ReferenceSet) -> float:
    """Root of the squared distance to the mean under the shrunk covariance."""
    deviation = embedding - reference.embedding_mean
    return float(np.sqrt(np.maximum(0.0, float(deviation @ reference.embedding_precision @ deviation))))


def nearest_cosine(embedding: DoubleArray, reference: ReferenceSet) -> float:
    """Sum of the two smallest cosine distances."""
    return float(reference.clips.find_directions(embedding, N_NEAREST)[0].sum())


def local_outlier_factor(embedding: DoubleArray, reference: ReferenceSet) -> float:
    """LOF of a new embedding among the normal ones: about 1 inside, larger outside.

    Source: M. Breunig et al., LOF: Identifying Density-Based Local Outliers, 2000, definitions 5 to 7.
    """
    distances, neighbours = reference.clips.find_directions(embedding, N_LOF_NEIGHBOURS)
    reachability = np.maximum(distances, reference.lof_distance[neighbours])
    density = 1.0 / (reachability.mean() + DENSITY_FLOOR)
    return float((reference.lof_density[neighbours] / density).mean())


def cosine_to_mean(embedding: DoubleArray, reference: ReferenceSet) -> float:
    """Cosine distance to the mean embedding."""
    difference = unit(embedding) - unit(reference.embedding_mean)
    return float(0.5 * difference @ difference)


Distance: TypeAlias = Callable[[DoubleArray, ReferenceSet], float]
PUBLISHED_DISTANCES: dict[str, Distance] = {
    "maha": mahalanobis,
    "knn": nearest_cosine,
    "lof": local_outlier_factor,
    "cos": cosine_to_mean,
}
OWN_DISTANCES: dict[str, Distance] = {
    "euclidean": lambda embedding, reference: reference.clips.euclidean(embedding),
    "near": lambda embedding, reference: reference.clips.near(embedding),
}
