"""The 19 scores of a clip: a table, and one function that evaluates rows of it."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from aegan_monitor.errors import InferenceRunError
from aegan_monitor.reference import DISTANCES, ReferenceSet
from aegan_monitor.session import Graph
from aegan_monitor.types import DoubleArray, SegmentOutputs

POOLS: dict[str, Callable[[DoubleArray, int], float]] = {
    "sum": lambda errors, n_segments: float(errors.mean() * n_segments),  # comparable between clips of any length
    "min": lambda errors, _: float(errors.min()),
    "max": lambda errors, _: float(errors.max()),
}
ERRORS = {"x_2": ("x_errors", 0), "x_1": ("x_errors", 1), "z_2": ("z_errors", 0), "z_1": ("z_errors", 1), "z_cos": ("z_errors", 2)}


@dataclass(frozen=True, slots=True)
class ScoreId:
    """One of the 19: either a distance of the clip's mean embedding, or a pooled error of its segments.

    Attributes:
        name: As published, e.g. `D_maha` or `G_z_cos_min`.
        graph: The graph that it needs.
        kind: Key of DISTANCES (D) or of ERRORS (G).
        pool: Key of POOLS (G), or empty.
    """

    name: str
    graph: Graph
    kind: str
    pool: str = ""

    def evaluate(self, outputs: SegmentOutputs, reference: ReferenceSet, n_segments: int) -> float:
        """The score of the clip whose segments gave `outputs`; larger is more abnormal.

        Args:
            outputs: Of all segments of the clip, at least one.
            reference: The bundle's.
            n_segments: Segments per clip in the score's definition; `sum` is the mean times it.
        """
        if self.graph == "embedding":
            return DISTANCES[self.kind](outputs.embedding.mean(axis=0, dtype=np.float64), reference)
        field, column = ERRORS[self.kind]
        return POOLS[self.pool](getattr(outputs, field)[:, column].astype(np.float64), n_segments)


SCORE_IDS: dict[str, ScoreId] = {
    score.name: score
    for score in [
        *(ScoreId(f"D_{kind}", "embedding", kind) for kind in DISTANCES),
        *(ScoreId(f"G_{kind}_{pool}", "generator", kind, pool) for kind in ERRORS for pool in POOLS),
    ]
}


def evaluate_scores(
    outputs: SegmentOutputs, reference: ReferenceSet, n_segments: int, score_ids: Iterable[ScoreId] = tuple(SCORE_IDS.values())
) -> dict[str, float]:
    """Each of `score_ids` for one clip, keyed by name.

    Raises:
        InferenceRunError: A score is NaN or infinite: no number would be worse than one that looks normal.
    """
    found = {score.name: score.evaluate(outputs, reference, n_segments) for score in score_ids}
    wrong = [name for name, value in found.items() if not np.isfinite(value)]
    if wrong:
        raise InferenceRunError(f"{wrong[0]}: expected a finite score, found {found[wrong[0]]}; check the input for NaN and absurd levels")
    return found
