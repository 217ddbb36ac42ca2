"""The reference set, fitted by scikit-learn, and calibration on held-out normal clips."""

from collections.abc import Mapping, Sequence

import numpy as np
from sklearn.covariance import LedoitWolf
from sklearn.neighbors import LocalOutlierFactor

from aegan_monitor.bundle import Calibration, Normalisation
from aegan_monitor.reference import N_LOF_NEIGHBOURS, ReferenceSet, unit
from aegan_monitor.types import DoubleArray, FloatArray

COVARIANCE = "ledoit-wolf"
PROBABILITIES = [*(round(i / 100, 2) for i in range(100)), 0.995, 0.999, 1.0]
LEAST_STD = 1e-12
LEAST_BAND_STD_DB = 0.01  # of a band that is as good as constant: digital silence behind a low-pass


def fit_reference(
    embeddings: DoubleArray, varied: DoubleArray, control_clips: DoubleArray, filterbank: FloatArray, mean_spectrogram: FloatArray
) -> tuple[ReferenceSet, float]:
    """The reference set of mean embeddings `[n_clips, n_embedding]` and mean control bands `[n_clips, 2, 128]`, and its shrinkage.

    `varied`, `[n_varied, n_embedding]`, are embeddings of the same clips under what must not count as a fault (another
    background): they widen the covariance in just those directions, so that `D_maha` measures less along them.

    The covariance is shrunk towards a multiple of the identity (O. Ledoit, M. Wolf, 2004): that of fewer clips than
    dimensions is singular. The reference code inverts it all the same.
    """
    covariance = LedoitWolf().fit(np.concatenate([embeddings, varied]))
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
        control_clips=control_clips,
        control_std=np.maximum(control_clips.std(axis=0), LEAST_BAND_STD_DB),
    )
    return reference, float(covariance.shrinkage_)


def normalise(scores: Sequence[Mapping[str, float]]) -> dict[str, Normalisation]:
    """Mean and standard deviation of every score over held-out normal clips."""
    table = {name: np.array([clip[name] for clip in scores]) for name in scores[0]}
    return {name: Normalisation(mean=float(v.mean()), std=max(LEAST_STD, float(v.std()))) for name, v in table.items()}


def calibrate(scores: Sequence[Mapping[str, float]]) -> Calibration:
    """Quantiles of every score over held-out normal clips."""
    quantiles = {name: [float(q) for q in np.quantile([clip[name] for clip in scores], PROBABILITIES)] for name in scores[0]}
    return Calibration(n_clips=len(scores), probabilities=PROBABILITIES, quantiles=quantiles)


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
