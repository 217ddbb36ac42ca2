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


def cross_fit(
    clips: ClipStatistics, groups: NDArray[np.intp], names: Sequence[str], filterbank: FloatArray, max_rows: int | None
) -> list[dict[str, float]]:
    """The scores `names` of each clip, by reference sets of the clips of other folds; fold by fold.

    Args:
        clips: The normal clips.
        groups: The recording of each clip, `[n_clips]`, numbered from 0: a recording is never split. Clips for which fewer than
            LEAST_CLIPS of other recordings remain have no scores; with one recording alone nothing is returned.
        names: Scores of mean embeddings and of bands.
        filterbank, max_rows: As in `fit_reference`.
    """
    score_ids = [SCORE_IDS[name] for name in names]
    folds = np.random.default_rng(0).permutation(groups.max() + 1)[groups] % N_FOLDS
    found: list[dict[str, float]] = []
    for fold in np.unique(folds):
        left_out = folds == fold
        if np.count_nonzero(~left_out) < LEAST_CLIPS:
            continue
        rest = clips.select(np.flatnonzero(~left_out))
        reference = fit_reference(rest, filterbank, np.zeros((1, 1), np.float32), max_rows)[0]
        for place in np.flatnonzero(left_out).tolist():
            outputs = SegmentOutputs(**{**empty_outputs(1), "embedding": clips.embeddings[place : place + 1].astype(np.float32)})
            found.append(evaluate_scores(ClipEvidence(outputs, clips.bands[place]), reference, 1, score_ids))
    return found


def align(crossed: Sequence[Mapping[str, float]], held_out: Sequence[Mapping[str, float]]) -> list[dict[str, float]]:
    """The cross-fitted scores; each that uses the network is moved by a factor, so that its mean logarithm is that of held-out clips.

    The network has been trained on the cross-fitted clips, and so lies nearer to them.
    """

    def centre(clips: Sequence[Mapping[str, float]], name: str) -> float:
        return float(np.mean([log_score(clip[name]) for clip in clips]))

    moved = [name for name in (crossed[0] if crossed else ()) if SCORE_IDS[name].graph]
    factors = {name: math.exp(centre(held_out, name) - centre(crossed, name)) for name in moved}
    return [{name: value * factors.get(name, 1.0) for name, value in clip.items()} for clip in crossed]


def scale_tail(
    names: Sequence[str], crossed: Sequence[Mapping[str, float]], held_out: Sequence[Mapping[str, float]]
) -> dict[str, FusionTerm]:
    """Centre and scale of each member of `F_tail`: mean and standard deviation of its logarithm over normal clips.

    `crossed` are aligned, so the centre of a score that uses the network is that of the held-out clips; its scale is the larger of two.
    """
    terms = {}
    for name in names:
        inside, outside = (np.array([log_score(clip[name]) for clip in clips]) for clips in (crossed, held_out))
        both = np.concatenate([inside, outside])
        parts = [inside, outside] if SCORE_IDS[name].graph and len(inside) else [both]
        terms[name] = FusionTerm(centre=float(both.mean()), scale=max(LEAST_STD, *(float(part.std()) for part in parts)))
    return terms
