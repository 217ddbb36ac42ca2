"""The scores of a clip: the 19 published ones, our own, and the training-free baselines."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from aegan_monitor.detection.baselines import BASELINES
from aegan_monitor.detection.network import Graph
from aegan_monitor.detection.reference import OWN_DISTANCES, PUBLISHED_DISTANCES, ReferenceSet
from aegan_monitor.detection.views import VIEWS, BandSummary
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
    """Input of the scores of one clip: the outputs of all its segments, and the summary of its bands (None if no score needs it)."""

    outputs: SegmentOutputs
    bands: BandSummary | None


@dataclass(frozen=True, slots=True)
class ScoreId:
    """One score: a distance of the clip's mean embedding, a pooled error of its segments, or a baseline without a network.

    Attributes:
        name: As published, e.g. `D_maha` or `G_z_cos_min`; our own are `D_euclidean` and `D_near`, baselines `C_...`.
        graph: The graph for it; None for a baseline.
        kind, pool: Key of DISTANCES (D), keys of ERRORS and POOLS (G), key of BASELINES or of VIEWS (C).
    """

    name: str
    graph: Graph | None
    kind: str
    pool: str = ""

    def evaluate(self, evidence: ClipEvidence, reference: ReferenceSet, n_segments: int) -> float:
        """The score of a clip; larger is more abnormal. `sum` is the mean times `n_segments`, the segments in a clip of a stream."""
        if self.name in EMBEDDING_SPACES:
            return reference.spaces[self.name].measure(evidence.outputs.embedding.mean(axis=0, dtype=np.float64)[None])
        if self.graph is None:
            if evidence.bands is None:
                raise ValueError(f"{self.name} needs bands")
            if self.name in SPACE_VIEWS:
                return reference.spaces[self.name].measure(VIEWS[self.kind](evidence.bands))
            distance, place = BASELINES[self.kind]
            return distance(reference.bands[place], evidence.bands.mean[place])
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
SPACE_VIEWS = {  # scores by a space of the reference set (`aegan_monitor.detection.spaces`), and the view of each
    "C_linear_maha": "linear",
    "C_mel_maha": "mel",
    "C_linear_spread_density": "linear_spread",
    "C_mel_spread_density": "mel_spread",
    "C_linear_peak_density": "linear_peak",
    "C_linear_peak_maha": "linear_peak",
    "C_flux": "flux",
    "C_moments": "moments",
}
EMBEDDING_SPACES = ("D_density", "D_near_density")  # scores of the mean embedding by a space
SPACE_SCORES = (*EMBEDDING_SPACES, *SPACE_VIEWS)
LASTING = "lasting"  # the space of pieces: no score, but how long something lasts
BASELINE_IDS: dict[str, ScoreId] = {
    name: ScoreId(name, None, kind) for name, kind in [*((f"C_{kind}", kind) for kind in BASELINES), *SPACE_VIEWS.items()]
}
OWN_IDS: dict[str, ScoreId] = {
    f"D_{kind}": ScoreId(f"D_{kind}", "embedding", kind)
    for kind in (*OWN_DISTANCES, *(name.removeprefix("D_") for name in EMBEDDING_SPACES))
}
_ALL_IDS = {**PUBLISHED_IDS, **OWN_IDS, **BASELINE_IDS}
SCORE_IDS: dict[str, ScoreId] = {name: _ALL_IDS[name] for name in (*(each for each in _ALL_IDS if each not in SPACE_SCORES), *SPACE_SCORES)}


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
