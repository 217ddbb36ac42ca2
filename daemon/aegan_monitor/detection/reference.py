"""The reference set: what normal embeddings look like, as plain arrays, and distances to it in NumPy.

scikit-learn fits these statistics at training time (`aegan_train.calibration.statistics`); the numbers here agree with it to 1e-12.
"""

from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TypeAlias

import numpy as np

from aegan_monitor.detection.arrays import load_arrays
from aegan_monitor.errors import BundleError
from aegan_monitor.types import DoubleArray, FloatArray

N_NEAREST = 2  # of D_knn and of every distance to near clips
N_LOF_NEIGHBOURS = 4
DENSITY_FLOOR = 1e-10  # scikit-learn's, against division by zero among equal embeddings


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferenceSet:
    """Statistics of the mean embeddings of the normal training clips, and what else a bundle carries as arrays.

    Attributes:
        filterbank: float32 `[n_bands, n_fft / 2 + 1]`.
        mean_spectrogram: float32 `[n_bands, clip_frames]`, mean of the normal clips in dB.
        embedding_mean: float64 `[n_embedding]`.
        embedding_precision: float64 `[n_embedding, n_embedding]`, inverse of the shrunk covariance.
        embedding_clips: float64 `[n_clips, n_embedding]`, the clips' embeddings.
        embedding_std: float64 `[n_embedding]`, their standard deviation.
        embedding_near: float64 `[n_embedding, n_embedding]`; a difference times it has the length that `D_near` measures.
        lof_distance: float64 `[n_clips]`, cosine distance of each clip to its 4th neighbour.
        lof_density: float64 `[n_clips]`, local reachability density.
        control_clips: float64 `[n_clips, 2, 128]`, the clips' mean linear and mel bands in dB (`aegan_monitor.detection.baselines`).
        control_std: float64 `[2, 128]`, their standard deviation over the clips.
        control_near: float64 `[2, 128, 128]`, as `embedding_near`.
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
    control_clips: DoubleArray
    control_std: DoubleArray
    control_near: DoubleArray

    def save(self, path: Path) -> None:
        """Write as `.npz`, nothing pickled."""
        with path.open("wb") as file:
            np.savez(file, **{field.name: getattr(self, field.name) for field in fields(self)})

    @staticmethod
    def load(path: Path) -> "ReferenceSet":
        """Read a `.npz`.

        Raises:
            BundleError: It cannot be read, or an array is missing.
        """
        try:
            return ReferenceSet(**load_arrays(path, [field.name for field in fields(ReferenceSet)]))
        except ValueError as error:
            raise BundleError(f"{error}; export the bundle again") from error


def unit(vectors: DoubleArray) -> DoubleArray:
    """`vectors` `[..., n]` at length 1."""
    length: DoubleArray = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return vectors / np.maximum(length, np.finfo(np.float64).tiny)


def cosine_distances(vectors: DoubleArray, directions: DoubleArray) -> DoubleArray:
    """1 - cosine similarity, `[n_directions]`, as half the squared distance on the unit sphere (no cancellation)."""
    difference = unit(vectors) - directions
    distances: DoubleArray = 0.5 * np.einsum("ij,ij->i", difference, difference)
    return distances


def mahalanobis(embedding: DoubleArray, reference: ReferenceSet) -> float:
    """Root of the squared distance to the mean under the shrunk covariance."""
    deviation = embedding - reference.embedding_mean
    return float(np.sqrt(np.maximum(0.0, float(deviation @ reference.embedding_precision @ deviation))))


def nearest_cosine(embedding: DoubleArray, reference: ReferenceSet) -> float:
    """Sum of the two smallest cosine distances."""
    return float(np.sort(cosine_distances(embedding, unit(reference.embedding_clips)))[:N_NEAREST].sum())


def local_outlier_factor(embedding: DoubleArray, reference: ReferenceSet) -> float:
    """LOF of a new embedding among the normal ones: about 1 inside, larger outside.

    Source: M. Breunig et al., LOF: Identifying Density-Based Local Outliers, 2000, definitions 5 to 7.
    """
    distances = cosine_distances(embedding, unit(reference.embedding_clips))
    neighbours = np.argsort(distances, kind="stable")[: min(N_LOF_NEIGHBOURS, len(distances))]
    reachability = np.maximum(distances[neighbours], reference.lof_distance[neighbours])
    density = 1.0 / (reachability.mean() + DENSITY_FLOOR)
    return float((reference.lof_density[neighbours] / density).mean())


def cosine_to_mean(embedding: DoubleArray, reference: ReferenceSet) -> float:
    """Cosine distance to the mean embedding."""
    return float(cosine_distances(embedding, unit(reference.embedding_mean)[None])[0])


def nearest_mean(differences: DoubleArray) -> float:
    """Mean length of the two shortest rows of `[n_clips, n]`."""
    lengths: DoubleArray = np.linalg.norm(differences, axis=1)
    return float(np.sort(lengths)[:N_NEAREST].mean())


def euclidean(embedding: DoubleArray, reference: ReferenceSet) -> float:
    """Mean distance to the two nearest normal clips, each dimension in standard deviations of the normal clips."""
    return nearest_mean((reference.embedding_clips - embedding) / reference.embedding_std)


def near(embedding: DoubleArray, reference: ReferenceSet) -> float:
    """The same where directions in which a changed background moves normal clips count less (`aegan_train.calibration.statistics`)."""
    return nearest_mean((reference.embedding_clips - embedding) @ reference.embedding_near)


Distance: TypeAlias = Callable[[DoubleArray, ReferenceSet], float]
PUBLISHED_DISTANCES: dict[str, Distance] = {
    "maha": mahalanobis,
    "knn": nearest_cosine,
    "lof": local_outlier_factor,
    "cos": cosine_to_mean,
}
OWN_DISTANCES: dict[str, Distance] = {"euclidean": euclidean, "near": near}
