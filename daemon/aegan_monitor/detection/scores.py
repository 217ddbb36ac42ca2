"""The scores of a clip: the 19 published ones, our own, and the training-free baselines."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from aegan_monitor.detection.baselines import BASELINES
from aegan_monitor.detection.network import Graph
from aegan_monitor.detection.reference import OWN_DISTANCES, PUBLISHED_DISTANCES, ReferenceSet
from aegan_monitor.errors import InferenceRunError
from aegan_monitor.types import DoubleArray, SegmentOutputs

POOLS: dict[str, Callable[[DoubleArray, int], float]] = {
    "sum": lambda errors, n_segments: float(errors.mean() * n_segments),  # comparable between clips of any length
    "min": lambda errors, _: float(errors.min()),
    "max": lambda errors, _: float(errors.max()),
}
DISTANCES = {**PUBLISHED_DISTANCES, **OWN_DISTANCES}
ERRORS = {"x_2": ("x_errors", 0), "x_1": ("x_errors", 1), "z_2": ("z_errors", 0), "z_1": ("z_errors", 1), "z_cos": ("z_errors", 2)}


@dataclass(frozen=True, slots=True)
class ClipEvidence:
    """Input of the scores of one clip: the outputs of all its segments, and its mean baseline bands in dB, float64 `[2, 128]` or empty."""

    outputs: SegmentOutputs
    bands: DoubleArray


@dataclass(frozen=True, slots=True)
class ScoreId:
    """One score: a distance of the clip's mean embedding, a pooled error of its segments, or a baseline without a network.

    Attributes:
        name: As published, e.g. `D_maha` or `G_z_cos_min`; our own are `D_euclidean` and `D_near`, baselines `C_...`.
        graph: The graph for it; None for a baseline.
        kind, pool: Key of DISTANCES (D), keys of ERRORS and POOLS (G), or key of BASELINES (C).
    """

    name: str
    graph: Graph | None
    kind: str
    pool: str = ""

    def evaluate(self, evidence: ClipEvidence, reference: ReferenceSet, n_segments: int) -> float:
        """The score of a clip; larger is more abnormal. `sum` is the mean times `n_segments`, the segments in a clip of a stream."""
        if self.graph is None:
            distance, place = BASELINES[self.kind]
            return distance(reference.bands[place], evidence.bands[place])
        if self.graph == "embedding":
            return DISTANCES[self.kind](evidence.outputs.embedding.mean(axis=0, dtype=np.float64), reference)
        field, column = ERRORS[self.kind]
        return POOLS[self.pool](getattr(evidence.outputs, field)[:, column].astype(np.float64), n_segments)


PUBLISHED_IDS: dict[str, ScoreId] = {
    score.name: score
    for score in [
        *(ScoreId(f"D_{kind}", "embedding", kind) for kind in PUBLISHED_DISTANCES),
        *(ScoreId(f"G_{kind}_{pool}", "generator", kind, pool) for kind in ERRORS for pool in POOLS),
    ]
}
BASELINE_IDS: dict[str, ScoreId] = {f"C_{kind}": ScoreId(f"C_{kind}", None, kind) for kind in BASELINES}
OWN_IDS: dict[str, ScoreId] = {f"D_{kind}": ScoreId(f"D_{kind}", "embedding", kind) for kind in OWN_DISTANCES}
SCORE_IDS: dict[str, ScoreId] = {**PUBLISHED_IDS, **OWN_IDS, **BASELINE_IDS}
FUSION = "F_mean"  # of several of these, by the bundle (`aegan_monitor.detection.fusion`)


def evaluate_scores(
    evidence: ClipEvidence, reference: ReferenceSet, n_segments: int, score_ids: Iterable[ScoreId] = tuple(SCORE_IDS.values())
) -> dict[str, float]:
    """Each of `score_ids` for one clip, keyed by name.

    Raises:
        InferenceRunError: A score is NaN or infinite.
    """
    found = {score.name: score.evaluate(evidence, reference, n_segments) for score in score_ids}
    wrong = [name for name, value in found.items() if not np.isfinite(value)]
    if wrong:
        raise InferenceRunError(f"{wrong[0]}: expected a finite score, found {found[wrong[0]]}; check the input for NaN and absurd levels")
    return found
