"""Cross-fitting over recordings: scores of normal clips by reference sets that do not hold their recording."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from aegan_monitor.detection.fusion import log_score
from aegan_monitor.detection.network import empty_outputs
from aegan_monitor.detection.record import FusionTerm
from aegan_monitor.detection.scores import SCORE_IDS, ClipEvidence, evaluate_scores
from aegan_monitor.types import FloatArray, SegmentOutputs
from aegan_train.calibration.statistics import LEAST_STD, ClipStatistics, fit_reference

N_FOLDS = 8
LEAST_CLIPS = 2  # of a reference set: distances to neighbours need two
MAD_TO_STD = 1.4826  # standard deviation of a normal distribution whose median absolute deviation is 1
LARGEST_TERM = 4.0  # a stranger clip counts no more in a correlation
SHRINKAGE = 0.2  # of correlations; between 0.05 and 0.5 the AUC changes by less than 0.005


def divide(groups: NDArray[np.intp]) -> NDArray[np.intp]:
    """The fold of each clip, `[n_clips]`, from the recording of each: a recording is never split."""
    found: NDArray[np.intp] = np.random.default_rng(0).permutation(groups.max() + 1)[groups] % N_FOLDS
    return found


def cross_fit(
    clips: ClipStatistics, groups: NDArray[np.intp], names: Sequence[str], filterbank: FloatArray, max_rows: int | None
) -> dict[int, dict[str, float]]:
    """The scores `names` of each clip by its place, by reference sets of the clips of other folds.

    Args:
        clips: The normal clips.
        groups: The recording of each clip, `[n_clips]`, numbered from 0: a recording is never split. Clips for which fewer than
            LEAST_CLIPS of other recordings remain have no scores; with one recording alone nothing is returned.
        names: Scores of mean embeddings and of bands.
        filterbank, max_rows: As in `fit_reference`.
    """
    score_ids = [SCORE_IDS[name] for name in names]
    folds = divide(groups)
    found: dict[int, dict[str, float]] = {}
    for fold in np.unique(folds):
        left_out = folds == fold
        if np.count_nonzero(~left_out) < LEAST_CLIPS:
            continue
        rest = clips.select(np.flatnonzero(~left_out))
        reference = fit_reference(rest, filterbank, np.zeros((1, 1), np.float32), max_rows)[0]
        for place in np.flatnonzero(left_out).tolist():
            outputs = SegmentOutputs(**{**empty_outputs(1), "embedding": clips.embeddings[place : place + 1].astype(np.float32)})
            found[place] = evaluate_scores(ClipEvidence(outputs, clips.bands[place]), reference, 1, score_ids)
    return dict(sorted(found.items()))


def align(crossed: Sequence[Mapping[str, float]], held_out: Sequence[Mapping[str, float]]) -> list[dict[str, float]]:
    """The cross-fitted scores; each that uses the network is moved by a factor, so that its mean logarithm is that of held-out clips.

    The network has been trained on the cross-fitted clips, and so lies nearer to them.
    """

    def centre(clips: Sequence[Mapping[str, float]], name: str) -> float:
        return float(np.mean([log_score(clip[name]) for clip in clips]))

    moved = [name for name in (crossed[0] if crossed else ()) if SCORE_IDS[name].graph]
    factors = {name: math.exp(centre(held_out, name) - centre(crossed, name)) for name in moved}
    return [{name: value * factors.get(name, 1.0) for name, value in clip.items()} for clip in crossed]


def scale_joint(
    names: Sequence[str], crossed: Sequence[Mapping[str, float]], held_out: Sequence[Mapping[str, float]]
) -> dict[str, FusionTerm]:
    """The members of `F_joint`: median, spread and correlations of their logarithms over normal clips.

    The network has been trained on the cross-fitted clips, which may therefore lie nearer to the reference set than new sound: for its
    scores the median of held-out clips is the centre, if that is higher. The difference between the two parts then widens the spread.
    The spread is the median absolute deviation, so that a few strange clips do not widen it. Correlations are shrunk towards 0.
    """
    inside, outside = (
        np.array([[log_score(clip[name]) for name in names] for clip in clips]).reshape(-1, len(names)) for clips in (crossed, held_out)
    )
    logs = np.concatenate([inside, outside])
    middle = np.median(logs, axis=0)
    has_network = [SCORE_IDS[name].graph is not None for name in names]
    centre = np.where(has_network, np.maximum(middle, np.median(outside, axis=0)), middle) if len(outside) else middle
    away = logs - middle
    scale = np.maximum(LEAST_STD, MAD_TO_STD * np.median(np.abs(away), axis=0))
    terms = np.clip(away / scale, -LARGEST_TERM, LARGEST_TERM)
    terms -= terms.mean(axis=0)
    lengths = np.maximum(np.sqrt(np.square(terms).sum(axis=0)), LEAST_STD)
    correlations = (1 - SHRINKAGE) * (terms / lengths).T @ (terms / lengths)
    return {
        name: FusionTerm(
            centre=float(centre[i]), scale=float(scale[i]), correlations=dict(zip(names[:i], correlations[i, :i].tolist(), strict=True))
        )
        for i, name in enumerate(names)
    }
