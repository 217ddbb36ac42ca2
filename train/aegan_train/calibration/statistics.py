"""The reference set, fitted by scikit-learn, and calibration on held-out normal clips."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from sklearn.covariance import LedoitWolf
from sklearn.neighbors import LocalOutlierFactor

from aegan_monitor.detection.fusion import log_score
from aegan_monitor.detection.record import Calibration, FusionTerm, Normalisation, Place
from aegan_monitor.detection.reference import N_LOF_NEIGHBOURS, ReferenceSet
from aegan_monitor.detection.views import BandSummary
from aegan_monitor.types import DoubleArray, FloatArray
from aegan_train.calibration.coreset import group_clips, mean_of_groups
from aegan_train.calibration.spaces import fit_embedding_spaces, fit_spaces

COVARIANCE = "ledoit-wolf"
PROBABILITIES = [*(round(i / 100, 2) for i in range(100)), 0.995, 0.999, 1.0]
# Quantile and margin of the alarm (`aegan_monitor.detection.threshold.make_threshold`), docs/quality.md has the measurements.
CROSSED = 0.99, 0.75  # clips of all recordings: about one in 500 further normal clips may be over it
FEW = 0.99, 2.0  # held-out clips alone: a few dozen do not cover the range of normal sound
COPIES = 0.95, 0.1  # with copies: they include the effect of other places
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
    normal: Sequence[Mapping[str, float]], varied: Sequence[Mapping[str, float]] = (), crossed: Sequence[Mapping[str, float]] = ()
) -> dict[Place, Calibration]:
    """Quantiles of every score over normal clips, and the defaults of the alarm, by place.

    The recorded place has held-out clips and the cross-fitted ones (`crossed`, without scores of the generator). Any place has held-out
    clips and their copies with other backgrounds (`varied`); without copies it has no calibration.
    """
    places: dict[Place, tuple[list[Mapping[str, float]], int, int, tuple[float, float]]] = {
        "recorded": ([*normal, *crossed], len(normal) + len(crossed), 0, CROSSED if crossed else FEW)
    }
    if varied:
        places["any"] = ([*normal, *varied], len(normal), len(varied), COPIES)
    return {
        place: Calibration(
            n_clips=n_clips,
            n_copies=n_copies,
            quantile=quantile,
            margin=margin,
            probabilities=PROBABILITIES,
            quantiles={
                name: [float(q) for q in np.quantile([clip[name] for clip in scores if name in clip], PROBABILITIES)] for name in normal[0]
            },
        )
        for place, (scores, n_clips, n_copies, (quantile, margin)) in places.items()
    }


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
