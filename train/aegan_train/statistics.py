"""The reference set, fitted by scikit-learn, and calibration on held-out normal clips."""

from collections.abc import Sequence

import numpy as np
from sklearn.covariance import LedoitWolf
from sklearn.neighbors import LocalOutlierFactor

from aegan_monitor.bundle import Calibration, Normalisation
from aegan_monitor.reference import N_LOF_NEIGHBOURS, ReferenceSet, unit
from aegan_monitor.scores import SCORE_IDS
from aegan_monitor.types import DoubleArray, FloatArray

COVARIANCE = "ledoit-wolf"
PROBABILITIES = [*(round(i / 100, 2) for i in range(100)), 0.995, 0.999, 1.0]
LEAST_STD = 1e-12


def fit_reference(embeddings: DoubleArray, filterbank: FloatArray, mean_spectrogram: FloatArray) -> tuple[ReferenceSet, float]:
    """The reference set of mean embeddings `[n_clips, n_embedding]`, and the shrinkage of its covariance.

    The covariance is shrunk towards a multiple of the identity (O. Ledoit, M. Wolf, 2004): that of fewer clips than
    dimensions is singular. The reference code inverts it all the same.
    """
    covariance = LedoitWolf().fit(embeddings)
    lof = LocalOutlierFactor(min(N_LOF_NEIGHBOURS, len(embeddings) - 1), metric="cosine", algorithm="brute", novelty=True).fit(embeddings)
    distances, neighbours = lof.kneighbors()
    reference = ReferenceSet(
        filterbank=filterbank,
        mean_spectrogram=mean_spectrogram,
        embedding_mean=covariance.location_,
        embedding_precision=covariance.precision_,
        embedding_directions=unit(embeddings),
        lof_distance=distances[:, -1],
        lof_density=1.0 / (np.maximum(distances, distances[neighbours, -1]).mean(axis=1) + 1e-10),
    )
    return reference, float(covariance.shrinkage_)


def calibrate(scores: Sequence[dict[str, float]]) -> tuple[Calibration, dict[str, Normalisation]]:
    """Quantiles, mean and standard deviation of every score over held-out normal clips."""
    table = {name: np.array([clip[name] for clip in scores]) for name in SCORE_IDS}
    quantiles = {name: [float(q) for q in np.quantile(values, PROBABILITIES)] for name, values in table.items()}
    normalisation = {name: Normalisation(mean=float(v.mean()), std=max(LEAST_STD, float(v.std()))) for name, v in table.items()}
    return Calibration(n_clips=len(scores), probabilities=PROBABILITIES, quantiles=quantiles), normalisation


def mean_of_clips(db: Sequence[FloatArray], n_frames: int) -> FloatArray:
    """Mean spectrogram `[n_bands, n_frames]` of normal clips, over those that reach each frame; the last known one beyond."""
    total = np.zeros((db[0].shape[0], n_frames))
    count = np.zeros(n_frames)
    for each in db:
        length = min(n_frames, each.shape[1])
        total[:, :length] += each[:, :length]
        count[:length] += 1
    n_known = int(np.count_nonzero(count))
    mean = total[:, :n_known] / count[:n_known]
    return np.pad(mean, ((0, 0), (0, n_frames - n_known)), mode="edge").astype(np.float32)
