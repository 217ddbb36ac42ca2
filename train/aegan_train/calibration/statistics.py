"""The reference set, fitted by scikit-learn, and calibration on held-out normal clips."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from sklearn.covariance import LedoitWolf
from sklearn.neighbors import LocalOutlierFactor

from aegan_monitor.detection.fusion import log_score
from aegan_monitor.detection.record import Calibration, FusionTerm, Normalisation
from aegan_monitor.detection.reference import N_LOF_NEIGHBOURS, ReferenceSet
from aegan_monitor.detection.views import BandSummary
from aegan_monitor.types import DoubleArray, FloatArray
from aegan_train.calibration.coreset import group_clips, mean_of_groups
from aegan_train.calibration.spaces import fit_embedding_spaces, fit_spaces

COVARIANCE = "ledoit-wolf"
PROBABILITIES = [*(round(i / 100, 2) for i in range(100)), 0.995, 0.999, 1.0]
LEAST_STD = 1e-12
BACKGROUND_WEIGHT = 1.0  # variance of a changed background, over all dimensions, relative to that of normal clips
LEAST_BASELINE_STD_DB = 0.01  # floor for a band that is nearly constant, such as digital silence above a low-pass filter


@dataclass(frozen=True, slots=True)
class ClipStatistics:
    """The data that a reference set is fitted on: normal clips, and copies of some of them with other backgrounds.

    Attributes:
        embeddings: float64 `[n_clips, n_embedding]`, mean embeddings.
        bands: The summary of each clip's bands.
        embedding_changes: float64 `[n_copies, n_embedding]`, copy minus original.
        band_changes: float64 `[n_copies, 2, 128]`, copy minus original.
    """

    embeddings: DoubleArray
    bands: Sequence[BandSummary]
    embedding_changes: DoubleArray
    band_changes: DoubleArray

    def select(self, places: NDArray[np.intp]) -> "ClipStatistics":
        """The statistics of some clips, with all copies: they only say what a background does."""
        return replace(self, embeddings=self.embeddings[places], bands=[self.bands[place] for place in places])


def fit_reference(
    clips: ClipStatistics, filterbank: FloatArray, mean_spectrogram: FloatArray, max_rows: int | None = None
) -> tuple[ReferenceSet, float]:
    """The reference set, and the shrinkage of its covariance.

    All clips enter means, spreads and covariance. For the distances to neighbours at most `max_rows` rows are kept, each the mean of
    clips that lie near each other (`group_clips`); None keeps each clip.

    The covariance is shrunk towards a multiple of the identity (O. Ledoit, M. Wolf, 2004): that of fewer clips than
    dimensions is singular, although the reference code inverts it.
    """
    embeddings, bands = clips.embeddings, np.stack([each.mean for each in clips.bands])
    covariance = LedoitWolf().fit(embeddings)
    embedding_std, baseline_std = np.maximum(embeddings.std(axis=0), LEAST_STD), np.maximum(bands.std(axis=0), LEAST_BASELINE_STD_DB)
    embedding_near = compensate(embedding_std, clips.embedding_changes)
    baseline_near = np.stack([compensate(std, clips.band_changes[:, place]) for place, std in enumerate(baseline_std)])
    spaces = [embeddings, *(bands[:, place] for place in range(bands.shape[1]))]
    groups = group_clips(spaces, [embedding_near, *baseline_near], max_rows or len(embeddings))
    rows = mean_of_groups(embeddings, groups)
    lof = LocalOutlierFactor(min(N_LOF_NEIGHBOURS, len(rows) - 1), metric="cosine", algorithm="brute", novelty=True).fit(rows)
    distances, neighbours = lof.kneighbors()
    reference = ReferenceSet(
        filterbank=filterbank,
        mean_spectrogram=mean_spectrogram,
        embedding_mean=covariance.location_,
        embedding_precision=covariance.precision_,
        embedding_clips=rows,
        embedding_std=embedding_std,
        embedding_near=embedding_near,
        lof_distance=distances[:, -1],
        lof_density=1.0 / (np.maximum(distances, distances[neighbours, -1]).mean(axis=1) + 1e-10),
        baseline_clips=mean_of_groups(bands, groups),
        baseline_std=baseline_std,
        baseline_near=baseline_near,
        spaces={**fit_embedding_spaces(rows, embedding_std, embedding_near), **fit_spaces(clips.bands, max_rows)},
    )
    return reference, float(covariance.shrinkage_)


def compensate(std: DoubleArray, changes: DoubleArray) -> DoubleArray:
    """A matrix `[n, n]` that shortens differences in the directions in which a changed background moves clips.

    Lengths are those under the covariance `diag(std^2) + N`. N is the second moment of `changes` `[n_copies, n]`, scaled so that in
    units of `std` `[n]` its typical variance is BACKGROUND_WEIGHT: the level of future backgrounds is unknown, only the directions can
    be measured. Without `changes` the matrix divides by `std`.

    Source: within-class covariance normalisation (A. Hatch et al., 2006), with synthetic backgrounds as the class's spread.
    """
    whole = np.eye(len(std))
    if len(changes):
        in_std = changes / std
        moment = in_std.T @ in_std / len(in_std)
        # A geometric mean: the arithmetic one would be dominated by the few dimensions with the smallest spread.
        typical_variance = float(np.expm1(np.log1p(np.diag(moment)).mean()))
        whole += moment * (BACKGROUND_WEIGHT / max(typical_variance, LEAST_STD))
    found: DoubleArray = np.linalg.cholesky(np.linalg.inv(whole)) / std[:, None]
    return found


def scale_fusion(
    names: Sequence[str], normal: Sequence[Mapping[str, float]], varied: Sequence[Mapping[str, float]]
) -> dict[str, FusionTerm]:
    """Centre and scale of each score of the fusion, from held-out normal clips and their copies with other backgrounds."""
    terms = {}
    for name in names:
        centre = float(np.mean([log_score(clip[name]) for clip in normal]))
        distances = [log_score(clip[name]) - centre for clip in (varied or normal)]
        terms[name] = FusionTerm(centre=centre, scale=max(LEAST_STD, float(np.sqrt(np.mean(np.square(distances))))))
    return terms


def normalise(scores: Sequence[Mapping[str, float]]) -> dict[str, Normalisation]:
    """Mean and standard deviation of every score over held-out normal clips."""
    table = {name: np.array([clip[name] for clip in scores]) for name in scores[0]}
    return {name: Normalisation(mean=float(v.mean()), std=max(LEAST_STD, float(v.std()))) for name, v in table.items()}


def calibrate(
    normal: Sequence[Mapping[str, float]], varied: Sequence[Mapping[str, float]] = (), crossed: Sequence[float] = ()
) -> Calibration:
    """Quantiles of every score over held-out normal clips and their copies with other backgrounds, and the defaults of the alarm.

    With copies the calibration includes the effect of other places, and the threshold lies at the upper end of these scores. Without
    copies a few dozen clips do not cover the range of normal sound, so the threshold lies well above their scores.

    `F_joint` is for the place of the recordings. It is calibrated on held-out clips and on its values `crossed` of cross-fitted clips,
    without copies; its threshold lies as far over the upper end of these scores as that lies over their median.
    """
    scores = [*normal, *varied]
    quantiles = {name: [float(q) for q in np.quantile([clip[name] for clip in scores], PROBABILITIES)] for name in scores[0]}
    advice = {"quantile": 0.95, "margin": 0.1} if varied else {}
    if crossed:
        in_place = [*crossed, *(clip["F_joint"] for clip in normal)]
        quantiles["F_joint"] = [float(q) for q in np.quantile(in_place, PROBABILITIES)]
        return Calibration(n_clips=len(in_place), probabilities=PROBABILITIES, quantiles=quantiles, quantile=0.95, margin=1.0)
    return Calibration(n_clips=len(normal), n_copies=len(varied), probabilities=PROBABILITIES, quantiles=quantiles, **advice)


def mean_of_clips(db: Sequence[FloatArray], n_frames: int) -> FloatArray:
    """Mean spectrogram `[n_bands, n_frames]` of normal clips, over the clips that reach each frame; beyond the longest, its last frame."""
    total = np.zeros((db[0].shape[0], n_frames))
    count = np.zeros(n_frames)
    for each in db:
        length = min(n_frames, each.shape[1])
        total[:, :length] += each[:, :length]
        count[:length] += 1
    n_known = int(np.count_nonzero(count))
    mean = total[:, :n_known] / count[:n_known]
    return np.pad(mean, ((0, 0), (0, n_frames - n_known)), mode="edge").astype(np.float32)
